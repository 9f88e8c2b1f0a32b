//! What happens in a terminal: it is drawn upon, and given back however the program ends. `script` makes the terminal.

use crate::program::{children_of, signal};
use std::{
    env, fs,
    io::{Read, Write},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// The other screen is taken, and given back.
const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";

/// A terminal in which a shell runs `brigade` and then says how it ended and how the terminal is.
struct Terminal {
    script: Child,
    shown: String,
    state: PathBuf,
}

impl Terminal {
    /// None, told aloud, where there is no `script` of util-linux.
    fn with(arguments: &str) -> Option<Self> {
        if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no `script` here to make a terminal with");
            return None;
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Of its own: tests run side by side.
        let name = format!("brigade-terminal-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let state = env::temp_dir().join(name);
        let program = env!("CARGO_BIN_EXE_brigade");
        let shell = format!("stty rows 24 cols 80; '{program}' {arguments}; echo code=$?; stty -a");
        let mut script = Command::new("script");
        script.args(["-qec", &shell, "/dev/null"]).env("XDG_STATE_HOME", &state).env("TERM", "xterm");
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Some(Self { script, shown: String::new(), state })
    }

    /// Reads on until this has been shown.
    fn wait_for(&mut self, text: &str) {
        let mut piece = [0; 4096];
        while !self.shown.contains(text) {
            let read = self.script.stdout.as_mut().unwrap().read(&mut piece).unwrap();
            assert_ne!(read, 0, "{text:?} was not shown: {:?}", self.shown);
            self.shown.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
    }

    fn types(&mut self, keys: &[u8]) {
        self.script.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// The program, which the terminal's shell runs.
    fn program(&self) -> u32 {
        let shell = children_of(self.script.id());
        let program: Vec<_> = shell.iter().flat_map(|shell| children_of(*shell)).collect();
        assert_eq!((shell.len(), program.len()), (1, 1), "{}", self.shown);
        program[0]
    }

    /// The end: how the program ended, and that the terminal is as it was.
    fn ends_with(mut self, code: u8) {
        self.wait_for("iexten");
        let (_, after) = self.shown.split_once(GIVEN_BACK).expect("the screen is given back");
        assert!(after.contains(&format!("code={code}\r\n")), "{after:?}");
        let words: Vec<_> = after.split_whitespace().collect();
        assert!(words.contains(&"icanon") && words.contains(&"echo") && words.contains(&"isig"), "{after:?}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The end of its input ends it, and what runs in its terminal.
        drop(self.script.stdin.take());
        let _ = self.script.kill();
        let _ = self.script.wait();
        let _ = fs::remove_dir_all(&self.state);
    }
}

/// The quiz, at its first question.
fn quiz() -> Option<Terminal> {
    let mut terminal = Terminal::with("cards")?;
    terminal.wait_for(TAKEN);
    terminal.wait_for("Enter: reveal");
    Some(terminal)
}

#[test]
fn a_signal_ends_the_quiz_and_gives_the_terminal_back() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let Some(terminal) = quiz() else { return };
        signal(terminal.program(), name);
        terminal.ends_with(code);
    }
}

#[test]
fn a_key_ends_the_quiz_and_gives_the_terminal_back() {
    // Escape, and Ctrl-C, which is a key there and no signal.
    for (key, code) in [(b'\x1b', 0), (3, 130)] {
        let Some(mut terminal) = quiz() else { return };
        terminal.types(&[key]);
        terminal.ends_with(code);
    }
}

#[test]
fn an_answer_is_revealed_and_judged() {
    let Some(mut terminal) = quiz() else { return };
    terminal.types(b"cores\r");
    terminal.wait_for("Proved");
    terminal.types(b"gq");
    terminal.wait_for("Enter");
    terminal.types(b"\x1b");
    terminal.wait_for("1 known");
    terminal.ends_with(0);
}

#[test]
fn the_kitchens_lanes_grow_while_it_cooks() {
    let Some(mut terminal) = Terminal::with("kitchen --speed 4") else { return };
    terminal.wait_for("code=0");
    // Each drawing of the first lanes begins with the soup; at the end it stands once for each of the three kitchens.
    let (drawn, events) = (terminal.shown.matches("soup").count(), terminal.shown.matches("simmers").count());
    assert!(drawn > 6, "{drawn} times: {}", terminal.shown);
    assert_eq!(events, 1, "only the legend: {}", terminal.shown);
}

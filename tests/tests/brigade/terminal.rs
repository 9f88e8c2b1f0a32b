//! The program in a terminal: it draws on the terminal, and gives it back however it ends. `script` makes the
//! terminal.

use crate::{
    common::folder::Folder,
    program::{children_of, exists, signal},
};
use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The escape sequences that enter and leave the alternate screen.
pub(crate) const TAKEN: &str = "\x1b[?1049h";
pub(crate) const GIVEN_BACK: &str = "\x1b[?1049l";

/// A terminal in which a shell runs `brigade`, and then prints the exit code and the state of the terminal.
pub(crate) struct Terminal {
    script: Child,
    pub(crate) shown: String,
    /// The first bytes of a character whose others have not come.
    unread: Vec<u8>,
    /// Keeps the state of the program away from the user's.
    _state: Folder,
}

impl Terminal {
    /// Starts the program in a terminal of 80 columns. Without the `script` of util-linux it says so and
    /// returns None.
    fn with(arguments: &str) -> Option<Self> {
        Self::in_columns(80, arguments)
    }

    /// Starts the program in a terminal of so many columns.
    pub(crate) fn in_columns(columns: usize, arguments: &str) -> Option<Self> {
        Self::after("true", columns, arguments)
    }

    /// Starts the program in a terminal of so many columns, after the shell has run a command.
    fn after(command: &str, columns: usize, arguments: &str) -> Option<Self> {
        if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no `script` here to make a terminal with");
            return None;
        }
        let state = Folder::new();
        let program = env!("CARGO_BIN_EXE_brigade");
        let shell =
            format!("{command}; stty rows 24 cols {columns}; '{program}' {arguments}; echo code=$?; stty -a");
        let mut script = Command::new("script");
        script.args(["-qec", &shell, "/dev/null"]).env("XDG_STATE_HOME", state.path()).env("TERM", "xterm");
        let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Some(Self { script, shown: String::new(), unread: Vec::new(), _state: state })
    }

    /// Reads until the terminal has shown this text.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut piece = [0; 4096];
        while !self.shown.contains(text) {
            let read = self.script.stdout.as_mut().unwrap().read(&mut piece).unwrap();
            assert_ne!(read, 0, "{text:?} was not shown: {:?}", self.shown);
            self.take(&piece[..read]);
        }
    }

    /// Adds bytes to the text. A character may come in two pieces: its first bytes wait for the others.
    fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.unread) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => panic!("the terminal shows no UTF-8: {error} in {:?}", self.unread),
        };
        self.shown.push_str(std::str::from_utf8(&self.unread[..whole]).unwrap());
        self.unread.drain(..whole);
    }

    pub(crate) fn types(&mut self, keys: &[u8]) {
        self.script.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// The process id of the program, which is the child of a shell.
    pub(crate) fn program(&self) -> u32 {
        let shell = children_of(self.script.id());
        let program: Vec<_> = shell.iter().flat_map(|shell| children_of(*shell)).collect();
        assert_eq!((shell.len(), program.len()), (1, 1), "{}", self.shown);
        program[0]
    }

    /// Waits for the end, and checks the exit code and that the terminal is as it was.
    pub(crate) fn ends_with(mut self, code: u8) {
        self.wait_for("iexten");
        let (_, after) = self.shown.split_once(GIVEN_BACK).expect("the screen is given back");
        assert!(after.contains(&format!("code={code}\r\n")), "{after:?}");
        let words: Vec<_> = after.split_whitespace().collect();
        assert!(words.contains(&"icanon") && words.contains(&"echo") && words.contains(&"isig"), "{after:?}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The end of its input ends `script`, and the program in its terminal.
        drop(self.script.stdin.take());
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Starts the quiz and waits for its first question.
fn quiz() -> Option<Terminal> {
    let mut terminal = Terminal::with("cards")?;
    terminal.wait_for(TAKEN);
    terminal.wait_for("Enter: reveal");
    Some(terminal)
}

#[test]
fn a_narrow_quiz_says_all_its_keys() {
    let Some(mut terminal) = Terminal::in_columns(40, "cards") else { return };
    terminal.wait_for("think it)");
    terminal.types(b"\r");
    terminal.wait_for("q: end");
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
fn a_quiz_whose_terminal_is_gone_ends() {
    // The shell gets the signal, ignores it, and passes none on.
    let Some(mut terminal) = Terminal::after("trap '' HUP", 80, "cards") else { return };
    terminal.wait_for("Enter: reveal");
    let program = terminal.program();
    drop(terminal);
    let deadline = Instant::now() + Duration::from_secs(60);
    while exists(program) {
        assert!(Instant::now() < deadline, "it reads on from a terminal that is gone");
        thread::yield_now();
    }
}

#[test]
fn a_key_ends_the_quiz_and_gives_the_terminal_back() {
    // Escape, and Ctrl-C, which in raw mode is a key and no signal.
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
    // While it cooks, each frame has the soup of each part so far. At the end the soup stands once in each of
    // the three pictures.
    let (frames, pictures) = terminal.shown.split_once(GIVEN_BACK).unwrap();
    assert!(frames.matches("  soup").count() > 6, "{}", terminal.shown);
    assert_eq!(pictures.matches("  soup").count(), 3, "{pictures}");
    assert!(!terminal.shown.contains("the soup simmers"), "steps are for a pipe: {}", terminal.shown);
}

#[test]
fn a_signal_ends_the_kitchen_and_gives_the_terminal_back() {
    for look in ["", " --projector"] {
        let Some(mut terminal) = Terminal::with(&format!("kitchen{look}")) else { return };
        terminal.wait_for("soup");
        signal(terminal.program(), "INT");
        terminal.ends_with(130);
    }
}

#[test]
fn code_has_colours_and_stands_side_by_side_where_there_is_room() {
    let program = env!("CARGO_BIN_EXE_brigade");
    let twice = format!("hello --code; stty cols 200; NO_COLOR=1 '{program}' hello --code");
    let Some(mut terminal) = Terminal::with(&twice) else { return };
    terminal.wait_for("code=0");
    let is_beside = |line: &str| line.contains("Python: demos") && line.contains("Rust: demos");
    let wide = terminal.shown.lines().position(is_beside).expect("the two stand side by side");
    let lines: Vec<_> = terminal.shown.lines().collect();
    let (narrow, wide) = (lines[..wide].join("\n"), lines[wide..].join("\n"));
    assert!(narrow.contains("\x1b[35masync\x1b[0m") && !narrow.contains('│'), "{narrow}");
    assert!(narrow.find("Python: demos") < narrow.find("Rust: demos"), "{narrow}");
    let (code, _) = wide.split_once("code=0").unwrap();
    assert!(code.contains("asyncio.run") && code.contains('│') && !code.contains('\x1b'), "{code}");
}

#[test]
fn the_quiz_is_played_where_nothing_can_be_kept_and_says_so() {
    let program = env!("CARGO_BIN_EXE_brigade");
    for (environment, why) in [
        ("env -u HOME -u XDG_STATE_HOME", "neither XDG_STATE_HOME nor HOME names a folder"),
        ("XDG_STATE_HOME=/dev/null/no-folder", "cannot read /dev/null/no-folder"),
    ] {
        let Some(mut terminal) = Terminal::with(&format!("list; {environment} '{program}' cards")) else {
            return;
        };
        terminal.wait_for("Enter: reveal");
        terminal.types(b"\rg\x1b");
        terminal.wait_for("1 known");
        let told =
            terminal.shown.split_once(GIVEN_BACK).unwrap().1.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("What you know is not kept this time") && told.contains(why), "{told}");
        terminal.ends_with(0);
    }
}

#[test]
fn lanes_grow_on_a_screen_of_their_own_and_give_it_back() {
    for columns in [40, 80, 200] {
        let Some(mut terminal) = Terminal::in_columns(columns, "hello --lanes --speed 4") else { return };
        terminal.wait_for(TAKEN);
        terminal.wait_for("threads (");
        terminal.wait_for(GIVEN_BACK);
        terminal.wait_for("code=0");
        let after = terminal.shown.split_once(GIVEN_BACK).expect("it was waited for").1;
        // The lines of the scenario follow, and the lanes once more, below the shell's line.
        assert!(
            after.contains("Hello") && after.contains("say_hello") && after.contains("threads ("),
            "{after}"
        );
        let printed = after.split("code=").next().unwrap_or_default().lines();
        let plain = printed.map(|line| line.split('\x1b').next().unwrap_or(line).trim_end());
        let widest = plain.map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= columns, "{widest} of {columns} columns: {after}");
    }
}

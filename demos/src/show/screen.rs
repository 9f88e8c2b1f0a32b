//! The terminal's alternate screen: entered for a while, and left whatever happens.
//!
//! Three may leave it, and the first one does: the guard when it is dropped, the panic hook (so that the
//! message is seen), and the thread that waits for signals, just before the process exits. Any of them may
//! come after another one.

use crate::interrupt::{self, Hook};
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        execute,
        terminal::{
            Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
        },
    },
};
use std::{
    io::{self, Stdout, stdout},
    panic,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

static OPEN: AtomicBool = AtomicBool::new(false);

/// The alternate screen, in raw mode. Dropping it leaves the screen.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Enters the screen.
    pub(crate) fn open() -> io::Result<Self> {
        static HOOKS: Once = Once::new();
        HOOKS.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                close();
                before(info);
            }));
            interrupt::on_exit(Hook::Terminal, close);
            // The library reads on for ever when the terminal is gone. Without this thread all is as well
            // until then.
            let _ = interrupt::exit_with_terminal();
        });
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        // Release: pairs with the swap in `close`. The flag is set before the first change, so that an
        // interruption between the changes takes them back.
        OPEN.store(true, Ordering::Release);
        let screen = Self { terminal };
        enable_raw_mode()?;
        // The library's `clear` would not do: it asks the terminal where the cursor is, and some terminals do
        // not answer.
        execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All))?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        close();
    }
}

/// Leaves the screen, if it was entered.
fn close() {
    // AcqRel: pairs with itself and with the store in `open`. Only one caller sees true and leaves the
    // screen.
    if OPEN.swap(false, Ordering::AcqRel) {
        // Errors are ignored: nothing helps a terminal that is gone.
        let _ = disable_raw_mode();
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        env,
        process::{Command, Stdio},
    };

    /// This variable is set in the process that panics, whose terminal `script` makes.
    const INSIDE: &str = "BRIGADE_TEST_PANICS_ON_THE_SCREEN";

    #[test]
    fn a_panic_gives_the_screen_back_before_it_is_told() {
        if env::var_os(INSIDE).is_some() {
            let _screen = Screen::open().unwrap();
            panic!("this is told");
        }
        let test = env::current_exe().unwrap();
        let name = "show::screen::tests::a_panic_gives_the_screen_back_before_it_is_told";
        let shell = format!("stty rows 24 cols 80; '{}' --exact {name} --nocapture; stty -a", test.display());
        let mut script = Command::new("script");
        let script = script.args(["-qec", &shell, "/dev/null"]).env(INSIDE, "1").env("TERM", "xterm");
        let Ok(output) = script.stdin(Stdio::null()).output() else {
            println!("skipped: there is no `script` here to make a terminal with");
            return;
        };
        let shown = String::from_utf8_lossy(&output.stdout);
        let place = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text:?} is not in {shown:?}"));
        let (taken, given_back, told) = (place("\x1b[?1049h"), place("\x1b[?1049l"), place("this is told"));
        assert!(taken < given_back && given_back < told, "{shown:?}");
        let after: Vec<_> = shown[told..].split_whitespace().collect();
        assert!(after.contains(&"icanon") && after.contains(&"echo"), "{shown:?}");
    }
}

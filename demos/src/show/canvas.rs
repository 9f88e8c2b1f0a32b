//! A canvas: pictures that change while things happen, on the terminal's alternate screen.
//!
//! The terminal moves nothing on that screen when it is resized. So each frame is drawn from scratch for the
//! size that the terminal has now, and a resize needs no signal handler: the next frame sees it. At the end
//! the screen is given back, and the pictures stand below the command line as ordinary text.
//!
//! Without a terminal there is no such screen, and the lanes print what happens as lines.

use super::{Lanes, Output, Style, lanes::Picture, output::write_patiently, projector, text::fold};
use crate::interrupt::{self, Hook};
use std::{
    io, panic,
    sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// The pause between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(50);

/// Enters the alternate screen, and hides the cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";

/// Shows the cursor, and leaves the alternate screen.
const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1049l";

/// Whether this program has the alternate screen. Frames are written and the screen is given back under this
/// lock, so no frame lands on the screen of the shell.
static TAKEN: Mutex<bool> = Mutex::new(false);

/// The way in which a canvas is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All pictures, one below the other.
    Plain,
    /// The latest picture alone, as large as the terminal is, for the back of a room.
    Projector,
}

/// A canvas for lanes. Dropping it gives the screen back and prints the pictures.
#[derive(Debug)]
pub struct Canvas {
    shared: Arc<Shared>,
    painter: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    output: Output,
    look: Look,
    /// The line above all pictures.
    legend: &'static str,
    // --- under the lock ---
    scene: Mutex<Scene>,
    /// Told when the scene is over.
    over: Condvar,
}

#[derive(Debug, Default)]
struct Scene {
    pictures: Vec<Arc<Picture>>,
    over: bool,
}

impl Canvas {
    /// Opens a canvas under a legend.
    ///
    /// # Errors
    ///
    /// Fails if the thread that draws cannot be started.
    pub fn open(output: &Output, legend: &'static str, look: Look) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            output: output.clone(),
            look,
            legend,
            scene: Mutex::default(),
            over: Condvar::new(),
        });
        if !output.is_live() {
            output.line(legend);
            return Ok(Self { shared, painter: None });
        }
        let ours = shared.clone();
        let painter = thread::Builder::new().name("painter".into()).spawn(move || ours.draw_until_over())?;
        Ok(Self { shared, painter: Some(painter) })
    }

    /// Begins empty lanes with these names, under a title. `scale` is how many seconds the width stands for:
    /// lanes with the same scale can be compared by eye.
    pub fn begin(&self, title: &'static str, names: &'static [&'static str], scale: f64) -> Lanes {
        let Shared { output, .. } = &*self.shared;
        if !output.is_live() {
            output.line("");
            output.labelled(Style::Strong, "", title);
        }
        let lanes = Lanes::begin(output, title, names, scale);
        self.shared.scene().pictures.push(lanes.picture());
        lanes
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        let Some(painter) = self.painter.take() else { return };
        self.shared.scene().over = true;
        self.shared.over.notify_all();
        // If the painter has panicked, the panic hook has said so.
        let _ = painter.join();
        give_back();
        let Shared { output, legend, .. } = &*self.shared;
        output.line(legend);
        for picture in &self.shared.scene().pictures {
            output.line("");
            output.labelled(Style::Strong, "", picture.title);
            picture.print(output);
        }
    }
}

impl Shared {
    fn scene(&self) -> MutexGuard<'_, Scene> {
        // No panic can leave the scene half changed.
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of the painter.
    fn draw_until_over(&self) {
        take();
        let mut scene = self.scene();
        while !scene.over {
            let pictures = scene.pictures.clone();
            drop(scene);
            show(&self.frame(&pictures));
            scene = self.scene();
            if !scene.over {
                scene =
                    self.over.wait_timeout(scene, FRAME_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Draws what there is now for the size that the terminal has now.
    fn frame(&self, pictures: &[Arc<Picture>]) -> String {
        let (rows, width) = self.output.size();
        if self.look == Look::Projector {
            return pictures.last().map_or(String::new(), |picture| {
                projector::frame(&self.output, picture, self.legend, rows, width)
            });
        }
        let mut lines = fold(self.legend, width);
        for picture in pictures {
            lines.push(String::new());
            lines
                .extend(fold(picture.title, width).iter().map(|line| self.output.paint(Style::Strong, line)));
            lines.extend(picture.lines(&self.output));
        }
        framed(&lines, rows, "")
    }
}

/// Makes a frame of lines: each is written to a row of its own. If they are too many, the first ones are left
/// out. Each row begins with `ground`, an escape sequence for its colours.
pub(super) fn framed(lines: &[String], rows: usize, ground: &str) -> String {
    let shown = &lines[lines.len().saturating_sub(rows)..];
    let written: Vec<_> = shown.iter().map(|line| format!("{ground}\x1b[2K{line}")).collect();
    let rest = if shown.len() < rows { format!("\r\n{ground}\x1b[J") } else { String::new() };
    format!("\x1b[H{}{rest}", written.join("\r\n"))
}

/// Takes the alternate screen.
pub(super) fn take() {
    static HOOK: Once = Once::new();
    // The message of a panic is to be seen, on the screen of the shell.
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
    interrupt::on_exit(Hook::Terminal, give_back);
    let mut taken = lock();
    *taken = true;
    write(ENTER);
}

/// Gives the alternate screen back, if it is taken.
pub(super) fn give_back() {
    let mut taken = lock();
    if std::mem::take(&mut *taken) {
        write(LEAVE);
    }
}

/// Writes a frame, if the screen has not been given back.
pub(super) fn show(frame: &str) {
    let taken = lock();
    if *taken {
        write(frame);
    }
}

fn lock() -> MutexGuard<'static, bool> {
    // No panic can leave the flag half changed.
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(text: &str) {
    // If the terminal is gone there is nobody to tell: a signal ends the program.
    let _ = write_patiently(&mut io::stdout().lock(), text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_keeps_the_last_lines_that_fit_and_clears_the_rest() {
        let lines: Vec<_> = ["one", "two", "three"].map(String::from).into();
        assert_eq!(framed(&lines, 2, ""), "\x1b[H\x1b[2Ktwo\r\n\x1b[2Kthree");
        assert_eq!(framed(&lines[..1], 2, ">"), "\x1b[H>\x1b[2Kone\r\n>\x1b[J");
    }
}

//! The zygote's side: the numbers that it holds for its workers while the initializer runs, and how it
//! forks them.

// Unsafe: clone.
#[allow(unsafe_code)]
mod sys;

use crate::{
    call::block::inherited,
    sys as calls,
    sys::{Identity, Watch},
    system::{descriptors, stream},
    wire::handover::{self, BELL, CHANNEL, LEASH, MEMORY, PRINTED, start_error},
};
use brigade_handle::fork::Generation;
use std::{
    array,
    fs::{self, File},
    io,
    os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd},
    path::Path,
};

/// The numbers that each worker uses, and that nothing else may have.
const HELD: [RawFd; 3] = [CHANNEL, LEASH, BELL];
/// The state of a zygote, from before its initializer runs.
#[derive(Debug)]
pub(crate) struct Zygotes {
    generation: Generation,
    pool: i32,
    /// Becomes readable at the end of the pool's process.
    exit: Option<OwnedFd>,
    held: [Identity; HELD.len()],
    printed: [Option<Identity>; PRINTED.len()],
}

impl Zygotes {
    /// Holds the numbers of the descriptors that workers will have.
    pub(crate) fn new() -> io::Result<Self> {
        let null = OwnedFd::from(File::open("/dev/null")?);
        if null.as_raw_fd() == BELL {
            // It stays open, as a moved descriptor does.
            let _ = null.into_raw_fd();
        } else {
            calls::move_to(&null, BELL)?;
        }
        calls::close_on_exec(BELL)?;
        inherited::be_zygote();
        let pool = calls::parent();
        let [channel, leash, bell] = HELD.map(calls::identity);
        Ok(Self {
            generation: Generation::current(),
            pool,
            exit: calls::exit_watch(pool),
            held: [channel?, leash?, bell?],
            printed: array::from_fn(|at| calls::identity(PRINTED[at]).ok()),
        })
    }

    /// Whether workers can be forked from the process as the initializer has left it.
    ///
    /// # Errors
    ///
    /// The reason why they cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !is_single_threaded() {
            return Err(
                "its initializer has started a thread, and a process with threads cannot fork workers: use \
                        `Start::Exec`, or start the thread in the first call"
                    .into(),
            );
        }
        let is_held = |at: usize| calls::identity(HELD[at]).is_ok_and(|is| is == self.held[at]);
        if !(0..HELD.len()).all(is_held) {
            return Err(format!(
                "its initializer has closed descriptors that are not its own ({HELD:?} are the pool's): close those that \
                 it has opened, or use `Start::Exec`"
            ));
        }
        Ok(())
    }

    /// The zygote's life, after it was set up. Returns in each worker, with its ring's memory if it has a
    /// ring; and in the zygote only by an error.
    pub(crate) fn serve(mut self, channel: OwnedFd) -> io::Result<Option<OwnedFd>> {
        loop {
            self.wait_for_request(&channel)?;
            let mut what = [0];
            let (received, along) = descriptors::receive(channel.as_fd(), &mut what)?;
            if received == 0 {
                calls::exit_now(0);
            }
            let numbers = handover::numbers(what[0]);
            let Ok(fds) = along.unwrap_or_default().all(numbers.len()) else {
                stream::send(channel.as_fd(), &(-descriptors::AT_LIMIT).to_le_bytes())?;
                continue;
            };
            let pid = match sys::fork_sibling() {
                Ok(0) => {
                    calls::die_with_parent(self.pool)?;
                    inherited::take_for_own(self.generation)
                        .map_err(|error| start_error(error, "making the initializer's blocks its own"))?;
                    // Its number will lead to the worker's channel.
                    let _ = channel.into_raw_fd();
                    self.exit = None;
                    return self.adopt(&numbers, fds);
                }
                Ok(pid) => pid,
                Err(error) => -error.raw_os_error().unwrap_or(1),
            };
            drop(fds);
            stream::send(channel.as_fd(), &pid.to_le_bytes())?;
        }
    }

    /// Waits until the pool wants something. Ends this process with the pool's: a process that was forked
    /// from the pool's may hold the channel.
    fn wait_for_request(&self, channel: &OwnedFd) -> io::Result<()> {
        loop {
            let watches = [Some(channel), self.exit.as_ref()];
            let mut watched: Vec<_> =
                watches.into_iter().flatten().map(|fd| Watch::readable(fd.as_fd())).collect();
            calls::poll(&mut watched, None)?;
            if watched.get(1).is_some_and(Watch::is_ready) {
                calls::exit_now(0);
            }
            if watched[0].is_ready() {
                return Ok(());
            }
        }
    }

    /// In a new worker: moves the descriptors to where workers expect them.
    fn adopt(&self, numbers: &[RawFd], fds: Vec<OwnedFd>) -> io::Result<Option<OwnedFd>> {
        // No descriptor may lie where another one is to be. Mostly none does, since those numbers are held.
        let clear = |fd: OwnedFd| {
            if fd.as_raw_fd() > BELL { Ok(fd) } else { calls::duplicate_above(&fd, BELL + 1) }
        };
        let fds = fds.into_iter().map(clear).collect::<io::Result<Vec<_>>>()?;
        let mut memory = None;
        for (fd, &number) in fds.into_iter().zip(numbers) {
            match number {
                MEMORY => memory = Some(fd),
                number if self.is_redirected(number) => {}
                number => calls::move_to(&fd, number)?,
            }
        }
        if memory.is_none() {
            // It has no bell.
            drop(calls::adopt(BELL)?);
        }
        Ok(memory)
    }

    /// Whether the initializer has put something else where calls print, which then stays there.
    fn is_redirected(&self, number: RawFd) -> bool {
        let at = PRINTED.iter().position(|&printed| printed == number);
        at.is_some_and(|at| calls::identity(number).ok() != self.printed[at])
    }
}

/// Whether this process has one thread, so that it may fork and go on.
fn is_single_threaded() -> bool {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return false };
    threads.flatten().filter(|thread| !is_ending(&thread.path())).count() == 1
}

/// Whether a thread, a folder of `/proc/self/task`, runs no more code of this process. Linux still lists a
/// thread for a moment when `join` has returned.
fn is_ending(thread: &Path) -> bool {
    // PF_EXITING, which Linux sets before it tells the one that joins. It is in no header of user space.
    const EXITING: u64 = 0x4;
    let Ok(stat) = fs::read_to_string(thread.join("stat")) else { return true };
    // The name stands in brackets and may hold anything. Seven fields on are the flags.
    let flags = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(6));
    flags.and_then(|flags| flags.parse::<u64>().ok()).is_some_and(|flags| flags & EXITING != 0)
}

//! The program's side: a thread that answers.

use super::{
    super::{Keeping, graph, keep, threads},
    PEER_TIME, REQUEST_MAX, Snapshot, VERSION, address, sys, wire,
};
use crate::clock;
use brigade_handle::fork::{Generation, PerProcess};
use std::{
    env,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// The pause after an accept that failed, for example for want of descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// A guard of [`attachable`]: others can attach as long as it lives.
#[derive(Debug)]
#[must_use = "nobody can attach once the guard is gone"]
pub struct Attachable {
    ends: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
    generation: Generation,
    _keeping: Keeping,
}

/// Lets `brigade tree` and `brigade top` of the same user attach to this program, until the guard is
/// dropped. It takes a thread, and each spawn and each wait takes longer. Work that was spawned before is
/// not shown.
///
/// The variable `BRIGADE_ATTACH=1` does the same in each program that makes a runtime or a pool.
///
/// # Errors
///
/// Returns `AddrInUse` if there is such a guard in this process already, or the operating system's error if
/// it refuses the socket or the thread.
///
/// ```
/// let attachable = brigade_trace::live::attachable()?;
/// // `brigade tree PID` shows the program from here on.
/// drop(attachable);
/// # std::io::Result::Ok(())
/// ```
pub fn attachable() -> io::Result<Attachable> {
    let listener = UnixListener::bind_addr(&address(process::id())?)?;
    let keeping = keep();
    let ends = Arc::new(AtomicBool::new(false));
    let theirs = ends.clone();
    let thread = threads::spawn("brigade-attach", move || {
        threads::own_thread();
        serve(&listener, &theirs);
    })?;
    Ok(Attachable { ends, thread: Some(thread), generation: Generation::current(), _keeping: keeping })
}

/// Does what [`attachable`] does, to the end of the process, if the variable `BRIGADE_ATTACH` is set and is
/// neither empty nor 0. Runtimes and pools call this. If it fails, a line on stderr says so.
///
/// ```
/// brigade_trace::live::attachable_if_wanted();
/// ```
pub fn attachable_if_wanted() {
    static FOREVER: PerProcess<OnceLock<Option<Attachable>>> = PerProcess::new();
    if env::var_os("BRIGADE_ATTACH").is_some_and(|value| !value.is_empty() && value != "0") {
        FOREVER.get_or_init(OnceLock::new).get_or_init(|| match attachable() {
            Ok(attachable) => Some(attachable),
            // The program itself has opted in.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => None,
            Err(error) => {
                _ = writeln!(io::stderr(), "brigade: nobody can attach to this program: {error}");
                None
            }
        });
    }
}

impl Drop for Attachable {
    fn drop(&mut self) {
        if !self.generation.is_current() {
            return;
        }
        self.ends.store(true, Relaxed);
        // The thread waits for a peer. This is the last one.
        let woken = address(process::id()).and_then(|own| UnixStream::connect_addr(&own));
        let thread = self.thread.take().filter(|_| woken.is_ok());
        thread.into_iter().for_each(|thread| _ = thread.join());
    }
}

fn serve(listener: &UnixListener, ends: &AtomicBool) {
    loop {
        let accepted = listener.accept();
        if ends.load(Relaxed) {
            return;
        }
        match accepted {
            // A peer that goes away, or is too slow, gets no answer.
            Ok((stream, _)) => _ = answer(stream),
            Err(_) => thread::sleep(REFUSED_PAUSE),
        }
    }
}

/// Returns the time that a peer still has, or an error.
fn left(deadline: Instant) -> io::Result<Option<Duration>> {
    let left = deadline.saturating_duration_since(clock::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
}

fn answer(mut stream: UnixStream) -> io::Result<()> {
    let deadline = clock::after(clock::now(), PEER_TIME);
    let peer = sys::peer(&stream)?;
    if peer.user != sys::user() && peer.user != 0 {
        stream.set_write_timeout(left(deadline)?)?;
        return stream.write_all(b"other user\n");
    }
    let mut request = Vec::with_capacity(REQUEST_MAX);
    while !request.contains(&b'\n') && request.len() < REQUEST_MAX {
        stream.set_read_timeout(left(deadline)?)?;
        let mut bytes = [0; REQUEST_MAX];
        match stream.read(&mut bytes)? {
            0 => break,
            count => request.extend_from_slice(&bytes[..count]),
        }
    }
    let mut text = format!("{VERSION}\n");
    if request.starts_with(text.as_bytes()) {
        let exe = env::current_exe().unwrap_or_default();
        let program = exe.file_name().unwrap_or_default().to_string_lossy().into_owned();
        wire::encode(&Snapshot { process: process::id(), program, graph: graph() }, &mut text);
    }
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        stream.set_write_timeout(left(deadline)?)?;
        match stream.write(rest)? {
            0 => break,
            count => rest = &rest[count..],
        }
    }
    Ok(())
}

//! Cards on processes: fork and exec, frames, rings, the supervisor, the ends of children.

use super::{Card, read, shown};
use crate::scenarios::io;

pub(super) static CARDS: &[Card] = &[
    shown(
        "process-cost",
        "Processes overlap waits as well as threads do. Why are they the dearest way to fetch five URLs?",
        "Each must be started and has memory of its own; that costs more than the fetches themselves need.",
        "demos/src/scenarios/io/processes.rs",
        &io::SCENARIO,
    ),
    read(
        "fork-threads",
        "Why may a child call only system calls between fork and exec?",
        "A fork copies only the calling thread. A lock that another held at that moment, the allocator's say, stays locked \
         in the child for ever.",
        "process/src/exec.rs",
    ),
    read(
        "exec-error",
        "How does the parent learn that exec failed in the child?",
        "By a pipe that a successful exec closes: end of file means success; else two numbers say which step failed and why.",
        "process/src/exec.rs",
    ),
    read(
        "pdeathsig",
        "What kills the children when their parent is killed by SIGKILL?",
        "The kernel: each child asked for it with PR_SET_PDEATHSIG before exec. It goes by the thread that forked, so that \
         thread must live as long as the pool.",
        "process/src/exec.rs",
    ),
    read(
        "watcher",
        "Where PR_SET_PDEATHSIG does not reach, what ends a worker whose pool is gone?",
        "Its watcher: a thread that waits for the end of the channel and then ends the process, even in the midst of a call.",
        "process/src/init.rs",
    ),
    read(
        "init-first",
        "Why must `init` be the first line of main?",
        "A worker is this same executable. init sees that it is one and never returns; without it the child would run \
         main, start a pool of its own, and so on for ever.",
        "process/src/init.rs",
    ),
    read(
        "name-of-function",
        "How is a function named to another process?",
        "By the place of a constant in the executable, relative to the image. The child checks that a mark stands there, \
         and follows the pointer that it finds there; no code address is ever sent.",
        "process/src/entry.rs",
    ),
    read(
        "same-build",
        "Why do pool and worker compare fingerprints in the handshake?",
        "A place in the image means the same in both only if both run the same build.",
        "process/src/image.rs",
    ),
    read(
        "frame-head-hash",
        "Why has a frame's header a hash of its own?",
        "Its length must be believed before the payload is there; a damaged length would be waited for, perhaps for ever.",
        "process/src/frame.rs",
    ),
    read(
        "frame-claim",
        "A header says that 4 GiB follow. How much does the decoder allocate for that?",
        "Nothing: a length is a claim. It holds only bytes that have arrived.",
        "process/src/frame.rs",
    ),
    read(
        "ring-state",
        "A worker is killed in the midst of the shared ring. Why does that jam nothing?",
        "There is no lock: a slot is always in one of a few states, each set by one atomic operation that the other side \
         understands.",
        "process/src/ring.rs",
    ),
    read(
        "ring-begun",
        "A worker died. How does the pool know which of its calls may be given to another?",
        "A call was begun exactly if its slot is CLAIMED or DONE. What was only READY has not begun.",
        "process/src/ring.rs",
    ),
    read(
        "ring-syscalls",
        "When does a small call reach a worker without a system call?",
        "When the worker is awake: the pool writes the slot and sees that it does not sleep. Only a sleeper is woken, by \
         a futex.",
        "process/src/ring.rs",
    ),
    read(
        "answers-first",
        "A child answers and exits at once. Why is the answer not lost?",
        "What it had written is still in the channel, and the channel is read to its end before its end counts.",
        "process/src/child.rs",
    ),
    read(
        "call-once",
        "An answer, a cancel and the death of the worker race for one call. Why is it completed once?",
        "The first completes its slot, the others find it claimed. And it is started at most once, by its own byte of state.",
        "process/src/call.rs",
    ),
    read(
        "memfd",
        "Why is the shared memory a sealed memfd?",
        "It has no name and ends with its last descriptor and mapping; and with its size sealed neither side can make the \
         other fault by truncating it.",
        "process/src/memory/sys.rs",
    ),
    read(
        "start-fails",
        "What does the supervisor do when workers cannot be started?",
        "Waits twice as long each time; after 3 failures in a row with no child alive it tells the waiting calls why.",
        "process/src/supervisor.rs",
    ),
];

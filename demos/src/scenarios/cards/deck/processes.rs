//! Cards on processes: fork and exec, frames, rings, the supervisor, the ends of children.

use super::{Card, read};

pub(super) static CARDS: &[Card] = &[
    read(
        "fork-threads",
        "Why does our child make only system calls between fork and exec?",
        "A fork copies only the calling thread. If another thread held a lock at that moment, say the \
         allocator's, that lock stays locked in the child for ever.",
        "process/src/parent/launcher/exec.rs",
    ),
    read(
        "exec-error",
        "How does the parent learn that exec failed in the child?",
        "By a pipe that a successful exec closes. End of file means success; otherwise two numbers say which \
         step failed and why.",
        "process/src/parent/launcher/exec.rs",
    ),
    read(
        "pdeathsig",
        "What kills the children when their parent is killed by SIGKILL?",
        "The kernel does. Each child asked for it with PR_SET_PDEATHSIG before exec. The signal comes when \
         the thread that forked the child ends, so that thread must live as long as the pool.",
        "process/src/parent/launcher/exec.rs",
    ),
    read(
        "watcher",
        "Where PR_SET_PDEATHSIG does not reach, what ends a worker whose pool is gone?",
        "Its watcher: a thread that waits for the end of the channel and then ends the process, even in the \
         middle of a call.",
        "process/src/worker/init.rs",
    ),
    read(
        "init-first",
        "Why must `init` be the first line of main?",
        "A worker is this same executable. init sees that the process is a worker and never returns. Without \
         it a worker would run main from the start, so a pool refuses to start where init was not called: \
         the error names the line to add.",
        "process/src/worker/init.rs",
    ),
    read(
        "name-of-function",
        "How is a function named to another process?",
        "By the place of a constant in the executable, relative to the image. The child checks that a mark \
         stands there and follows the pointer that it finds there. No code address is ever sent.",
        "process/src/call/entry.rs",
    ),
    read(
        "same-build",
        "Why do pool and worker compare fingerprints in the handshake?",
        "A place in the image means the same in both only if both run the same build.",
        "process/src/image/mod.rs",
    ),
    read(
        "frame-head-hash",
        "Why has a frame's header a hash of its own?",
        "Its length must be believed before the payload is there. The decoder would wait for a damaged \
         length, perhaps for ever.",
        "process/src/wire/frame.rs",
    ),
    read(
        "frame-claim",
        "A header says that 4 GiB follow. How much does the decoder allocate for that?",
        "Nothing. A length is only a claim, and the decoder holds only bytes that have arrived.",
        "process/src/wire/frame.rs",
    ),
    read(
        "ring-state",
        "A worker is killed in the midst of the shared ring. Why does that jam nothing?",
        "There is no lock. A slot is always in one of a few states, each set by one atomic operation, and the \
         other side understands all of them.",
        "process/src/wire/ring/mod.rs",
    ),
    read(
        "ring-begun",
        "A worker died. How does the pool know which of its calls may be given to another?",
        "A call was begun exactly if its slot is CLAIMED or DONE. A call that was only READY has not begun.",
        "process/src/wire/ring/mod.rs",
    ),
    read(
        "ring-syscalls",
        "When does a small call reach a worker without a system call?",
        "When the worker is awake. The pool writes the slot and sees that the worker does not sleep. Only a \
         sleeping worker is woken, by a futex.",
        "process/src/wire/ring/mod.rs",
    ),
    read(
        "answers-first",
        "A child answers and exits at once. Why is the answer not lost?",
        "The answer is still in the channel, and the pool reads the channel to its end before the end counts.",
        "process/src/parent/child/mod.rs",
    ),
    read(
        "call-once",
        "An answer, a cancel and the death of the worker race for one call. Why is it completed once?",
        "The first of them completes the slot; the others find it claimed. And the call is started at most \
         once, which a state byte of its own ensures.",
        "process/src/front/pending.rs",
    ),
    read(
        "memfd",
        "Why is the shared memory a sealed memfd?",
        "It has no name, and ends with its last descriptor and mapping. With its size sealed, neither side \
         can make the other fault by truncating it.",
        "process/src/system/memory.rs",
    ),
    read(
        "start-fails",
        "What does the supervisor do when workers cannot be started?",
        "It waits twice as long each time. After 3 failures in a row with no child alive it tells the waiting \
         calls why.",
        "process/src/parent/supervisor/starts.rs",
    ),
];

//! Calls that are held at a gate, each of which tells where it runs.

use crate::gate::{Gate, Waiting, tell_and_wait_at};
use brigade_process::{JoinHandle, ProcessPool};

/// A call that waits at the gate. Dropping this lets it go.
pub(crate) struct Held {
    /// The node on which it runs, as Slurm names it.
    pub(crate) node: String,
    /// The step of Slurm that it runs in, as `job.step`.
    pub(crate) step: String,
    /// Its process.
    pub(crate) pid: u32,
    _waiting: Waiting,
}

/// Waits until a call of [`wait_at`] stands at the gate.
pub(crate) fn arrival(gate: &Gate) -> Held {
    let waiting = gate.arrival();
    let [node, step, pid] = waiting.told.split(' ').collect::<Vec<_>>()[..] else {
        panic!("a call told {:?}", waiting.told)
    };
    Held { node: node.into(), step: step.into(), pid: pid.parse().unwrap(), _waiting: waiting }
}

/// Tells where it runs, waits until the gate opens, and returns the name of the node.
pub(crate) fn wait_at(port: u16) -> String {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| "-".into());
    let node = variable("SLURMD_NODENAME");
    let step = format!("{}.{}", variable("SLURM_JOB_ID"), variable("SLURM_STEP_ID"));
    tell_and_wait_at(port, &format!("{node} {step} {}", std::process::id()));
    node
}

/// Has this many calls wait at a gate, each with a worker of its own.
pub(crate) fn hold<const N: usize>(procs: &ProcessPool, gate: &Gate) -> [(JoinHandle<String>, Held); N] {
    // One after the other, so that it is known which call has arrived.
    std::array::from_fn(|_| (procs.spawn(wait_at, gate.port()), arrival(gate)))
}

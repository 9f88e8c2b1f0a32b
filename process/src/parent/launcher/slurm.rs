//! Workers as steps of Slurm, started by `srun`.

use super::{Argv, Command, Launched, Launcher};
use std::{ffi::OsString, io, path::PathBuf, time::Duration};

/// The options of every worker: one process, whose streams pass unchanged and at once, with this
/// environment, and nothing of MPI.
const OPTIONS: [&str; 6] =
    ["--ntasks=1", "--nodes=1", "--unbuffered", "--export=ALL", "--mpi=none", "--job-name=brigade"];

/// Starts each worker on a machine of a Slurm cluster, by `srun`.
///
/// Within an allocation (`salloc`, `sbatch`) a worker is a step that takes its CPUs from the allocation, and
/// Slurm spreads the workers over its nodes. Elsewhere each worker is a job of its own, which may have to
/// wait in the queue: see [`start_limit`](Self::start_limit).
///
/// A worker has this program's environment and working directory. Its program is the file with this
/// program's path over there, or with the path of [`program`](Self::program), and must be the same build:
/// a cluster mostly has a file system that all its nodes share.
///
/// If a worker is lost, its call is told what `srun` said: that the step was cancelled, or that its time was
/// over. A worker in its place is started by a new `srun`. Ctrl-C does not reach `srun`. The end of the
/// pool, and of its process, ends all steps. `docs/cluster.md` says more.
///
/// ```no_run
/// use brigade_process::{ProcessPool, Slurm};
///
/// brigade_process::init();
/// let launcher = Slurm::new().cpus(2).option("--partition=ovens");
/// let procs = ProcessPool::builder().workers(64).launcher(launcher).build().unwrap();
/// let names = procs.map(|(): ()| std::env::var("SLURMD_NODENAME").unwrap_or_default(), [(); 64]);
/// ```
#[derive(Clone, Debug)]
pub struct Slurm {
    argv: Argv,
    options: Vec<OsString>,
}

impl Default for Slurm {
    fn default() -> Self {
        Self::new()
    }
}

impl Slurm {
    /// Starts workers by `srun`, which is looked up in `PATH`.
    ///
    /// ```
    /// let launcher = brigade_process::Slurm::new();
    /// ```
    pub fn new() -> Self {
        Self { argv: Argv::new(["srun"]), options: Vec::new() }
    }

    /// Gives each worker this many CPUs. The default is one.
    ///
    /// ```
    /// let launcher = brigade_process::Slurm::new().cpus(4);
    /// ```
    #[must_use]
    pub fn cpus(self, cpus: usize) -> Self {
        self.option(format!("--cpus-per-task={cpus}"))
    }

    /// Adds an option of `srun`, as one word: `--partition=ovens`, `--time=2:00:00`, `--mem=4G`.
    ///
    /// ```
    /// let launcher = brigade_process::Slurm::new().option("--partition=ovens").option("--time=2:00:00");
    /// ```
    #[must_use]
    pub fn option(mut self, word: impl Into<OsString>) -> Self {
        self.options.push(word.into());
        self
    }

    /// Sets where this program is found over there. The default is its own path here.
    ///
    /// ```
    /// let launcher = brigade_process::Slurm::new().program("/shared/soup");
    /// ```
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.argv = self.argv.program(path);
        self
    }

    /// Lets a worker wait in the queue, and start, for as long as `limit`. The default is 30 seconds. Then
    /// `srun` is ended, and the start has failed.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let launcher = brigade_process::Slurm::new().start_limit(Duration::from_secs(3600));
    /// ```
    #[must_use]
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.argv = self.argv.start_limit(limit);
        self
    }

    /// The words after `srun`. `is_inside` says whether this process is in an allocation.
    fn words(&self, is_inside: bool) -> Vec<OsString> {
        let has = |option: &str| self.options.iter().any(|word| word.to_string_lossy().starts_with(option));
        let mut words: Vec<OsString> = OPTIONS.iter().map(Into::into).collect();
        if !has("--cpus-per-task") && !has("-c") {
            words.push("--cpus-per-task=1".into());
        }
        if is_inside {
            // A step takes no more than it asks for, so that there is room for the next one.
            words.push("--exact".into());
            if !has("--mem") {
                // The steps share the allocation's memory. By default the first one takes all of it.
                words.push("--mem=0".into());
            }
        }
        words.extend(self.options.iter().cloned());
        words
    }
}

impl Launcher for Slurm {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        let is_inside = std::env::var_os("SLURM_JOB_ID").is_some();
        self.argv.clone().followed_by(self.words(is_inside)).start(command)
    }

    fn is_heard(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_options_come_last_and_replace_defaults() {
        let slurm = Slurm::new().cpus(3).option("--mem=1G").option("--exclusive");
        let words = slurm.words(true);
        assert!(words.ends_with(&["--cpus-per-task=3".into(), "--mem=1G".into(), "--exclusive".into()]));
        assert!(!words.contains(&"--mem=0".into()) && !words.contains(&"--cpus-per-task=1".into()));
        assert!(words.contains(&"--exact".into()) && words.contains(&"--unbuffered".into()));
    }

    #[test]
    fn a_job_of_its_own_takes_the_memory_that_the_cluster_gives() {
        let words = Slurm::new().words(false);
        assert!(!words.iter().any(|word| word == "--mem=0" || word == "--exact"));
    }
}

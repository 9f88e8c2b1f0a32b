//! Workers as steps of Slurm, started by `srun`.

use super::{Argv, Command, Launched, Launcher, options};
use std::{ffi::OsString, io, path::PathBuf, time::Duration};

/// The options of every worker: one process, whose streams pass unchanged and at once, with this
/// environment, and nothing of MPI.
const OPTIONS: [&str; 6] =
    ["--ntasks=1", "--nodes=1", "--unbuffered", "--export=ALL", "--mpi=none", "--job-name=brigade"];

/// The options that say how many CPUs a worker has. `srun` takes one of them only.
const CPUS: [&str; 3] = ["--cpus-per-task", "-c", "--cpus-per-gpu"];
/// The options that say how much memory a worker has. `srun` takes one of them only.
const MEMORY: [&str; 3] = ["--mem", "--mem-per-cpu", "--mem-per-gpu"];

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

    options! {
        /// Adds an option of `srun`, as one word and with its full name: `--partition=ovens`,
        /// `--time=2:00:00`, `--mem=4G`. It prevails over those that this launcher sets.
        ///
        /// ```
        /// let launcher = brigade_process::Slurm::new().option("--partition=ovens").option("--time=2:00:00");
        /// ```
        option;
        /// Sets where this program is found over there. The default is its own path here.
        ///
        /// ```
        /// let launcher = brigade_process::Slurm::new().program("/shared/soup");
        /// ```
        program;
        /// Lets a worker wait in the queue, and start, for as long as `limit`. The default is 30 seconds.
        /// Then `srun` is ended, and the start has failed.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// let launcher = brigade_process::Slurm::new().start_limit(Duration::from_secs(3600));
        /// ```
        start_limit;
    }

    /// Whether one of these options is set. A long one ends with its name or has a value after `=`; the
    /// value of a short one follows at once.
    fn has(&self, names: &[&str]) -> bool {
        let is = |word: &str, name: &str| match word.strip_prefix(name) {
            Some(rest) if name.starts_with("--") => rest.is_empty() || rest.starts_with('='),
            rest => rest.is_some(),
        };
        self.options.iter().any(|word| names.iter().any(|name| is(&word.to_string_lossy(), name)))
    }

    /// The words after `srun`. `is_inside` says whether this process is in an allocation.
    fn words(&self, is_inside: bool) -> Vec<OsString> {
        let mut words: Vec<OsString> = OPTIONS.iter().map(Into::into).collect();
        if !self.has(&CPUS) {
            words.push("--cpus-per-task=1".into());
        }
        if is_inside {
            // A step takes no more than it asks for, so that there is room for the next one.
            words.push("--exact".into());
            if !self.has(&MEMORY) {
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
    fn an_option_replaces_those_of_its_kind_and_no_others() {
        let words = |option: &str| Slurm::new().option(option).words(true);
        let has = |words: &[OsString], word: &str| words.iter().any(|is| is == word);
        for cpus in ["--cpus-per-task=4", "-c4", "--cpus-per-gpu=2"] {
            assert!(!has(&words(cpus), "--cpus-per-task=1"), "{cpus}");
        }
        for others in ["--cpu-bind=none", "--cores-per-socket=2", "--mem-bind=local", "--mem-fox"] {
            let words = words(others);
            assert!(has(&words, "--cpus-per-task=1") && has(&words, "--mem=0"), "{others}");
        }
        for memory in ["--mem=1G", "--mem-per-cpu=1G", "--mem-per-gpu=1G"] {
            assert!(!has(&words(memory), "--mem=0"), "{memory}");
        }
    }

    #[test]
    fn a_job_of_its_own_takes_the_memory_that_the_cluster_gives() {
        let words = Slurm::new().words(false);
        assert!(!words.iter().any(|word| word == "--mem=0" || word == "--exact"));
    }
}

//! Workers behind a command, as on another machine: what is told of the command's end, and how the known
//! commands are treated. Scripts stand in for `srun` and `ssh`; `tests/tests/cluster` has the real ones.

use crate::{
    gate::{Gate, wait_at},
    scripts::{Scripts, silent},
    sys,
};
use brigade_process::{
    Argv, Command, CommandEnd, Ended, JoinError, Launched, Launcher, Lost, ProcessPool, Slurm, Ssh,
};
use std::{
    fs, io,
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
    process,
    time::Duration,
};

fn shell(script: &str) -> Argv {
    Argv::new(["sh", "-c", script, "sh"])
}

fn behind(launcher: impl Launcher + 'static) -> ProcessPool {
    silent(launcher).build().unwrap()
}

pub(crate) fn a_lost_call_is_told_what_the_command_said() {
    let procs = behind(shell("\"$@\"; echo the oven went cold >&2; exit 3"));
    let lost = procs.spawn(|(): ()| -> u32 { process::exit(0) }, ()).join();
    let Err(JoinError::Lost(Lost::CommandEnded(ended), _)) = lost else { panic!("{lost:?}") };
    let CommandEnd { command, end, said } = *ended;
    assert_eq!((command.as_str(), end), ("sh", Lost::Exited { code: 3 }));
    assert_eq!(said, "the oven went cold");
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1, "others go on");
    let again = procs.call(|(): ()| -> u32 { process::exit(0) }, ()).retry(1).spawn().join();
    assert!(matches!(again, Err(JoinError::Lost(Lost::Quarantined { workers: 2, .. }, _))), "{again:?}");
    procs.shutdown();
    assert!(sys::has_no_child());
}

/// The reason for which there is no worker.
fn refusal(launcher: impl Launcher + 'static) -> String {
    let procs = behind(launcher);
    let refused = procs.spawn(|n: u32| n, 1).join();
    let Err(JoinError::Lost(Lost::NotStarted(why), _)) = refused else { panic!("{refused:?}") };
    drop(procs);
    assert!(sys::has_no_child());
    why.into()
}

pub(crate) fn a_refused_start_is_told_what_the_command_said() {
    let why = refusal(shell("echo no oven is free >&2; exit 1"));
    assert!(why.contains("`sh` said: no oven is free") && why.contains("code 1"), "{why}");
    let why = refusal(Argv::new(["env"]).program("/no/such/program"));
    assert!(why.contains("/no/such/program") && why.contains("code 127"), "{why}");
    // It is no worker, and it does not end.
    let why = refusal(shell("cat >&2").start_limit(Duration::from_millis(20)));
    assert!(why.contains("start_limit") && why.contains("`sh`"), "{why}");
}

pub(crate) fn a_program_may_have_any_path() {
    let scripts = Scripts::new("unused", "");
    let program = scripts.0.join("a=b $c 'd'");
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &program).unwrap();
    let other = Scripts::new("ssh", SSH);
    let behind_ssh = other.builder(Ssh::new(["oven.example"]).program(&program)).build().unwrap();
    for procs in [behind(Argv::new(["env"]).program(&program)), behind_ssh] {
        assert_eq!(procs.spawn(|n: u32| n + 1, 1).join().unwrap(), 2);
    }
}

/// Does what `kubectl exec -i POD -- COMMAND` does, as far as a worker can see: the command runs with the
/// environment of the pod, its streams are pipes, and a code other than 0 is told on stderr and passed on.
const KUBECTL: &str = r#"
[ "$1 $2 $4" = "exec -i --" ] || { echo "error: unknown shorthand flag" >&2; exit 1; }
[ "$3" = oven-0 ] || { echo "Error from server (NotFound): pods \"$3\" not found" >&2; exit 1; }
shift 4
folder=$(mktemp -d)
mkfifo "$folder/in"
exec 3<&0
cat <&3 >"$folder/in" & feeder=$!
{ env -i PATH="$PATH" POD=oven-0 "$@" <"$folder/in" 3<&-; echo $? >"$folder/code"; } | cat
code=$(cat "$folder/code")
rm -r "$folder"
kill $feeder
[ "$code" = 0 ] || echo "command terminated with exit code $code" >&2
exit "$code""#;

pub(crate) fn kubectl_runs_workers_in_a_pod() {
    let scripts = Scripts::new("kubectl", KUBECTL);
    let exec = |pod| Argv::new(["kubectl", "exec", "-i", pod, "--"]);
    let procs = scripts.builder(exec("oven-0")).build().unwrap();
    assert_eq!(procs.spawn(|(): ()| std::env::var("POD").unwrap(), ()).join().unwrap(), "oven-0");
    assert!(procs.map(|n: u32| n + 1, 0..1000).into_iter().map(Result::unwrap).eq(1..=1000));
    let text = "soup".repeat(1 << 20);
    assert_eq!(procs.spawn(|text: String| text.len(), text).join().unwrap(), 4 << 20);
    let lost = procs.spawn(|(): ()| -> u32 { process::exit(3) }, ()).join();
    let Err(JoinError::Lost(Lost::CommandEnded(ended), _)) = lost else { panic!("{lost:?}") };
    let CommandEnd { command, end, said } = *ended;
    assert_eq!((command.as_str(), end), ("kubectl", Lost::Exited { code: 3 }));
    assert_eq!(said, "command terminated with exit code 3");
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1, "others go on");
    procs.shutdown();
    assert!(sys::has_no_child());
    let procs = scripts.builder(exec("oven-9")).build().unwrap();
    let why = procs.spawn(|n: u32| n, 1).join().unwrap_err().to_string();
    assert!(why.contains("`kubectl` said") && why.contains("pods \"oven-9\" not found"), "{why}");
}

pub(crate) fn a_cleared_environment_is_the_workers_and_not_the_commands() {
    let script = "test -n \"$PATH\" && exec \"$@\"";
    let builder = silent(shell(script)).env_clear();
    let procs = builder.env("SEASON", "late winter").build().unwrap();
    let names = procs.spawn(|(): ()| std::env::vars().collect::<Vec<_>>(), ()).join().unwrap();
    assert_eq!(names, [("SEASON".to_owned(), "late winter".to_owned())]);
}

/// Runs the worker that comes after its own options, and cleans up when it is told to end.
const SRUN: &str = r#"
echo "$@" >"$RECORD/words"
while [ "$1" != env ]; do shift; done
trap 'kill $!; echo yes >"$RECORD/cleaned"; exit 143' TERM
exec 3<&0
"$@" <&3 & wait $!"#;

pub(crate) fn the_command_of_slurm_may_clean_up() {
    let scripts = Scripts::new("srun", SRUN);
    let cleaned = scripts.0.join("cleaned");
    let procs = scripts.builder(Slurm::new()).env("RECORD", &scripts.0).build().unwrap();
    let gate = Gate::new();
    let running = procs.spawn(wait_at, gate.port());
    let _waiting = gate.arrival();
    let words = fs::read_to_string(scripts.0.join("words")).unwrap();
    assert!(words.contains("--ntasks=1") && words.contains("--unbuffered"), "{words}");
    drop(procs);
    assert!(running.join().is_err());
    assert_eq!(fs::read_to_string(cleaned).unwrap(), "yes\n");
    assert!(sys::has_no_child());
}

/// Hands its last word to a shell, as a server of `ssh` does, after the login of somebody else.
const SSH: &str = r#"
for word in "$@"; do host=$script; script=$word; done
cd / && exec env -i PATH="$PATH" HOST="$host" sh -c "$script""#;

/// The session of a process: the sixth field.
fn session() -> String {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().to_owned()
}

pub(crate) fn a_shell_over_there_gets_each_word_as_it_is() {
    let scripts = Scripts::new("ssh", SSH);
    let odd = "it's \"late\" $HOME \\ `winter`\nand * cold";
    let builder = scripts.builder(Ssh::new(["oven.example"])).env("SEASON", odd);
    let procs = builder.current_dir(&scripts.0).build().unwrap();
    let shown = |(): ()| {
        let directory = std::env::current_dir().unwrap();
        (std::env::var("SEASON").unwrap(), std::env::var("HOST").unwrap(), directory, session())
    };
    let (season, host, directory, worker_session) = procs.spawn(shown, ()).join().unwrap();
    assert_eq!((season.as_str(), host.as_str()), (odd, "oven.example"));
    assert_eq!(directory, scripts.0.canonicalize().unwrap());
    assert_ne!(worker_session, session(), "no terminal interrupts it");
    procs.shutdown();
    assert!(refusal_of_directory(&scripts).contains("no such place"));
}

fn refusal_of_directory(scripts: &Scripts) -> String {
    let builder = scripts.builder(Ssh::new(["oven.example"])).current_dir(Path::new("/no such place"));
    let procs = builder.build().unwrap();
    procs.spawn(|n: u32| n, 1).join().unwrap_err().to_string()
}

/// A worker that takes the first kill for a question.
struct Deaf(Box<dyn Launched>, bool);

impl Launched for Deaf {
    fn id(&self) -> u32 {
        self.0.id()
    }
    fn channel(&self) -> BorrowedFd<'_> {
        self.0.channel()
    }
    fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.0.exit()
    }
    fn confirm(&mut self) -> io::Result<()> {
        self.0.confirm()
    }
    fn output(&mut self) -> Option<[OwnedFd; 2]> {
        self.0.output()
    }
    fn grace(&self) -> Option<Duration> {
        Some(Duration::from_millis(20))
    }
    fn kill(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.1, true) { self.0.kill() } else { Ok(()) }
    }
    fn wait(&mut self) -> io::Result<Option<Ended>> {
        self.0.wait()
    }
}

/// Starts such workers.
struct StartsDeaf(Argv);

impl Launcher for StartsDeaf {
    fn start(&mut self, command: &Command) -> io::Result<Box<dyn Launched>> {
        Ok(Box::new(Deaf(self.0.start(command)?, false)))
    }
}

pub(crate) fn a_worker_that_does_not_end_when_asked_is_killed() {
    let procs = behind(StartsDeaf(shell("exec \"$@\"")));
    let gate = Gate::new();
    let running = procs.call(wait_at, gate.port()).kill_on_cancel().spawn();
    let _waiting = gate.arrival();
    running.cancel();
    assert!(matches!(running.join(), Err(JoinError::Cancelled(_))));
    assert_eq!(procs.spawn(|n: u32| n, 1).join().unwrap(), 1);
    let running = procs.spawn(wait_at, gate.port());
    let _waiting = gate.arrival();
    drop(procs);
    assert!(running.join().is_err() && sys::has_no_child());
}

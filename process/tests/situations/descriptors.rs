//! Descriptors: those that an initializer has opened stay the same in the calls, and the pool's stay with
//! the workers.

use crate::{path::launcher, sys};
use brigade_process::{Builder, ProcessPool, Start};
use std::{
    env,
    fs::{self, File},
    io::Read,
    os::fd::AsRawFd,
    path::PathBuf,
    process::{self, Command},
    sync::{Mutex, OnceLock},
};

const STARTS: [Start; 2] = [Start::Exec, Start::Zygote];

/// Files with different contents, in a folder that is removed when it is dropped.
struct Folder(PathBuf);

const FILES: usize = 8;

impl Folder {
    fn new() -> Self {
        let folder = env::temp_dir().join(format!("brigade-descriptors-{}", process::id()));
        fs::create_dir(&folder).unwrap();
        (0..FILES).for_each(|n| fs::write(folder.join(n.to_string()), format!("recipe {n}")).unwrap());
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

static OPEN: OnceLock<Vec<Mutex<File>>> = OnceLock::new();

fn open(folder: PathBuf) {
    let files = (0..FILES).map(|n| Mutex::new(File::open(folder.join(n.to_string())).unwrap()));
    assert!(OPEN.set(files.collect()).is_ok());
}

/// Opens the files, either after stdin was closed, so that the first one gets its number, or without that.
fn open_all((folder, for_stdin): (PathBuf, bool)) {
    if for_stdin {
        sys::close(0, 0);
    }
    open(folder);
    assert_eq!(OPEN.get().unwrap()[0].lock().unwrap().as_raw_fd() == 0, for_stdin);
}

/// Opens files of its own, and returns the contents of the initializer's.
fn read_all((): ()) -> Vec<String> {
    let others: Vec<_> = (0..4).map(|_| File::open("/dev/zero").unwrap()).collect();
    let read = |file: &Mutex<File>| {
        let (mut file, mut text) = (file.lock().unwrap(), String::new());
        file.read_to_string(&mut text).map_or_else(|error| error.to_string(), |_| text)
    };
    let texts = OPEN.get().unwrap().iter().map(read).collect();
    drop(others);
    texts
}

fn builder(start: Start) -> Builder {
    ProcessPool::builder().workers(1).launcher(launcher()).start_method(start)
}

pub(crate) fn descriptors_opened_by_an_initializer_stay_open() {
    let folder = Folder::new();
    let expected: Vec<_> = (0..FILES).map(|n| format!("recipe {n}")).collect();
    for start in STARTS {
        for for_stdin in [false, true] {
            for captured in [false, true] {
                let builder = builder(start).initializer(open_all, (folder.0.clone(), for_stdin));
                let builder = if captured { builder.captured(|_| ()) } else { builder };
                let procs = builder.build().unwrap();
                assert_eq!(procs.spawn(read_all, ()).join().unwrap(), expected, "{start:?}");
                procs.shutdown();
            }
        }
    }
}

/// Prints to a file from now on.
fn print_elsewhere(path: PathBuf) {
    let file = File::create(path).unwrap();
    sys::move_to(&file, 1);
}

pub(crate) fn where_an_initializer_has_calls_print_they_print() {
    let folder = Folder::new();
    for start in STARTS {
        let path = folder.0.join("printed");
        let (told, heard) = std::sync::mpsc::channel();
        let builder = builder(start).initializer(print_elsewhere, path.clone());
        let procs = builder.captured(move |line| told.send(line.text.to_vec()).unwrap()).build().unwrap();
        let print = |(): ()| {
            println!("to the file");
            eprintln!("to the pool");
        };
        procs.spawn(print, ()).join().unwrap();
        procs.shutdown();
        assert_eq!(fs::read_to_string(&path).unwrap(), "to the file\n", "{start:?}");
        assert_eq!(heard.iter().collect::<Vec<_>>(), [b"to the pool"]);
    }
}

pub(crate) fn an_initializer_that_closes_what_is_the_pools_is_told() {
    for (first, last) in [(4, 4), (5, 5), (4, 9)] {
        let close = |(first, last)| sys::close(first, last);
        let error = builder(Start::Zygote).initializer(close, (first, last)).build().unwrap_err();
        assert!(error.to_string().contains("has closed descriptors"), "{error}");
        assert!(sys::has_no_child());
    }
}

/// The open descriptors of a program that a call starts, but for the one by which it reads them.
fn of_a_program((): ()) -> String {
    // A shell's own expansion reads them; its descriptor for that is gone when the names are looked at
    // again.
    let script = "for fd in /proc/self/fd/*; do [ -e $fd ] && echo ${fd##*/}; done";
    String::from_utf8(Command::new("sh").args(["-c", script]).output().unwrap().stdout).unwrap()
}

pub(crate) fn programs_that_calls_start_get_none_of_the_pools() {
    for start in STARTS {
        for captured in [false, true] {
            let builder = builder(start);
            let builder = if captured { builder.captured(|_| ()) } else { builder };
            let procs = builder.build().unwrap();
            // In the second call the watcher is there, too.
            for _ in 0..3 {
                let open = procs.spawn(of_a_program, ()).join().unwrap();
                assert_eq!(open.lines().collect::<Vec<_>>(), ["0", "1", "2"], "{start:?}");
            }
        }
    }
}

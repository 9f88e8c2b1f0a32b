//! Limits of the pool's process: a missing resource is an error with its reason, or the pool does without
//! it.

use crate::{
    path::{Path, pool},
    sys::{self, Limit},
};
use brigade_process::Block;
use std::{
    env,
    process::{self, Command, Stdio},
};

const LIMIT: &str = "BE_LIMITED";
const SOCKET: &str = "BE_LIMITED_BY_SOCKET";

const COUNT: usize = 100_000;

fn sum(block: Block<u64>) -> u64 {
    block.iter().sum()
}

/// In a process that was asked to: lowers a limit, and tries the rest.
pub(crate) fn be_limited_if_asked() {
    let Ok(limit) = env::var(LIMIT) else { return };
    if env::var(SOCKET).is_ok() {
        Path::Socket.choose();
    }
    let before = Block::copy_of(&vec![1_u64; COUNT]).unwrap();
    let limit = match &limit[..] {
        "files of a MiB" => Limit::FileSize(1 << 20),
        "no file" => Limit::FileSize(0),
        _ => Limit::AddressSpace(1 << 30),
    };
    sys::lower(limit);
    let procs = pool(2);
    assert!((0..100).zip(procs.map(|n: u32| n, 0..100)).all(|(n, result)| result.unwrap() == n));
    let long = procs.spawn(|text: String| text, "soup".repeat(1 << 20)).join().unwrap();
    assert_eq!(long.len(), 4 << 20);
    assert_eq!(procs.spawn(sum, before.clone()).join().unwrap(), COUNT as u64);
    let echo = procs.spawn(|block: Block<u64>| block, before).join().unwrap();
    assert_eq!(echo.len(), COUNT);
    match limit {
        Limit::FileSize(bytes) => {
            let told = Block::copy_of(&vec![1_u8; 2 << 20]).unwrap_err().to_string();
            assert!(told.contains("file size limit") && told.contains(&bytes.to_string()), "{told}");
            let made = procs
                .spawn(|n: usize| Block::copy_of(&vec![1_u64; n]).map_err(|error| error.to_string()), COUNT);
            match made.join().unwrap() {
                Ok(block) => assert!(bytes > 0 && block.len() == COUNT),
                Err(told) => assert!(bytes == 0 && told.contains("file size limit"), "{told}"),
            }
        }
        Limit::AddressSpace(_) => {
            let told = brigade_process::BlockMut::<u8>::zeroed(2 << 30).unwrap_err().to_string();
            assert!(told.contains("block of 2147483648 bytes"), "{told}");
        }
    }
    procs.shutdown();
    process::exit(0);
}

fn limited(limit: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    if Path::now() == Path::Socket {
        command.env(SOCKET, "1");
    }
    let status = command.env(LIMIT, limit).stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{limit}: {status}");
}

pub(crate) fn a_file_size_limit_is_an_error_or_done_without() {
    limited("files of a MiB");
    limited("no file");
}

pub(crate) fn a_limit_of_memory_is_an_error() {
    limited("memory");
}

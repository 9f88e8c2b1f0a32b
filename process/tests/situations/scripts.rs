//! Scripts that stand in for commands which a test machine does not have.

use brigade_process::{Builder, Launcher, ProcessPool};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of scripts. Removed at the end.
pub(crate) struct Scripts(pub(crate) PathBuf);

impl Scripts {
    /// A folder with one script. Nobody else can have made it before.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        // Relaxed: the number is only to be another one.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("brigade scripts {} {count}", process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let script = folder.join(name);
        fs::write(&script, format!("#!/bin/sh\n{text}")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        Self(folder)
    }

    /// A pool of one worker that finds these scripts first.
    pub(crate) fn builder(&self, launcher: impl Launcher + 'static) -> Builder {
        let path = format!("{}:{}", self.0.display(), std::env::var("PATH").unwrap());
        silent(launcher).env("PATH", path)
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A pool of one worker. It would print what its commands say.
pub(crate) fn silent(launcher: impl Launcher + 'static) -> Builder {
    ProcessPool::builder().workers(1).launcher(launcher).captured(|_| ())
}

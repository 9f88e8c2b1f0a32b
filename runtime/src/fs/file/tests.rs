//! Calls of a file that are dropped before they have ended.

use super::*;
use crate::run::run;
use futures_util::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, FutureExt};
use std::sync::mpsc;

/// Makes a file to read and write, and removes its name.
fn file(name: &str) -> File {
    let path = std::env::temp_dir().join(format!("brigade-file-{name}-{}", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file.into()
}

/// The dropped call waits on the pool until the test lets it go on. If a write began meanwhile, the
/// call would cut it off.
#[test]
fn a_write_waits_for_a_call_that_was_dropped() {
    run(async {
        let mut file = file("cut");
        let (tell, told) = mpsc::channel::<()>();
        let cut = file.inner.call(move |file| {
            // Ends when the sender is dropped.
            let _ = told.recv();
            file.set_len(0)
        });
        assert!(cut.now_or_never().is_none());
        assert!(file.write(b"hello").now_or_never().is_none(), "the call before has not ended");
        drop(tell);
        file.write_all(b"hello").await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), 5);
    });
}

#[test]
fn a_call_that_was_dropped_keeps_what_was_read_ahead() {
    run(async {
        let mut file = file("ahead");
        file.write_all(b"soup").await.unwrap();
        file.seek(SeekFrom::Start(0)).await.unwrap();
        // Dropped, so that the bytes stay in the buffer. If the pool was quick, the read has taken them
        // already.
        let read = file.read(&mut [0; 4]).now_or_never();
        drop(file.metadata().now_or_never());
        let error =
            file.inner.call(|_| io::Result::<()>::Err(io::ErrorKind::Other.into())).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, if read.is_none() { &b"soup"[..] } else { b"" });
    });
}

//! Unix sockets and pipes, where everything arrives at once and in order.

use crate::coarse;
use brigade_explore::runtime::{
    io::{PipeReader, pipe},
    net::unix::{UnixDatagram, UnixListener, UnixStream, abstract_address},
    spawn,
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::io::ErrorKind;

#[test]
fn a_stream_by_path_and_by_abstract_name_echoes() {
    coarse(500)
        .explore(|| async {
            let missing = UnixStream::connect("/kitchen").await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
            let name = abstract_address("kitchen").unwrap();
            let listeners =
                [UnixListener::bind("/kitchen").unwrap(), UnixListener::bind_addr(&name).unwrap()];
            assert_eq!(UnixListener::bind("/kitchen").unwrap_err().kind(), ErrorKind::AddrInUse);
            for listener in listeners {
                let address = listener.local_addr().unwrap();
                let client = spawn(async move {
                    let mut stream = UnixStream::connect_addr(&address).await.unwrap();
                    stream.write_all(b"soup").await.unwrap();
                    stream.peer_cred().unwrap()
                });
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                assert_eq!(all, b"soup");
                assert_eq!(client.await.unwrap().pid, Some(std::process::id() as i32));
            }
        })
        .expect_pass();
}

#[test]
fn a_pair_closes_like_one_of_the_operating_system() {
    coarse(500)
        .explore(|| async {
            let (mut one, other) = UnixStream::pair().unwrap();
            one.write_all(b"soup").await.unwrap();
            drop(other);
            assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
            assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 0);
            assert_eq!(one.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        })
        .expect_pass();
}

#[test]
fn a_full_queue_of_datagrams_holds_the_sender_back_and_loses_none() {
    coarse(200)
        .explore(|| async {
            let (one, other) = UnixDatagram::pair().unwrap();
            let sender = spawn(async move {
                for number in 0..30_u8 {
                    one.send(&[number]).await.unwrap();
                }
                one
            });
            for number in 0..30 {
                let mut place = [0; 2];
                assert_eq!((other.recv(&mut place).await.unwrap(), place[0]), (1, number));
            }
            let one = sender.await.unwrap();
            drop(other);
            assert_eq!(one.send(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        })
        .expect_pass();
}

#[test]
fn datagrams_go_by_path_with_the_name_of_their_sender() {
    coarse(300)
        .explore(|| async {
            let receiver = UnixDatagram::bind("/kitchen").unwrap();
            let sender = UnixDatagram::bind("/table").unwrap();
            sender.send_to(b"soup", "/kitchen").await.unwrap();
            let (count, from) = receiver.recv_from(&mut [0; 8]).await.unwrap();
            assert_eq!((count, from.as_pathname().unwrap().to_str()), (4, Some("/table")));
            receiver.send_to_addr(b"yes", &from).await.unwrap();
            assert_eq!(sender.recv(&mut [0; 8]).await.unwrap(), 3);
            let nobody = UnixDatagram::unbound().unwrap().send_to(b"x", "/nowhere").await;
            assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
        })
        .expect_pass();
}

#[test]
fn a_pipe_ends_with_its_writer_and_breaks_with_its_reader() {
    coarse(500)
        .explore(|| async {
            let (mut reader, mut writer) = pipe().unwrap();
            let cook = spawn(async move {
                writer.write_all(b"soup").await.unwrap();
                writer.close().await.unwrap();
            });
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, b"soup");
            cook.await.unwrap();
            let (reader, mut writer) = pipe().unwrap();
            drop(reader);
            assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        })
        .expect_pass();
}

#[test]
fn a_file_that_is_a_pipe_is_refused_by_name() {
    let refused = coarse(10)
        .explore(|| async {
            let (reader, _writer) = std::io::pipe().unwrap();
            drop(PipeReader::from_std(reader).unwrap());
        })
        .expect_failure();
    assert!(refused.failure.message.contains("pipe"), "{refused}");
}

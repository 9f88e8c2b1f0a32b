//! Faults that a program asks for.

use crate::coarse;
use brigade_explore::{
    handle::explore::Kind,
    net::{Faults, set_faults},
    runtime::{
        net::{TcpListener, TcpStream, UdpSocket},
        spawn, timeout,
    },
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use std::{
    io::{self, ErrorKind},
    time::Duration,
};

/// A client that orders with two writes. It orders again if the connection breaks, unless `gives_up`.
async fn order_over_a_bad_line(gives_up: bool) {
    set_faults(Faults::none().resets());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let kitchen = spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut order = [0; 8];
            if stream.read_exact(&mut order).await.is_ok() && stream.write_all(b"soup").await.is_ok() {
                return order;
            }
        }
    });
    let order = || async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"one ").await?;
        stream.write_all(b"soup").await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        if answer == b"soup" { Ok(()) } else { Err(io::Error::from(ErrorKind::UnexpectedEof)) }
    };
    while let Err(error) = order().await {
        assert!(!gives_up, "the line broke: {error}");
        if kitchen.is_finished() {
            break;
        }
    }
    if !gives_up {
        assert_eq!(&kitchen.await.unwrap(), b"one soup");
    }
}

#[test]
fn a_reset_in_the_middle_is_found() {
    let broken = coarse(1_000).explore(|| order_over_a_bad_line(true)).expect_failure();
    assert_eq!((broken.schedule.deviations().len(), broken.schedule.count(Kind::Fault)), (1, 1), "{broken}");
}

#[test]
fn a_client_that_tries_again_bears_resets() {
    coarse(1_000).explore(|| order_over_a_bad_line(false)).expect_pass();
}

#[test]
fn datagrams_are_lost_and_doubled_only_if_a_program_asks_for_it() {
    let program = |faults: Faults, expected: &'static [usize]| {
        move || async move {
            set_faults(faults);
            let receiver = UdpSocket::bind("127.0.0.1:9").await.unwrap();
            let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            sender.send_to(b"soup", "127.0.0.1:9").await.unwrap();
            let mut count = 0;
            while timeout(Duration::from_secs(1), receiver.recv(&mut [0; 8])).await.is_ok() {
                count += 1;
            }
            assert!(expected.contains(&count), "{count}");
        }
    };
    coarse(500).explore(program(Faults::none(), &[1])).expect_pass();
    coarse(500).explore(program(Faults::none().losses().duplicates(), &[0, 1, 2])).expect_pass();
    let lost = coarse(500).explore(program(Faults::none().losses(), &[1])).expect_failure();
    assert_eq!(lost.failure.message, "0");
    let doubled = coarse(500).explore(program(Faults::none().duplicates(), &[1])).expect_failure();
    assert_eq!(doubled.failure.message, "2");
}

#[test]
fn a_stall_meets_a_timeout() {
    let program = |faults: Faults| {
        move || async move {
            set_faults(faults);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let kitchen = spawn(async move { listener.accept().await.unwrap().0.write_all(b"soup").await });
            let dinner = async {
                let mut all = Vec::new();
                TcpStream::connect(address).await?.read_to_end(&mut all).await
            };
            timeout(Duration::from_secs(30), dinner).await.expect("in time").unwrap();
            kitchen.await.unwrap().unwrap();
        }
    };
    coarse(500).explore(program(Faults::none())).expect_pass();
    let late = coarse(500).explore(program(Faults::none().stalls())).expect_failure();
    assert_eq!(late.schedule.count(Kind::Arrival), 1, "{late}");
}

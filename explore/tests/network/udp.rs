//! UDP, which promises nothing about order.

use crate::coarse;
use brigade_explore::{
    handle::explore::Kind,
    runtime::{net::UdpSocket, spawn, timeout},
};
use std::{io::ErrorKind, time::Duration};

async fn pair() -> (UdpSocket, UdpSocket) {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("[::1]:0").await);
    other.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    one.connect(other.local_addr().unwrap()).await.unwrap();
    (one, other)
}

#[test]
fn a_datagram_comes_whole_or_cut_and_names_its_sender() {
    coarse(500)
        .explore(|| async {
            let (one, other) = pair().await;
            assert_eq!(one.send(b"soup").await.unwrap(), 4);
            let mut place = [0; 16];
            assert_eq!(other.peek_from(&mut place).await.unwrap(), (4, one.local_addr().unwrap()));
            assert_eq!(other.recv_from(&mut place[..2]).await.unwrap(), (2, one.local_addr().unwrap()));
            other.send_to(b"yes", one.local_addr().unwrap()).await.unwrap();
            assert_eq!(one.recv(&mut place).await.unwrap(), 3);
        })
        .expect_pass();
}

#[test]
fn two_datagrams_come_in_both_orders() {
    let swapped = coarse(1_000)
        .explore(|| async {
            let (one, other) = pair().await;
            let sender = spawn(async move {
                one.send(b"1").await.unwrap();
                one.send(b"2").await.unwrap();
            });
            sender.await.unwrap();
            let mut place = [0];
            other.recv(&mut place).await.unwrap();
            assert_eq!(&place, b"1");
        })
        .expect_failure();
    let deviations = swapped.schedule.deviations();
    let is_about_order = |kind| kind == Kind::Datagram || kind == Kind::Arrival;
    assert!(deviations.len() == 1 && is_about_order(deviations[0].key.kind()), "{swapped}");
}

#[test]
fn a_datagram_that_was_looked_at_stays_the_first_one() {
    coarse(500)
        .explore(|| async {
            let (one, other) = pair().await;
            one.send(b"1").await.unwrap();
            one.send(b"2").await.unwrap();
            let (mut seen, mut taken) = ([0], [0]);
            other.peek_from(&mut seen).await.unwrap();
            other.recv_from(&mut taken).await.unwrap();
            assert_eq!(seen, taken);
        })
        .expect_pass();
}

#[test]
fn a_connected_socket_hears_that_nobody_receives_and_takes_from_its_peer_only() {
    coarse(500)
        .explore(|| async {
            let (one, other) = pair().await;
            let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            stranger.send_to(b"spam", one.local_addr().unwrap()).await.unwrap();
            let nothing = timeout(Duration::from_secs(1), one.recv(&mut [0; 8])).await;
            assert!(nothing.is_err());
            drop(other);
            one.send(b"soup").await.unwrap();
            let error = one.recv(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        })
        .expect_pass();
}

//! Planted bugs of networks, each beside its right version.

use crate::coarse;
use brigade_explore::{
    Class,
    handle::explore::Kind,
    mio,
    runtime::{io::AsyncFd, net::UdpSocket, spawn, timeout},
};
use std::{
    io::{Read, Write},
    time::Duration,
};

/// A sensor tells where a cart is, and the receiver keeps the last position that it hears.
async fn follow_a_cart(looks_at_numbers: bool) {
    let receiver = UdpSocket::bind("127.0.0.1:7").await.unwrap();
    let sensor = spawn(async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for (number, position) in [(1_u8, 10_u8), (2, 20), (3, 30)] {
            socket.send_to(&[number, position], "127.0.0.1:7").await.unwrap();
        }
    });
    let (mut last, mut place) = (0, [0; 2]);
    let mut position = 0;
    while timeout(Duration::from_secs(1), receiver.recv(&mut place)).await.is_ok() {
        // A datagram that was overtaken is older than what is known.
        if !looks_at_numbers || place[0] > last {
            [last, position] = place;
        }
    }
    sensor.await.unwrap();
    assert_eq!(position, 30, "the cart jumps back");
}

#[test]
fn a_datagram_that_is_overtaken_moves_the_cart_back() {
    let back = coarse(2_000).explore(|| follow_a_cart(false)).expect_failure();
    assert!(back.failure.message.contains("the cart jumps back"), "{back}");
    let [deviation] = back.schedule.deviations() else { panic!("{back}") };
    assert!([Kind::Datagram, Kind::Arrival].contains(&deviation.key.kind()), "{back}");
}

#[test]
fn numbers_keep_the_cart_where_it_is() {
    let coverage = coarse(2_000).explore(|| follow_a_cart(true)).expect_pass();
    assert!(coverage.all_deviations >= 1, "{coverage:?}");
}

/// Reads to the end of a connection that is watched by its descriptor.
async fn read_to_end(trusts_short_reads: bool) {
    let (theirs, ours) = mio::net::UnixStream::pair().unwrap();
    let (theirs, ours) = (AsyncFd::new(theirs).unwrap(), AsyncFd::new(ours).unwrap());
    let writer = spawn(async move {
        let mut rest = &b"soup"[..];
        while !rest.is_empty() {
            let count = theirs.write_with(|mut stream| stream.write(rest)).await.unwrap();
            rest = &rest[count..];
        }
    });
    let (mut all, mut place) = (Vec::new(), [0; 8]);
    loop {
        let mut ready = ours.readable().await.unwrap();
        let read = ready.try_io(|mut stream| stream.read(&mut place));
        let Ok(count) = read else { continue };
        let count = count.unwrap();
        all.extend_from_slice(&place[..count]);
        if count == 0 {
            break;
        }
        if trusts_short_reads && count < place.len() {
            // Wrong: the end may lie behind these bytes already, and is not reported again.
            ready.clear_ready();
        }
    }
    assert_eq!(all, b"soup");
    writer.await.unwrap();
}

#[test]
fn readiness_that_is_cleared_after_a_short_read_is_lost() {
    let lost = coarse(2_000).explore(|| read_to_end(true)).expect_failure();
    assert!([Class::LostWakeUp, Class::Stuck].contains(&lost.failure.class), "{lost}");
    assert!(lost.schedule.deviations().len() <= 1, "{lost}");
}

#[test]
fn readiness_that_only_an_attempt_clears_is_never_lost() {
    coarse(2_000).explore(|| read_to_end(false)).expect_pass();
}

//! A channel in which each receiver gets each value.

use super::{block_on, poll};
use brigade_runtime::{
    Runtime,
    sync::broadcast::{self, RecvError, TryRecvError},
};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
};

#[test]
fn each_receiver_gets_each_value_that_is_sent_while_it_is_there() {
    let (sender, mut one) = broadcast::channel(4);
    assert_eq!(sender.send(1).unwrap(), 1);
    let mut other = sender.subscribe();
    assert_eq!(sender.send(2).unwrap(), 2);
    assert_eq!((one.try_recv(), one.try_recv(), one.try_recv()), (Ok(1), Ok(2), Err(TryRecvError::Empty)));
    assert_eq!((other.try_recv(), other.try_recv()), (Ok(2), Err(TryRecvError::Empty)));
    assert!(sender.is_empty(), "all have seen all");
    drop((one, other));
    assert_eq!(sender.send(3), Err(broadcast::SendError(3)));
}

#[test]
fn a_slow_receiver_hears_how_many_it_missed() {
    let (sender, mut slow) = broadcast::channel(2);
    let mut quick = sender.subscribe();
    for n in 0..5 {
        sender.send(n).unwrap();
        assert_eq!(quick.try_recv(), Ok(n));
    }
    assert_eq!(slow.len(), 5);
    assert_eq!(block_on(slow.recv()), Err(RecvError::Lagged(3)));
    assert_eq!((block_on(slow.recv()), block_on(slow.recv())), (Ok(3), Ok(4)));
    drop(sender);
    assert_eq!(
        (block_on(slow.recv()), quick.try_recv()),
        (Err(RecvError::Closed), Err(TryRecvError::Closed))
    );
}

#[test]
fn a_receiver_waits_and_one_that_gives_up_loses_nothing() {
    let (sender, mut receiver) = broadcast::channel(2);
    {
        let mut receive = pin!(receiver.recv());
        assert!(poll(receive.as_mut()).is_pending());
        sender.send(1).unwrap();
    }
    let mut receive = pin!(receiver.recv());
    assert_eq!(poll(receive.as_mut()), Poll::Ready(Ok(1)));
}

#[test]
fn a_value_that_was_handed_over_counts_until_it_is_received() {
    let value = Arc::new(());
    let (sender, mut receiver) = broadcast::channel(2);
    let mut receive = pin!(receiver.recv());
    assert!(poll(receive.as_mut()).is_pending());
    sender.send(value.clone()).unwrap();
    assert_eq!((sender.len(), Arc::strong_count(&value)), (1, 2));
    assert!(poll(receive.as_mut()).is_ready());
    assert_eq!((sender.len(), Arc::strong_count(&value)), (0, 1));
}

#[test]
fn a_receiver_that_is_woken_too_late_has_missed_what_was_handed_over() {
    let value = Arc::new(1);
    let (sender, mut receiver) = broadcast::channel(2);
    {
        let mut receive = pin!(receiver.recv());
        assert!(poll(receive.as_mut()).is_pending());
        for number in 1..=4 {
            sender.send(if number == 1 { value.clone() } else { Arc::new(number) }).unwrap();
        }
        assert_eq!(poll(receive.as_mut()), Poll::Ready(Err(RecvError::Lagged(2))));
    }
    assert_eq!(Arc::strong_count(&value), 1, "the value is dropped");
    let rest = [receiver.try_recv(), receiver.try_recv(), receiver.try_recv()];
    assert_eq!(rest.map(|value| value.ok().as_deref().copied()), [Some(3), Some(4), None]);
}

#[test]
fn a_receiver_that_took_values_in_advance_has_missed_them_as_well() {
    let second = Arc::new(2);
    let (sender, mut receiver) = broadcast::channel(4);
    for number in 1..=4 {
        sender.send(if number == 2 { second.clone() } else { Arc::new(number) }).unwrap();
    }
    assert_eq!(receiver.try_recv().as_deref(), Ok(&1));
    sender.send(Arc::new(5)).unwrap();
    assert_eq!(receiver.try_recv().as_deref(), Ok(&2), "there is room for four");
    (6..=9).for_each(|number| _ = sender.send(Arc::new(number)).unwrap());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(3)));
    let rest: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).map(|value| *value).collect();
    assert_eq!(rest, [6, 7, 8, 9]);
    assert_eq!((sender.len(), Arc::strong_count(&second)), (0, 1));
}

#[test]
fn a_receiver_far_behind_gets_all_values_in_order() {
    let (sender, mut one) = broadcast::channel(100);
    let mut other = sender.subscribe();
    (0..100).for_each(|number| _ = sender.send(number).unwrap());
    for number in 0..100 {
        assert_eq!((one.try_recv(), sender.len()), (Ok(number), 100 - number));
        assert_eq!(block_on(other.recv()), Ok(number));
    }
    assert_eq!((one.try_recv(), other.try_recv()), (Err(TryRecvError::Empty), Err(TryRecvError::Empty)));
}

#[test]
fn the_last_receiver_takes_a_value_without_a_clone() {
    #[derive(Debug)]
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::Relaxed);
            Self(self.0.clone())
        }
    }

    let clones = Arc::new(AtomicUsize::new(0));
    let (sender, mut one) = broadcast::channel(4);
    let mut other = sender.subscribe();
    {
        let mut receive = pin!(one.recv());
        assert!(poll(receive.as_mut()).is_pending());
        sender.send(Counted(clones.clone())).unwrap();
        assert!(poll(receive.as_mut()).is_ready());
    }
    assert!(other.try_recv().is_ok());
    assert_eq!(clones.load(Ordering::Relaxed), 1);
}

#[test]
fn values_leave_when_the_last_receiver_that_wants_them_goes() {
    let value = Arc::new(());
    let (sender, receiver) = broadcast::channel(4);
    let mut other = receiver.resubscribe();
    sender.send(value.clone()).unwrap();
    sender.send(value.clone()).unwrap();
    drop(other.try_recv());
    drop(receiver);
    assert_eq!((Arc::strong_count(&value), sender.len()), (2, 1));
    drop(other);
    assert_eq!((Arc::strong_count(&value), sender.receiver_count()), (1, 0));
}

#[test]
fn every_value_is_seen_or_counted_as_missed_on_many_threads() {
    const EACH: u64 = 500;
    let runtime = Runtime::multi_thread(3).unwrap();
    let (sender, receiver) = broadcast::channel(8);
    let receive = |mut receiver: broadcast::Receiver<u64>| async move {
        let mut count = 0;
        loop {
            match receiver.recv().await {
                Ok(_) => count += 1,
                Err(RecvError::Lagged(missed)) => count += missed,
                Err(RecvError::Closed) => return count,
            }
        }
    };
    let receivers: Vec<_> = (0..3).map(|_| runtime.spawn(receive(receiver.resubscribe()))).collect();
    let plain = thread::spawn(move || block_on(receive(receiver)));
    let senders: Vec<_> = (0..2)
        .map(|_| {
            let sender = sender.clone();
            runtime.spawn(async move {
                for n in 0..EACH {
                    sender.send(n).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    for receiver in receivers {
        assert_eq!(receiver.join().unwrap(), 2 * EACH);
    }
    assert_eq!(plain.join().unwrap(), 2 * EACH);
}

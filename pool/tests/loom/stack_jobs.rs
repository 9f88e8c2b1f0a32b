//! Stack jobs: the deque that shares them, with its offers and its notifications.

use super::check;
use brigade_pool::model::{Deque, Full, Owner, Position, SlowPush, StackJobState, Steal};
use loom::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    thread,
};
use std::{ptr::NonNull, sync::Arc};

/// Entries are never followed, so any address will do.
fn entry(number: usize) -> NonNull<u64> {
    NonNull::without_provenance(number.try_into().expect("not zero"))
}

fn steals(deque: &Deque<u64>, attempts: usize) -> Vec<usize> {
    let taken = |_| match deque.steal() {
        Steal::Taken(entry) => Some(entry.addr().get()),
        Steal::Empty | Steal::Gone | Steal::Lost => None,
    };
    (0..attempts).filter_map(taken).collect()
}

#[test]
fn each_stack_job_goes_to_the_owner_or_to_one_thief() {
    check(|| {
        let deque = Arc::new(Deque::new());
        let shared = deque.clone();
        let thief = thread::spawn(move || steals(&shared, 2));
        let owner = deque.owner_in_model();
        let (first, _) = owner.push::<Full>(entry(1));
        let (second, _) = owner.push::<Full>(entry(2));
        let mut kept = Vec::new();
        kept.extend(owner.pop::<Full>(second).then_some(2));
        kept.extend(owner.pop::<Full>(first).then_some(1));
        let mut all = thief.join().unwrap();
        all.extend(kept);
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
    });
}

#[test]
fn two_thieves_do_not_take_the_same_stack_job() {
    check(|| {
        let deque = Arc::new(Deque::new());
        let owner = deque.owner_in_model();
        let (position, _) = owner.push::<Full>(entry(1));
        let thieves = [(); 2].map(|()| {
            let shared = deque.clone();
            thread::spawn(move || steals(&shared, 1).len())
        });
        let kept = usize::from(owner.pop::<Full>(position));
        let stolen: usize = thieves.into_iter().map(|thief| thief.join().unwrap()).sum();
        assert_eq!(kept + stolen, 1);
    });
}

#[test]
fn a_lazy_owner_does_not_go_on_after_a_thief_took_or_asked() {
    check(|| {
        let deque = Arc::new(Deque::new());
        let visited = Arc::new(AtomicBool::new(false));
        let owner = deque.owner_in_model();
        let (position, _) = owner.push::<Full>(entry(1));
        let (shared, visit) = (deque.clone(), visited.clone());
        let thief = thread::spawn(move || {
            let taken = steals(&shared, 1).len();
            if taken == 0 {
                shared.request();
            }
            visit.store(true, Ordering::Release);
            taken
        });
        let seen = visited.load(Ordering::Acquire);
        let has_enough = owner.has_for_thieves(1);
        assert!(!(seen && has_enough), "the owner has nothing left, or was asked");
        let kept = usize::from(owner.pop::<Full>(position));
        assert_eq!(kept + thief.join().unwrap(), 1);
        assert!(owner.is_empty());
    });
}

/// Pushes the entry, and takes the slow path of a push if the owner was notified.
pub(super) fn push_and_respond(owner: Owner<'_, u64>, number: usize, on_notified: impl FnOnce()) -> Position {
    let (position, unnotified) = owner.push::<Full>(entry(number));
    if unnotified {
        return position;
    }
    match owner.push_slow(position, on_notified) {
        SlowPush::Pushed(position) => position,
        SlowPush::Full => panic!("there is room for two"),
    }
}

/// Pops the entry, or takes its offer back. Returns whether the owner has it.
fn pop_or_take_back(owner: Owner<'_, u64>, position: Position, number: usize) -> bool {
    owner.pop::<Full>(position) || owner.take_back_offer(entry(number))
}

#[test]
fn an_offered_stack_job_goes_to_its_owner_or_to_one_thief() {
    check(|| {
        let deque = Arc::new(Deque::new());
        deque.request();
        let shared = deque.clone();
        let thief = thread::spawn(move || {
            let accepted = shared.accept_offer().map(|entry| entry.addr().get());
            let mut taken = steals(&shared, 1);
            taken.extend(accepted);
            taken
        });
        let owner = deque.owner_in_model();
        let first = push_and_respond(owner, 1, || ());
        let second = push_and_respond(owner, 2, || ());
        let mut all = Vec::new();
        all.extend(pop_or_take_back(owner, second, 2).then_some(2));
        all.extend(pop_or_take_back(owner, first, 1).then_some(1));
        all.extend(thief.join().unwrap());
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        assert!(deque.looks_empty());
    });
}

#[test]
fn two_thieves_that_request_do_not_get_the_same_stack_job() {
    check(|| {
        let deque = Arc::new(Deque::new());
        deque.request();
        let thieves = [(); 2].map(|()| {
            let shared = deque.clone();
            thread::spawn(move || usize::from(shared.accept_offer().is_some()))
        });
        let owner = deque.owner_in_model();
        let position = push_and_respond(owner, 1, || ());
        let kept = usize::from(pop_or_take_back(owner, position, 1));
        let given: usize = thieves.into_iter().map(|thief| thief.join().unwrap()).sum();
        assert_eq!(kept + given, 1);
    });
}

#[test]
fn a_second_request_does_not_overwrite_the_offer() {
    check(|| {
        let deque = Arc::new(Deque::<u64>::new());
        let owner = deque.owner_in_model();
        deque.request();
        let first = push_and_respond(owner, 1, || ());
        deque.request();
        let second = push_and_respond(owner, 2, || ());
        let shared = deque.clone();
        let thief = thread::spawn(move || shared.accept_offer().is_some());
        assert!(pop_or_take_back(owner, second, 2));
        assert!(pop_or_take_back(owner, first, 1) != thief.join().unwrap());
    });
}

#[test]
fn a_thief_that_accepts_sees_the_stack_job() {
    check(|| {
        let deque = Arc::new((Deque::new(), AtomicBool::new(false)));
        deque.0.request();
        let shared = deque.clone();
        let thief =
            thread::spawn(move || shared.0.accept_offer().is_none() || shared.1.load(Ordering::Relaxed));
        deque.1.store(true, Ordering::Relaxed);
        let owner = deque.0.owner_in_model();
        let position = push_and_respond(owner, 1, || ());
        assert!(thief.join().unwrap());
        _ = pop_or_take_back(owner, position, 1);
    });
}

#[test]
fn a_request_is_answered_after_the_next_push_that_sees_it() {
    check(|| {
        let deque = Arc::new(Deque::<u64>::new());
        let owner = deque.owner_in_model();
        // No request is lost, although the owner takes an offer back while another request comes.
        deque.request();
        let position = push_and_respond(owner, 1, || ());
        let shared = deque.clone();
        let thief = thread::spawn(move || shared.request());
        let kept = pop_or_take_back(owner, position, 1);
        assert!(kept);
        thief.join().unwrap();
        let position = push_and_respond(owner, 1, || ());
        assert!(deque.accept_offer().is_some());
        assert!(!pop_or_take_back(owner, position, 1));
    });
}

#[test]
fn the_owner_sees_the_notification_or_the_sleeper_sees_the_stack_job() {
    check(|| {
        let deque = Arc::new(Deque::<u64>::new());
        let shared = deque.clone();
        let sleeper = thread::spawn(move || {
            shared.notify_owner();
            fence(Ordering::SeqCst);
            !shared.looks_empty()
        });
        let owner = deque.owner_in_model();
        let (position, unnotified) = owner.push::<Full>(entry(1));
        let notified = !unnotified;
        if notified {
            assert!(matches!(owner.push_slow(position, || ()), SlowPush::Pushed(_)));
        }
        assert!(sleeper.join().unwrap() || notified);
    });
}

#[test]
fn a_later_notification_does_not_hide_an_earlier_one() {
    check(|| {
        let shared = Arc::new((Deque::<u64>::new(), AtomicUsize::new(0)));
        let sleeper = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.fetch_add(1, Ordering::AcqRel);
                shared.0.notify_owner();
                fence(Ordering::SeqCst);
                !shared.0.looks_empty()
            })
        };
        let other = {
            let shared = shared.clone();
            thread::spawn(move || shared.0.notify_owner())
        };
        let owner = shared.0.owner_in_model();
        let mut notified = false;
        let mut on_notified = || {
            fence(Ordering::SeqCst);
            notified |= shared.1.load(Ordering::Relaxed) > 0;
        };
        let first = push_and_respond(owner, 1, &mut on_notified);
        assert!(pop_or_take_back(owner, first, 1));
        _ = push_and_respond(owner, 2, &mut on_notified);
        other.join().unwrap();
        assert!(sleeper.join().unwrap() || notified);
    });
}

/// `join` relies on this: a waiting worker holds only work that it waits for.
#[test]
fn an_owner_whose_stack_job_was_stolen_has_nothing_older_on_offer() {
    check(|| {
        let deque = Arc::new(Deque::new());
        let shared = deque.clone();
        let thief = thread::spawn(move || {
            shared.request();
            steals(&shared, 1).len()
        });
        let owner = deque.owner_in_model();
        let first = push_and_respond(owner, 1, || ());
        let second = push_and_respond(owner, 2, || ());
        let kept_second = pop_or_take_back(owner, second, 2);
        assert!(
            kept_second || deque.looks_empty(),
            "the owner waits for its second job, so its first one must not be on offer"
        );
        let kept = usize::from(kept_second) + usize::from(pop_or_take_back(owner, first, 1));
        assert_eq!(kept + thief.join().unwrap(), 2);
    });
}

/// The owner of a stolen job takes something from the thief. The thief may have ended the job by then, and
/// may have pushed unrelated work.
#[test]
fn nothing_taken_before_the_stack_job_is_done_was_pushed_later() {
    check(|| {
        let shared = Arc::new((Deque::new(), StackJobState::new()));
        let waiter = {
            let shared = shared.clone();
            thread::spawn(move || {
                let taken = shared.0.accept_offer().map(|entry| entry.addr().get());
                let taken = taken.or_else(|| steals(&shared.0, 1).pop());
                assert!(
                    taken != Some(2) || shared.1.is_done(),
                    "unrelated work is recognised, because the stack job is done"
                );
            })
        };
        let owner = shared.0.owner_in_model();
        let needed = push_and_respond(owner, 1, || ());
        _ = pop_or_take_back(owner, needed, 1);
        // SAFETY: the model holds a reference to the state, and finishes it once.
        _ = unsafe { StackJobState::finish(NonNull::from(&shared.1)) };
        shared.0.request();
        let unrelated = push_and_respond(owner, 2, || ());
        _ = pop_or_take_back(owner, unrelated, 2);
        waiter.join().unwrap();
    });
}

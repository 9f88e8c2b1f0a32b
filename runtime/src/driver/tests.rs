//! The driver's sleep and its timers, with an alarm and without one.

use super::*;
use crate::time::timers::SetTimer;
use brigade_trace::clock;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::{Wake, Waker},
    thread,
};

/// Longer than any of these sleeps may take.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Fired(AtomicBool);

impl Wake for Fired {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A driver with an alarm, where the operating system has one, and one without, as in a sandbox.
fn drivers() -> [Driver; 2] {
    let drivers = [(); 2].map(|()| Driver::new(1, Clock::os()).expect("the machine has a reactor"));
    drivers[1].alarm.close();
    drivers
}

fn set(driver: &Driver, deadline: Instant, fired: &Arc<Fired>) {
    match driver.timers.set(0, deadline, &Waker::from(fired.clone())) {
        SetTimer::Done(_) => {}
        SetTimer::HurryDriver(_) => driver.hurry(deadline),
        SetTimer::Closed => unreachable!("the driver is open"),
    }
}

/// Sleeps in the driver until the timer fires, or for too long.
fn sleep_until(driver: &Driver, fired: &Fired) {
    let begin = clock::now();
    while !fired.0.load(Ordering::Relaxed) {
        let mut lock = driver.try_lock().expect("nobody else is in the driver");
        lock.sleep(Some(LIMIT), || ());
        assert!(begin.elapsed() < LIMIT, "the timer did not end the sleep");
    }
}

#[test]
fn a_timer_ends_the_sleep_and_not_early() {
    for driver in drivers() {
        for micros in [0, 1, 50, 300, 1000, 2500] {
            let (deadline, fired) = (clock::now() + Duration::from_micros(micros), Arc::default());
            set(&driver, deadline, &fired);
            sleep_until(&driver, &fired);
            assert!(clock::now() >= deadline);
        }
    }
}

#[test]
fn a_timer_that_another_thread_sets_ends_the_sleep() {
    for driver in drivers() {
        let never = Arc::default();
        set(&driver, clock::now() + 10 * LIMIT, &never);
        for _ in 0..50 {
            let fired = Arc::default();
            thread::scope(|scope| {
                scope.spawn(|| set(&driver, clock::now() + Duration::from_micros(200), &fired));
                sleep_until(&driver, &fired);
            });
        }
    }
}

#[test]
fn an_alarm_that_has_gone_off_is_not_put_off() {
    for driver in drivers() {
        let (clock, begin) = (&driver.timers.clock, clock::now());
        let soon = clock.moment_of(begin + Duration::from_millis(1));
        if driver.alarm.set(clock, soon).is_some() {
            // There is no alarm, or the machine was too slow.
            continue;
        }
        while clock.moment_now() <= soon {
            std::hint::spin_loop();
        }
        // A thread that sets a later timer comes before the driver has woken.
        assert!(driver.alarm.bring_forward(clock, clock.moment_of(begin + 10 * LIMIT)));
        driver.try_lock().expect("nobody else is in the driver").sleep(Some(LIMIT), || ());
        assert!(begin.elapsed() < LIMIT, "the alarm was put off");
    }
}

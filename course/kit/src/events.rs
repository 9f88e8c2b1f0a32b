//! Predicates over the events of a run: plain functions, which return the index of the event that breaks
//! them.
//!
//! ```
//! use brigade_course_kit::events::{at_most, leads_to, never};
//!
//! let events = ["poll", "wake", "poll", "poll"];
//! let (poll, wake) = (|event: &&str| *event == "poll", |event: &&str| *event == "wake");
//! // The third poll has no wake-up of its own.
//! assert_eq!(at_most(&events, 1, poll, wake), Err(3));
//! assert_eq!(leads_to(&events, wake, poll, 1), Ok(()));
//! assert_eq!(never(&events, |event| *event == "drop"), Ok(()));
//! ```

/// Demands that every event is right.
///
/// # Errors
///
/// Returns the index of the first one that is not.
pub fn always<E>(events: &[E], is_right: impl Fn(&E) -> bool) -> Result<(), usize> {
    events.iter().position(|event| !is_right(event)).map_or(Ok(()), Err)
}

/// Demands that no event is wrong.
///
/// # Errors
///
/// Returns the index of the first one that is.
pub fn never<E>(events: &[E], is_wrong: impl Fn(&E) -> bool) -> Result<(), usize> {
    events.iter().position(is_wrong).map_or(Ok(()), Err)
}

/// Demands that after each event of the first kind, one of the second kind is among the next `within` events.
///
/// # Errors
///
/// Returns the index of the event that led to nothing. Events that are too near to the end count: the run is
/// over, so nothing will come.
pub fn leads_to<E>(
    events: &[E],
    first: impl Fn(&E) -> bool,
    second: impl Fn(&E) -> bool,
    within: usize,
) -> Result<(), usize> {
    let leads = |index: usize| events.iter().skip(index + 1).take(within).any(&second);
    (0..events.len()).find(|&index| first(&events[index]) && !leads(index)).map_or(Ok(()), Err)
}

/// Demands that there are at most `most` events of a kind before the first unit, and at most `most` more for
/// each unit that has come: polls for each wake-up.
///
/// # Errors
///
/// Returns the index of the first event that is too many.
pub fn at_most<E>(
    events: &[E],
    most: usize,
    is_counted: impl Fn(&E) -> bool,
    is_unit: impl Fn(&E) -> bool,
) -> Result<(), usize> {
    let mut allowed = most;
    for (index, event) in events.iter().enumerate() {
        if is_unit(event) {
            allowed += most;
        }
        if is_counted(event) {
            allowed = allowed.checked_sub(1).ok_or(index)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_predicate_names_the_event_that_breaks_it() {
        assert_eq!(always(&[1, 2, 3], |&n| n < 3), Err(2));
        assert_eq!(never(&[1, 2, 3], |&n| n == 2), Err(1));
        assert_eq!(leads_to(&[1, 0, 2], |&n| n == 1, |&n| n == 2, 2), Ok(()));
        assert_eq!(leads_to(&[1, 0, 2], |&n| n == 1, |&n| n == 2, 1), Err(0));
        assert_eq!(leads_to(&[0, 1], |&n| n == 1, |&n| n == 2, 5), Err(1));
        assert_eq!(at_most(&[1, 2, 1, 1], 1, |&n| n == 1, |&n| n == 2), Err(3));
        assert_eq!(at_most(&[1, 1, 2, 1, 1], 2, |&n| n == 1, |&n| n == 2), Ok(()));
    }
}

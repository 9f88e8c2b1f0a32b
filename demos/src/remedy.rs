//! Remedies: they tell a user what to do when the system refuses something.

use crate::sys;

/// Finds the number of the system's error in a message, and returns words that go on after it and say what to
/// do. Returns None if the message holds no such error, or one without a remedy.
///
/// The number is read from the text, because libraries wrap an error of the system in errors of their own.
pub(crate) fn remedy(message: &str) -> Option<&'static str> {
    // The first form is how the standard library displays such an error, the second one how it debugs it.
    let number = ["(os error ", "Os { code: "].iter().find_map(|before| {
        let (_, rest) = message.rsplit_once(before)?;
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        rest[..digits].parse::<i32>().ok()
    })?;
    sys::REMEDIES.iter().find(|(error, _)| *error == number).map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Error;

    #[test]
    fn a_limit_that_is_reached_is_named_in_both_forms() {
        for (number, words) in [(sys::REMEDIES[0].0, "ulimit -u"), (sys::REMEDIES[2].0, "ulimit -n")] {
            let error = Error::from_raw_os_error(number);
            assert!(remedy(&format!("no thread: {error}")).unwrap().contains(words), "{error}");
            assert!(remedy(&format!("no thread: {error:?}")).unwrap().contains(words), "{error:?}");
        }
    }

    #[test]
    fn other_errors_have_no_remedy() {
        assert_eq!(remedy("the soup is cold"), None);
        assert_eq!(remedy(&Error::from_raw_os_error(9999).to_string()), None);
    }
}

//! Wrong solutions: each is the reference with a few lines changed, and says what it must lose.
//!
//! ```text
//! about: a sentence that says what is wrong
//! loses: every-interleaving=lost-wake late-wake=lost-wake
//! <<<<<<<
//! lines of the reference, which stand there once
//! =======
//! lines in their place
//! >>>>>>>
//! ```

use std::{error, fmt};

/// A wrong solution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mutant {
    /// The mistake, in a sentence.
    pub about: String,
    /// The tests that fail, each with the rule that is broken.
    pub loses: Vec<(String, String)>,
    /// Lines of the reference, and the lines in their place.
    edits: Vec<(String, String)>,
}

/// Says why a text is no wrong solution, or does not fit the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit(String);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Unfit {}

impl Mutant {
    /// Reads a wrong solution.
    ///
    /// # Errors
    ///
    /// Returns the line that is not understood.
    pub fn read(text: &str) -> Result<Self, Unfit> {
        let mut mutant = Self::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(about) = line.strip_prefix("about: ") {
                mutant.about = about.to_owned();
            } else if let Some(tests) = line.strip_prefix("loses: ") {
                for word in tests.split_whitespace() {
                    let (test, rule) = word
                        .split_once('=')
                        .ok_or_else(|| Unfit(format!("{word:?}: write it as test=rule")))?;
                    mutant.loses.push((test.to_owned(), rule.to_owned()));
                }
            } else if line == "<<<<<<<" {
                let old = until(&mut lines, "=======")?;
                mutant.edits.push((old, until(&mut lines, ">>>>>>>")?));
            } else if !line.is_empty() {
                return Err(Unfit(format!("{line:?} is neither about:, loses: nor an edit")));
            }
        }
        Ok(mutant)
    }

    /// Makes the wrong solution of a reference.
    ///
    /// # Errors
    ///
    /// Returns the lines that do not stand in the reference exactly once.
    pub fn apply(&self, reference: &str) -> Result<String, Unfit> {
        let mut text = reference.to_owned();
        for (old, new) in &self.edits {
            let times = text.matches(old.as_str()).count();
            if times != 1 {
                return Err(Unfit(format!(
                    "these lines stand {times} times in the reference, not once:\n{old}"
                )));
            }
            text = text.replacen(old.as_str(), new, 1);
        }
        Ok(text)
    }
}

/// The lines until a mark.
fn until<'a>(lines: &mut impl Iterator<Item = &'a str>, mark: &str) -> Result<String, Unfit> {
    let mut text = String::new();
    for line in lines {
        if line == mark {
            return Ok(text);
        }
        text.push_str(line);
        text.push('\n');
    }
    Err(Unfit(format!("an edit has no {mark}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_changes_lines_that_stand_once() {
        let text = "about: it forgets\nloses: a=b c=d\n<<<<<<<\none\n=======\ntwo\n>>>>>>>\n";
        let mutant = Mutant::read(text).unwrap();
        assert_eq!(mutant.loses.len(), 2);
        assert_eq!(mutant.apply("zero\none\n").unwrap(), "zero\ntwo\n");
        assert!(mutant.apply("one\none\n").is_err());
        assert!(Mutant::read("about: x\n<<<<<<<\none\n").is_err());
        assert!(Mutant::read("nonsense").is_err());
    }
}

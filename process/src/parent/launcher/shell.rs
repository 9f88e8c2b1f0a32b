//! Words for a shell on another machine, which takes its command as one text.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

/// The text for which a POSIX shell goes to `directory` and becomes the command of these words.
pub(super) fn script(directory: &Path, words: &[OsString]) -> OsString {
    let mut text = b"cd ".to_vec();
    quote(directory.as_os_str(), &mut text);
    text.extend_from_slice(b" && exec");
    for word in words {
        text.push(b' ');
        quote(word, &mut text);
    }
    OsString::from_vec(text)
}

/// Adds a word that the shell takes as it is. Within single quotes nothing has a meaning but their end.
fn quote(word: &OsStr, text: &mut Vec<u8>) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-=:,+@%".contains(byte);
    if !word.is_empty() && word.as_bytes().iter().all(is_plain) {
        return text.extend_from_slice(word.as_bytes());
    }
    text.push(b'\'');
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            other => text.push(other),
        }
    }
    text.push(b'\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_hands_on_each_word_as_it_is() {
        let odd = [
            "", " ", "two eggs", "it's", "$HOME", "`id`", "a\\b", "!x", "\n", "*", "~", "-n", "é", "\"",
            ";&|",
        ];
        let words: Vec<OsString> = ["printf", "%s\\0"].iter().chain(&odd).map(Into::into).collect();
        let output = Command::new("sh").arg("-c").arg(script(Path::new("/"), &words)).output().unwrap();
        let got: Vec<_> = output.stdout.split(|&byte| byte == 0).collect();
        let expected: Vec<_> = odd.iter().map(|word| word.as_bytes()).chain([&b""[..]]).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_directory_that_is_not_there_ends_the_shell() {
        let script = script(Path::new("/no such place"), &["echo".into()]);
        let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
    }
}

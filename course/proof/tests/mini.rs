//! The page of the book that shows the references beside the modules of Brigade. It is made from the sources:
//! `UPDATE_MINI=1 cargo test -p brigade-course-proof --test mini` writes it anew.

use brigade_course::root;
use brigade_course_kit::find;
use std::{env, fmt::Write, fs};

/// A lab's reference beside the module of Brigade that it is the small version of.
struct Pair {
    lab: u8,
    /// The function of the reference that is shown, by the line it begins with.
    mini: &'static str,
    /// The file of Brigade, and the function that is shown.
    file: &'static str,
    real: &'static str,
    /// The use of the difference.
    buys: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair {
        lab: 1,
        mini: "fn wait(",
        file: "handle/src/parker.rs",
        real: "pub(crate) fn park(",
        buys: "An atomic flag in place of a lock: a wake-up of a thread that is awake is one store. A deadline, and a look \
               before the sleep that saves both system calls if the wake-up comes soon.",
    },
    Pair {
        lab: 2,
        mini: "fn wake(self",
        file: "runtime/src/task/state.rs",
        real: "fn schedule(",
        buys: "One word for the state and the references, changed by one atomic operation: a wake-up takes no lock, and a \
               task is one allocation.",
    },
    Pair {
        lab: 5,
        mini: "fn poll_recv(",
        file: "runtime/src/sync/mpsc/receiver.rs",
        real: "fn poll_batch(",
        buys: "The receiver takes all items of a moment at once, so it takes the lock once for many items, and senders are \
               woken in one go.",
    },
    Pair {
        lab: 6,
        mini: "fn release(",
        file: "runtime/src/sync/semaphore.rs",
        real: "pub(super) fn release(",
        buys: "A lock that nobody else wants is one atomic operation. The queue and its lock are touched only when somebody \
               waits.",
    },
    Pair {
        lab: 7,
        mini: "fn sleep(",
        file: "pool/src/registry/sleep.rs",
        real: "pub fn fall_asleep(",
        buys: "Counters in one word in place of a list under a lock: a spawn looks whether anybody sleeps by one load. A \
               worker that searches has the duty to wake the next one, so that one spawn wakes one worker.",
    },
    Pair {
        lab: 9,
        mini: "fn attempt<",
        file: "runtime/src/driver/source.rs",
        real: "fn clear_bits(",
        buys: "An epoch beside the bits in place of a lock around the system call: the reactor never waits for a task that \
               reads, and any number of tasks may wait.",
    },
    Pair {
        lab: 12,
        mini: "fn carry_out(",
        file: "process/src/parent/supervisor/mod.rs",
        real: "fn dispatch(",
        buys: "One supervisor for all children in place of a thread for each. Children execute the program anew, say when \
               they begin with a call, and take small calls from shared memory without a system call.",
    },
];

/// Returns the function that begins with these words, with its comment, and without the indentation.
fn function(text: &str, begins: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.trim_start().starts_with(begins))?;
    let indent = lines[at].len() - lines[at].trim_start().len();
    let is_about = |line: &str| line.trim_start().starts_with("///") || line.trim_start().starts_with("#[");
    let first = (0..at).rev().take_while(|&line| is_about(lines[line])).last().unwrap_or(at);
    let end = format!("{}}}", " ".repeat(indent));
    let last = at + lines[at..].iter().position(|line| *line == end)?;
    let body = lines[first..=last].iter().map(|line| line.get(indent..).unwrap_or_default());
    Some(body.collect::<Vec<_>>().join("\n"))
}

/// The lines that are code: no comments, no tests, nothing empty.
fn lines_of_code(text: &str) -> usize {
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    before_tests.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const HEAD: &str = "\
# Mini and real

Each reference solution of the labs is the *mini* version of a module of Brigade: the same idea, in at most 300 lines. Here one function of
each stands beside its counterpart. The difference buys speed, and serves more situations.

The columns with numbers of lines count code without comments and tests, of the reference and of the one file that is shown. The real
module has more files.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| lab | mini, lines | Brigade | lines |\n|---|--:|---|--:|\n");
    for pair in PAIRS {
        let lab = find(pair.lab).expect("there is such a lab");
        let mini = read(&format!("course/solutions/{}/lib.rs", lab.folder()));
        let _ = writeln!(
            page,
            "| [{}: {}](labs/{}.md) | {} | `{}` | {} |",
            lab.number,
            lab.title,
            lab.folder(),
            lines_of_code(&mini),
            pair.file,
            lines_of_code(&read(pair.file)),
        );
    }
    for pair in PAIRS {
        let lab = find(pair.lab).expect("there is such a lab");
        let mini_file = format!("course/solutions/{}/lib.rs", lab.folder());
        let shown = |path: &str, begins| {
            function(&read(path), begins)
                .unwrap_or_else(|| panic!("{path} has no function that begins {begins:?}"))
        };
        let _ = write!(
            page,
            "\n## Lab {}: {}\n\n{}\n\n<table>\n<tr><th>{mini_file}</th><th>{}</th></tr>\n<tr><td>\n\n```rust,ignore\n{}\n```\n\n</td><td>\n\n\
             ```rust,ignore\n{}\n```\n\n</td></tr>\n</table>\n",
            lab.number,
            lab.title,
            pair.buys,
            pair.file,
            shown(&mini_file, pair.mini),
            shown(pair.file, pair.real),
        );
    }
    page
}

#[test]
fn the_page_of_minis_is_of_the_sources_of_today() {
    let (page, path) = (page(), root().join("course/book/src/mini.md"));
    if env::var_os("UPDATE_MINI").is_some() {
        fs::write(&path, &page).expect("it can be written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(page == written, "{} is not of today: UPDATE_MINI=1 writes it anew", path.display());
}

#[test]
fn a_function_is_shown_with_its_comment_and_its_end() {
    let text = "impl A {\n    /// Says so.\n    fn one(&self) {\n        if true {\n        }\n    }\n\n    fn two() {\n    }\n}\n";
    assert_eq!(
        function(text, "fn one(").as_deref(),
        Some("/// Says so.\nfn one(&self) {\n    if true {\n    }\n}")
    );
    assert_eq!(function(text, "fn three("), None);
}

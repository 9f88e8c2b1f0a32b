//! The document's six questions on the GIL, answered for the CPython of today.

use crate::show::{Output, Style};
use serde_json::json;

/// A question of the document.
struct Question {
    question: &'static str,
    answer: &'static [&'static str],
    /// Where the answer is from.
    sources: &'static [&'static str],
}

const PEP_684: &str = "PEP 684, A Per-Interpreter GIL: https://peps.python.org/pep-0684/";
const PEP_703: &str =
    "PEP 703, Making the Global Interpreter Lock Optional in CPython: https://peps.python.org/pep-0703/";
const PEP_734: &str = "PEP 734, Multiple Interpreters in the Stdlib: https://peps.python.org/pep-0734/";
const PEP_779: &str =
    "PEP 779, Criteria for supported status for free-threaded Python: https://peps.python.org/pep-0779/";
const PEP_803: &str = "PEP 803, Stable ABI for Free-Threaded Builds: https://peps.python.org/pep-0803/";
const HOWTO: &str =
    "Python support for free threading: https://docs.python.org/3/howto/free-threading-python.html";
const HOWTO_3_13: &str = "Python experimental support for free threading (3.13): https://docs.python.org/3.13/howto/free-threading-python.html";
const GLOSSARY: &str =
    "Glossary, global interpreter lock: https://docs.python.org/3/glossary.html#term-global-interpreter-lock";
const NEWS_3_14: &str = "What's New In Python 3.14: https://docs.python.org/3/whatsnew/3.14.html";
const FAQ: &str =
    "Can't we get rid of the Global Interpreter Lock?: https://docs.python.org/3.12/faq/library.html";
const NOT_EASY: &str = "G. van Rossum, It isn't Easy to Remove the GIL (2007): https://www.artima.com/weblogs/viewpost.jsp?thread=214235";
const INTERPRETERS: &str =
    "concurrent.interpreters: https://docs.python.org/3/library/concurrent.interpreters.html";

const QUESTIONS: &[Question] = &[
    Question {
        question: "What problem did the GIL solve?",
        answer: &[
            "CPython counts the references to each object, and frees an object when its count is zero. Two threads that \
             change one count at once could lose a change: then the object is freed too early, or never. With one lock \
             around the interpreter only one thread at a time executes bytecode, so the counts are right without a lock \
             for each object, and so are the insides of dict, list and set.",
            "It makes the interpreter safe, not your program. A thread can lose the lock in the midst of an update, so shared \
             data still needs a lock. CPython 3.10 and later hand the lock over only at calls and at the ends of loops. So a \
             plain `n += 1` happens to lose nothing there, but `n = n + f()` does. No version promises that, and without a \
             GIL `n += 1` loses additions, too.",
        ],
        sources: &[GLOSSARY, PEP_703, FAQ],
    },
    Question {
        question: "Why was the GIL chosen?",
        answer: &[
            "One lock is simple, and C extensions could be written without a thought of threads. It is also quick for a \
             program of one thread: a count changes by a plain addition, where a lock or an atomic operation for each \
             object would cost every program something.",
        ],
        sources: &[FAQ, PEP_703],
    },
    Question {
        question: "What is its impact on multi-threaded programs?",
        answer: &[
            "In the usual build, threads that compute in Python take turns, and gain nothing. A thread that wants the lock \
             asks for it after 5 ms (`sys.setswitchinterval`). A thread that waits for I/O gives the lock up first, so \
             waits overlap. Some libraries, among them NumPy, also give it up while they compute in C.",
            "In a free-threaded build (python3.13t and later) the threads compute at the same time. Such a build can still \
             turn its GIL on: with PYTHON_GIL=1, or when it imports an extension that is not marked as safe without one. \
             `sys._is_gil_enabled()` tells.",
        ],
        sources: &[GLOSSARY, HOWTO],
    },
    Question {
        question: "Why hasn't it been removed?",
        answer: &[
            "It has become optional. Earlier attempts, such as the patches for Python 1.5, made a program of one thread at least \
             30 % slower. PEP 703 found a cheaper way (each object counts its owner's references apart from those of other \
             threads) and was accepted in 2023.",
            "Python 3.13 (2024) had the free-threaded build as an experiment. Since 3.14 (2025) it is officially supported \
             (PEP 779), but still a build of its own, python3.14t. In 3.14 one thread is about 5 to 10 % slower in it, after \
             about 40 % in 3.13; PEP 779 also measured 15 to 20 % more memory. Python 3.15 (2026) added a stable ABI for its \
             extensions (PEP 803).",
            "The GIL is still the default. To make free threading the default is a third phase, which is not decided: \
             extensions have to be ready for it.",
        ],
        sources: &[PEP_703, PEP_779, NEWS_3_14, HOWTO_3_13, PEP_803, FAQ],
    },
    Question {
        question: "Why wasn't it removed in Python 3?",
        answer: &[
            "Because nobody could do it without a loss. In 2007 Guido van Rossum wrote that he would welcome patches for \
             Python 3 only if programs of one thread, and threads that wait for I/O, became no slower. No patch of that time \
             met the condition, and every C extension would have had to change. Python 3.2 got a better GIL instead: a \
             thread asks for it after a time, and no longer gets it after so many bytecodes.",
        ],
        sources: &[NOT_EASY, FAQ, "What's New In Python 3.2: https://docs.python.org/3/whatsnew/3.2.html"],
    },
    Question {
        question: "How does one deal with it?",
        answer: &[
            "Waits: asyncio or threads; the GIL is no obstacle.",
            "Computations, in any Python: processes (`multiprocessing`, `ProcessPoolExecutor`). Since 3.14 they are not \
             forked on Linux by default either, so the program needs `if __name__ == \"__main__\":`.",
            "Computations, since 3.14: several interpreters in one process, each with a GIL of its own (PEP 684, in C since \
             3.12). From Python they are `concurrent.interpreters` and `InterpreterPoolExecutor` (PEP 734). Each has \
             its own modules and objects: what goes from one to the other is mostly copied, as between processes.",
            "Computations, with a free-threaded build: threads. Shared data needs its locks as before.",
            "Or let the inner loop be C or Rust, which can give the lock up while it computes.",
        ],
        sources: &[INTERPRETERS, PEP_684, PEP_734, HOWTO, NEWS_3_14],
    },
];

/// The sources in use, in the order in which they are first named.
fn sources() -> Vec<&'static str> {
    let mut sources = Vec::new();
    for &source in QUESTIONS.iter().flat_map(|question| question.sources) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

/// Prints the questions, their answers, and the sources.
pub(super) fn show(output: &Output) {
    let all = sources();
    for (number, Question { question, answer, sources }) in (1..).zip(QUESTIONS) {
        output.record("question", &json!({ "question": question, "answer": answer, "sources": sources }));
        output.labelled(Style::Strong, &format!("{number}. "), question);
        answer.iter().for_each(|paragraph| output.labelled(Style::Plain, "   ", paragraph));
        let place = |source| all.iter().position(|other| other == source).map_or(0, |place| place + 1);
        let places: Vec<_> = sources.iter().map(|source| format!("[{}]", place(source))).collect();
        output.line(output.paint(Style::Faint, format!("   {}", places.join(" "))));
        output.line("");
    }
    for (number, source) in (1..).zip(&all) {
        let (title, address) = source.split_once(": http").expect("a source has an address");
        output.line(format_args!("{:>4} {title}", format!("[{number}]")));
        output.line(output.paint(Style::Faint, format!("     http{address}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_of_the_document_is_answered_with_its_sources() {
        assert_eq!(QUESTIONS.len(), 6);
        for Question { question, answer, sources } in QUESTIONS {
            assert!(question.ends_with('?') && !answer.is_empty(), "{question}");
            assert!(sources.len() > 1, "{question} has few sources");
        }
        for source in sources() {
            let known =
                ["https://peps.python.org/pep-", "https://docs.python.org/3", "https://www.artima.com/"];
            let (_, address) = source.split_once(": ").unwrap();
            let address = &address[address.find("https://").unwrap()..];
            assert!(known.iter().any(|place| address.starts_with(place)), "{source}");
        }
    }
}

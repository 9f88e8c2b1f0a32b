//! The views that recordings of whole programs are written as (`BRIGADE_TRACE=soup.html`).
//!
//! The trace lies below the views and knows none of them, and a program need not mention this crate. So the
//! views are registered before `main`, by a pointer in the list of functions that the loader calls.

use crate::{Timeline, perfetto, svg, text};
use brigade_trace::{Recording, Writer, register_writer};

/// How wide a text in a file is, in columns.
const FILE_COLUMNS: usize = 120;

const WRITERS: [Writer; 4] = [
    Writer { ending: "html", write: page },
    Writer { ending: "txt", write: lines },
    Writer { ending: "svg", write: picture },
    Writer { ending: "pftrace", write: packets },
];

fn page(recording: &Recording, title: &str) -> Vec<u8> {
    crate::page(recording, title).into_bytes()
}

fn lines(recording: &Recording, _title: &str) -> Vec<u8> {
    text(&Timeline::of(recording), FILE_COLUMNS).into_bytes()
}

fn picture(recording: &Recording, title: &str) -> Vec<u8> {
    svg(&Timeline::of(recording), title).into_bytes()
}

fn packets(recording: &Recording, _title: &str) -> Vec<u8> {
    perfetto(&Timeline::of(recording))
}

extern "C" fn register() {
    WRITERS.into_iter().for_each(register_writer);
}

// SAFETY: both sections are lists of such functions, which the loader calls once, on one thread. `register`
// needs nothing that is set up later: it fills places in a static, and does not panic.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static REGISTER: extern "C" fn() = register;

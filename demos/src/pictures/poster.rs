//! The poster "The life of a future": the events of a run of `brigade hello`, from top to bottom, each with
//! the place in the source that makes it happen.

use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording};
use std::fmt::Write;

/// A step of the life.
struct Step {
    /// Which event it is, the first one after that of the step before.
    is: fn(&Event, Id) -> bool,
    state: &'static str,
    title: &'static str,
    what: &'static str,
    /// The file from the root, and a function in it.
    source: (&'static str, &'static str),
}

const STEPS: [Step; 9] = [
    Step {
        is: |event, task| event.kind == Kind::Spawn && event.subject == task,
        state: "ready",
        title: "Spawned",
        what: "One allocation holds the state word, the result's signal and the future. Nothing runs yet: the task waits in a queue.",
        source: ("runtime/src/task/cell.rs", "new"),
    },
    Step {
        is: |event, task| event.kind == Kind::RunBegin && event.subject == task,
        state: "running",
        title: "Polled for the first time",
        what: "The thread takes the task from its queue and calls poll. The future runs until it must wait: it prints Hello.",
        source: ("runtime/src/executor/current_thread/core.rs", "run"),
    },
    Step {
        is: |event, task| event.kind == Kind::TimerSet && event.by == task,
        state: "running",
        title: "Sets a timer, and leaves its waker there",
        what: "sleep(1 s) puts a deadline and a waker into the timing wheel. The waker is all that the timer knows of the task.",
        source: ("runtime/src/time/wheel.rs", "insert"),
    },
    Step {
        is: |event, task| event.kind == Kind::RunEnd && event.subject == task,
        state: "waiting",
        title: "Suspended",
        what: "poll returns Pending. The future keeps its local variables; it occupies no thread.",
        source: ("runtime/src/task/state.rs", "end"),
    },
    Step {
        is: |event, _| event.kind == Kind::Park,
        state: "waiting",
        title: "The thread sleeps",
        what: "No task is ready, so the thread sleeps in the kernel until a descriptor, or the timer, wakes it.",
        source: ("runtime/src/driver/mod.rs", "sleep"),
    },
    Step {
        is: |event, task| event.kind == Kind::Wake && event.subject == task && event.cause == Cause::Timer,
        state: "ready",
        title: "Woken by its timer",
        what: "The wheel fires the waker. One transition of the state word puts the task into the queue, once, however many wake it.",
        source: ("runtime/src/task/state.rs", "wake"),
    },
    Step {
        is: |event, task| event.kind == Kind::RunBegin && event.subject == task,
        state: "running",
        title: "Polled again",
        what: "The second poll goes on behind the await: it prints World, and is ready.",
        source: ("runtime/src/task/cell.rs", "poll"),
    },
    Step {
        is: |event, task| event.kind == Kind::Complete && event.subject == task,
        state: "done",
        title: "Complete",
        what: "The future is dropped first; then its output takes its place, and the signal says that the result is there.",
        source: ("runtime/src/task/cell.rs", "complete"),
    },
    Step {
        is: |event, task| event.kind == Kind::WaitEnd && event.by == task,
        state: "done",
        title: "Joined",
        what: "The completed signal wakes the one who awaits the handle. It takes the output; the last reference frees the memory.",
        source: ("handle/src/signal.rs", "complete"),
    },
];

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #16191d; } .t { font-size: 26px; font-weight: 700; } .h { font-size: 15px; font-weight: 600; } .f { fill: #5b646e; }
a text { fill: #0072b2; text-decoration: underline; } .back { fill: #fff; } .line { stroke: #d4d9de; stroke-width: 2; }
.ready { fill: #e69f00; } .running { fill: #0072b2; } .waiting { fill: #b9c1c9; } .done { fill: #009e73; }
@media (prefers-color-scheme: dark) { text { fill: #eceff2; } .f { fill: #a3adb7; } a text { fill: #56b4e9; } .back { fill: #14171a; } .line { stroke: #363d44; } .running { fill: #56b4e9; } .waiting { fill: #5b646e; } .done { fill: #22b88f; } }
";

/// Sizes in pixels.
const WIDTH: u32 = 860;
const HEAD: u32 = 86;
const STEP_HEIGHT: u32 = 88;
/// How many letters a line holds.
const LINE_LETTERS: usize = 84;

/// Draws the poster. A step that the recording does not have is left out.
pub(super) fn draw(recording: &Recording) -> String {
    let mut events: Vec<&Event> = recording.segments.iter().flat_map(|part| part.trace.events()).collect();
    events.sort_by_key(|event| event.at);
    let is_task = |event: &&&Event| event.kind == Kind::Spawn && event.subject.domain() == Domain::Task;
    let task = events.iter().find(is_task).map_or(Id::NONE, |event| event.subject);
    let begin = events.iter().find(|event| event.subject == task).map_or(0, |event| event.at);
    let mut found = Vec::new();
    let mut rest = &events[..];
    for step in &STEPS {
        if let Some(place) = rest.iter().position(|event| (step.is)(event, task)) {
            found.push((step, rest[place].at - begin));
            rest = &rest[place + 1..];
        }
    }
    let height = HEAD + STEP_HEIGHT * found.len() as u32 + 20;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">The life of a future</title>\n<desc id=\"d\">{}</desc>\n\
         <style>\n{STYLE}</style>\n<path class=\"back\" d=\"M0 0h{WIDTH}v{height}h-{WIDTH}z\"/>\n\
         <text class=\"t\" x=\"24\" y=\"42\">The life of a future</text>\n\
         <text class=\"f\" x=\"24\" y=\"66\">From a run of brigade hello. Orange: ready; blue: runs; grey: waits; \
         green: done. Times since the spawn.</text>\n",
        found
            .iter()
            .map(|(step, at)| format!("{}: {}.", time(*at), step.title))
            .collect::<Vec<_>>()
            .join(" "),
    );
    for (number, (step, at)) in (0..).zip(&found) {
        draw_step(step, *at, HEAD + STEP_HEIGHT * number, number + 1 == found.len() as u32, &mut out);
    }
    out + "</svg>\n"
}

fn draw_step(step: &Step, at: u64, y: u32, is_last: bool, out: &mut String) {
    let Step { state, title, what, source: (file, function), .. } = step;
    if !is_last {
        let _ = writeln!(out, "<path class=\"line\" d=\"M140 {}v{STEP_HEIGHT}\"/>", y + 14);
    }
    let _ = writeln!(
        out,
        "<circle class=\"{state}\" cx=\"140\" cy=\"{}\" r=\"9\"/>\n<text class=\"f\" x=\"118\" y=\"{}\" \
         text-anchor=\"end\">{}</text>\n<text class=\"h\" x=\"166\" y=\"{}\">{title}</text>",
        y + 14,
        y + 19,
        time(at),
        y + 19,
    );
    let mut line_y = y + 38;
    let mut line = String::new();
    for word in what.split(' ') {
        if line.len() + word.len() > LINE_LETTERS {
            let _ = writeln!(out, "<text x=\"166\" y=\"{line_y}\">{line}</text>");
            line_y += 17;
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    let _ = writeln!(out, "<text x=\"166\" y=\"{line_y}\">{line}</text>");
    let _ = writeln!(
        out,
        "<a href=\"../{file}\"><text x=\"166\" y=\"{}\">{file}::{function}</text></a>",
        line_y + 17
    );
}

fn time(nanos: u64) -> String {
    match nanos {
        0 => "0".into(),
        1..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.6} s", nanos as f64 / 1e9),
    }
}

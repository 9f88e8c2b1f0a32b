//! Marks, locks and circles, processes, merged spans; and other ways to look at a page: links, fingers,
//! paper, the keyboard alone.

use super::{DETAILS, MS, SHOWN, find_place, task};
use crate::devtools::Browser;
use brigade_timeline::{State, Timeline, html, page};
use brigade_trace::{
    Cause, Domain, Event, Id, Kind, Lane, ProcessInfo, Recording, Role, Segment, ThreadTrace, Trace,
};
use serde_json::json;
use std::{env, fs, path::PathBuf, process};

/// The text of a section of the panel.
fn section(browser: &mut Browser, id: &str) -> String {
    browser.text(&format!("document.getElementById('{id}').textContent"))
}

/// A file with a page, which is removed in the end.
pub(super) struct PageFile(pub(super) PathBuf);

impl PageFile {
    pub(super) fn new(name: &str, content: &str) -> Self {
        let path = env::temp_dir().join(format!("brigade-page-{}-{name}.html", process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for PageFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn recording(segments: Vec<Segment>) -> Recording {
    Recording { segments, ..Recording::default() }
}

/// Two workers that cross: each holds a lock and waits for the other's. With `timer`, the first waits for a
/// timer as well, which gets it out. The first is marked before, and cancelled or done in the end.
fn crossed(timer: bool) -> Recording {
    let [knife, board, mark, none] =
        [(Domain::Lock, 5), (Domain::Lock, 6), (Domain::Mark, 7), (Domain::None, 0)]
            .map(|(domain, number)| Id::new(domain, number));
    let (one, other) = (task(1), task(2));
    let mut threads = vec![ThreadTrace::default(), ThreadTrace::default()];
    for (place, me, mine, wanted) in [(0, one, knife, board), (1, other, board, knife)] {
        threads[place].name = format!("worker {place}");
        let they = if place == 0 { other } else { one };
        let mut put = |at: u64, kind, subject, by, cause, detail| {
            threads[place].events.push(Event { at: at * MS, kind, subject, by, cause, detail });
        };
        put(0, Kind::Spawn, me, none, Cause::Unknown, 0);
        put(10, Kind::RunBegin, me, none, Cause::Unknown, 0);
        put(20, Kind::Held, mine, me, Cause::Unknown, 1);
        if place == 0 {
            put(30, Kind::Mark, me, mark, Cause::Unknown, 0);
        }
        put(40, Kind::WaitBegin, me, wanted, Cause::Unlock, 0);
        put(40, Kind::Held, wanted, they, Cause::Unknown, 1);
        if place == 0 && timer {
            put(45, Kind::WaitBegin, me, Id::new(Domain::Timer, 8), Cause::Timer, 0);
        }
        put(50, Kind::RunEnd, me, none, Cause::Unknown, 0);
        if place == 0 && timer {
            put(400, Kind::Wake, me, none, Cause::Timer, 0);
            put(410, Kind::RunBegin, me, none, Cause::Unknown, 0);
            put(420, Kind::Cancel, me, none, Cause::Unknown, 0);
            put(430, Kind::Complete, me, none, Cause::Unknown, 1);
            put(430, Kind::RunEnd, me, none, Cause::Unknown, 1);
        }
        put(500, Kind::Park, Id::new(Domain::Worker, place as u64 + 1), none, Cause::Unknown, 0);
    }
    let mut trace = Trace { threads, ..Trace::default() };
    let labels =
        [(one, "cook"), (other, "baker"), (knife, "knife"), (board, "board"), (mark, "the soup boils")];
    trace.labels.extend(labels.map(|(id, name)| (id, name.to_owned())));
    recording(vec![Segment { trace, ..Segment::default() }])
}

/// The chain below the details, a line each.
fn chain_of(browser: &mut Browser, name: &str, at: u64) -> Vec<String> {
    let place = find_place(browser, name, at);
    browser.click(place);
    browser.until(&format!("document.getElementById('chain')?.textContent.startsWith('{name}')"));
    let chain = "[...document.querySelectorAll('#chain li')].map(item => item.textContent).join(' | ')";
    browser.text(chain).split(" | ").map(str::to_owned).collect()
}

/// The heading over the chain.
const HEADING: &str = "document.getElementById('chain').previousElementSibling.textContent";

pub(super) fn a_deadlock_is_marked_first_and_its_chain_closes(browser: &mut Browser) {
    let file = PageFile::new("deadlock", &page(&crossed(false), "deadlock"));
    browser.show(&file.0, "");
    // The marks come before the longest runs: first the faults, then the others in their order.
    assert_eq!(browser.text("document.querySelector('#worst h2').textContent"), "Marks");
    let marks =
        browser.text("[...document.querySelectorAll('#worst ol')][0].innerText.replaceAll('\\n', ' | ')");
    let marks: Vec<_> = marks.split(" | ").collect();
    assert!(marks[0].contains("cook: deadlock: ") && marks[1].contains("baker: deadlock: "), "{marks:?}");
    assert!(marks[2].contains("30.0 ms cook: the soup boils"), "{marks:?}");
    assert!(section(browser, "notes").contains("waits for lock board, held by baker"), "the note");
    browser.value("document.querySelectorAll('#worst ol')[0].querySelectorAll('button')[2].click()");
    browser.until(&format!("{DETAILS}.startsWith('cook') && brigade.view.now === 30e6"));
    assert!(browser.number(SHOWN) > 500e6, "a moment that is on the screen changes no zoom");
    // After a click in a list, the keys are the timeline's.
    let button = browser.value(
        "(button => { button.scrollIntoView({ block: 'center' }); const box = button.getBoundingClientRect(); \
         return [box.left + 20, box.top + 5]; })(document.querySelector('#worst ol button'))",
    );
    browser.click((button[0].as_f64().unwrap(), button[1].as_f64().unwrap()));
    let chain_begins = "document.getElementById('chain')?.textContent.startsWith";
    browser.until(&format!("document.activeElement.id === 'lanes' && {chain_begins}('cook: waits')"));
    browser.press("Enter");
    browser.until(&format!("{chain_begins}('baker: waits for lock knife')"));
    browser.press("Enter");
    browser.until(&format!("{chain_begins}('cook: waits for lock board')"));
    browser.until("document.getElementById('queues').textContent.includes('2 threads: nothing')");
    let chain = chain_of(browser, "cook", 300);
    assert_eq!(browser.text(HEADING), "A cycle: each waits for the next");
    assert!(chain[0].starts_with("cook: waits for lock board (unlock), held by baker"), "{chain:?}");
    assert!(chain[1].starts_with("baker: waits for lock knife (unlock), held by cook"), "{chain:?}");
    assert_eq!(chain[2..], ["cook: here the circle closes"], "{chain:?}");
    // The row of a lock says who holds it, and Enter leads from there to the holder.
    browser
        .value("brigade.choose(brigade.model.spanAt(brigade.model.rows.name.indexOf('lock board'), 300e6))");
    browser.until(&format!("{DETAILS}.includes('held by baker')"));
    browser.press("Enter");
    browser.until(&format!("{DETAILS}.startsWith('baker') && {DETAILS}.includes('waits for lock knife')"));
}

pub(super) fn a_circle_with_a_timer_is_no_deadlock(browser: &mut Browser) {
    let file = PageFile::new("circle", &page(&crossed(true), "circle"));
    browser.show(&file.0, "");
    assert!(!section(browser, "notes").contains("deadlock"));
    let chain = chain_of(browser, "baker", 300);
    assert!(chain[0].starts_with("baker: waits for lock knife (unlock), held by cook"), "{chain:?}");
    assert!(chain[1].starts_with("cook: waits for timer#8 (timer)"), "what ends it is told: {chain:?}");
    // The cut is a mark of its own, and the mouse finds it.
    let cut = find_place(browser, "cook", 430);
    browser.mouse("mouseMoved", cut);
    browser.until("document.getElementById('tip').textContent.includes('⚑ cancelled')");
}

/// A chef who sends a call to a kitchen of its own.
fn two_kitchens() -> Recording {
    let (call, oven, none) = (Id::new(Domain::Call, 1), Id::new(Domain::Child, 7), Id::NONE);
    let event = |&(at, kind, subject, detail): &(u64, Kind, Id, u64)| Event {
        at: at * MS,
        kind,
        subject,
        by: none,
        cause: Cause::Unknown,
        detail,
    };
    let segment = |role, pid, name: &str, lane, events: &[(u64, Kind, Id, u64)]| {
        let thread = ThreadTrace {
            name: name.into(),
            lane,
            process: pid,
            events: events.iter().map(event).collect(),
            ..ThreadTrace::default()
        };
        let process = ProcessInfo { role, pid, ..ProcessInfo::default() };
        Segment { process, trace: Trace { threads: vec![thread], ..Trace::default() } }
    };
    let chef = segment(
        Role::Parent,
        6,
        "chef",
        Lane::default(),
        &[
            (0, Kind::Fork, oven, 0),
            (5, Kind::Exec, oven, 0),
            (10, Kind::Spawn, call, 0),
            (11, Kind::RunBegin, call, 0),
            (11, Kind::Send, oven, 9),
            (90, Kind::RunEnd, call, 1),
            (90, Kind::Receive, oven, 9),
            (99, Kind::Exit, oven, 0),
        ],
    );
    let baker = [(20, Kind::RunBegin, call, 0), (80, Kind::RunEnd, call, 1)];
    recording(vec![chef, segment(Role::Child, 7, "baker", Lane::Child, &baker)])
}

pub(super) fn a_call_crosses_from_process_to_process(browser: &mut Browser) {
    let file = PageFile::new("processes", &page(&two_kitchens(), "two kitchens"));
    browser.show(&file.0, "");
    let edges = browser.text(
        "(() => { const { edges, rows } = brigade.model; return Array.from({ length: edges.count }, (_, i) => \
         `${edges.kind[i]} ${rows.name[edges.from[i]]} ${rows.name[edges.to[i]]}`).join(' | '); })()",
    );
    let calls = "2 chef baker | 3 baker chef";
    assert_eq!(edges, format!("0 chef child#7 | 1 child#7 chef | {calls} | 4 child#7 chef"));
    // The line of the call is drawn in its colour: between the rows, where nothing else is.
    let is_drawn = "(() => { brigade.paint(); const { view, model, painter, canvas } = brigade, s = view.scale, \
         c = canvas.getContext('2d'), head = view.items.find(item => item.type === 'head' && item.index === 1), \
         y = head.y - view.scroll + view.axis + head.h / 2, from = view.x(11e6), to = view.x(20e6), \
         row = c.getImageData(Math.round(from * s), Math.round(y * s), Math.round((to - from) * s), 1).data, colours = new Set(); \
         for (let i = 0; i < row.length; i += 4) colours.add(`${row[i]} ${row[i + 1]} ${row[i + 2]}`); \
         return colours.size > 1; })()";
    assert_eq!(browser.value(is_drawn), json!(true), "a line crosses the heading");
    browser.value("brigade.chooseUnit([...Array(brigade.model.units.count).keys()].find(unit => brigade.model.idOf(unit) === 'call#1'))");
    let sent = "is sent by chef, begins in the child on baker of process 7 9.00 ms later";
    browser.until(&format!("{DETAILS}.includes('{sent}')"));
    browser
        .until(&format!("{DETAILS}.includes('is answered by baker of process 7, has its answer on chef')"));
    browser.until("document.getElementById('legend').textContent.includes('from one process to another')");
}

/// A merged span says in shares what it stands for.
pub(super) fn merged_spans_tell_their_shares(browser: &mut Browser) {
    let mut timeline = Timeline::of(&crossed(false));
    let merged = timeline.spans.iter().position(|span| span.state == State::Waiting).unwrap();
    timeline.spans[merged].state = State::Merged;
    timeline.spans[merged].shares = [51, 1, 203];
    timeline.notes.push("9 events are more than a page shows.".into());
    let file = PageFile::new("merged", &html(&timeline, "merged"));
    browser.show(&file.0, "");
    browser.value(&format!("brigade.choose({merged})"));
    let shares = "many short spans: 20 % ready, < 1 % running, 80 % waiting";
    browser.until(&format!("{DETAILS}.includes('{shares}')"));
    assert!(section(browser, "notes").contains("more than a page shows"));
    // Without an explanation there is no empty heading for one.
    assert_eq!(browser.value("document.getElementById('why').hidden"), json!(true));
}

/// The address brings back what one looked at, and one that was made up does no harm.
pub(super) fn a_link_leads_to_what_it_was_made_of(browser: &mut Browser) {
    let file = PageFile::new("link", &page(&crossed(false), "link"));
    browser.show(&file.0, "#t=100000000,200000000&now=150000000&unit=1");
    assert_eq!(
        browser.value("[brigade.view.t0, brigade.view.t1, brigade.view.now]"),
        json!([100_000_000, 200_000_000, 150_000_000])
    );
    browser.until(&format!("{DETAILS}.startsWith('baker')"));
    browser.press("d");
    browser.until("location.hash.startsWith('#t=115000000,215000000&now=150000000&unit=1')");
    // A link within an open page.
    browser.value("location.hash = '#t=0,50000000&now=10000000'");
    browser.until("brigade.view.t1 === 5e7 && brigade.view.now === 1e7");
    for wrong in
        ["#t=5,3&now=-1&unit=99&span=1e9&y=-5", "#t=x,y&now=&unit=a", "#%%%", "#now=1e300", "#unit=0.5"]
    {
        browser.show(&file.0, wrong);
        let view =
            browser.value("[brigade.view.t0, brigade.view.t1, brigade.view.now, brigade.model.length]");
        let [t0, t1, now, length] = [0, 1, 2, 3].map(|place| view[place].as_f64().unwrap());
        assert!(t0 < t1 && (0.0..=length).contains(&now), "{wrong}: {view}");
    }
}

pub(super) fn fingers_move_and_spread(browser: &mut Browser) {
    let file = PageFile::new("touch", &page(&crossed(false), "touch"));
    browser.show(&file.0, "");
    browser.call("Emulation.setTouchEmulationEnabled", &json!({ "enabled": true, "maxTouchPoints": 2 }));
    let (x, y) = find_place(browser, "cook", 250);
    let finger = |id: u64, x: f64| json!({ "x": x, "y": y, "id": id });
    let mut touch = |kind: &str, points: serde_json::Value| {
        browser.call("Input.dispatchTouchEvent", &json!({ "type": kind, "touchPoints": points }));
    };
    // Two fingers that part zoom in.
    touch("touchStart", json!([finger(0, x - 20.0), finger(1, x + 20.0)]));
    for apart in [30.0, 50.0, 80.0] {
        touch("touchMove", json!([finger(0, x - apart), finger(1, x + apart)]));
    }
    touch("touchEnd", json!([]));
    browser.until("brigade.view.t1 - brigade.view.t0 < brigade.model.length / 2");
    let begin = browser.number("brigade.view.t0");
    let mut touch = |kind: &str, points: serde_json::Value| {
        browser.call("Input.dispatchTouchEvent", &json!({ "type": kind, "touchPoints": points }));
    };
    // One finger moves.
    touch("touchStart", json!([finger(0, x)]));
    for by in [20.0, 60.0, 100.0] {
        touch("touchMove", json!([finger(0, x - by)]));
    }
    touch("touchEnd", json!([]));
    browser.until(&format!("brigade.view.t0 > {begin} + 1e6"));
    // A tap chooses.
    let (x, y) = find_place(browser, "baker", 300);
    let at = json!([{ "x": x, "y": y, "id": 0 }]);
    browser.call("Input.dispatchTouchEvent", &json!({ "type": "touchStart", "touchPoints": at }));
    browser.call("Input.dispatchTouchEvent", &json!({ "type": "touchEnd", "touchPoints": [] }));
    browser.until(&format!("{DETAILS}.startsWith('baker')"));
    browser.call("Emulation.setTouchEmulationEnabled", &json!({ "enabled": false }));
}

/// On paper a page is light, has no buttons, and shows all of its panel.
pub(super) fn paper_is_light_and_has_no_buttons(browser: &mut Browser) {
    let file = PageFile::new("print", &page(&crossed(false), "print"));
    browser.show(&file.0, "");
    while browser.text("brigade.theme") != "dark" {
        browser.press("t");
    }
    let corner = "Array.from((brigade.paint(), brigade.canvas.getContext('2d').getImageData(2, 2, 1, 1).data)).slice(0, 3)";
    assert_ne!(browser.value(corner), json!([255, 255, 255]));
    let media = |media: &str| json!({ "media": media });
    browser.call("Emulation.setEmulatedMedia", &media("print"));
    browser.until(&format!("{corner}.every(part => part === 255)"));
    for gone in ["zoom-in", "search", "scrub", "minimap", "help-button"] {
        let height = format!("document.getElementById('{gone}').getBoundingClientRect().height");
        assert_eq!(browser.number(&height), 0.0, "{gone}");
    }
    let panel = "(panel => panel.scrollHeight <= panel.clientHeight + 1)(document.getElementById('panel'))";
    assert_eq!(browser.value(panel), json!(true), "nothing of the panel is cut off");
    browser.call("Emulation.setEmulatedMedia", &media("screen"));
    browser.until(&format!("brigade.theme === 'dark' && !{corner}.every(part => part === 255)"));
    let paper = browser.call("Page.printToPDF", &json!({ "printBackground": true }));
    assert!(paper["data"].as_str().unwrap().len() > 10_000, "it can be printed");
    browser.press("t");
}

/// Everything that the mouse reaches, by Tab and Enter; and the focus is seen.
pub(super) fn tab_and_enter_reach_all(browser: &mut Browser) {
    let file = PageFile::new("tab", &page(&crossed(false), "tab"));
    browser.show(&file.0, "");
    let mut seen = Vec::new();
    let focus = "(e => e === document.body ? '' : e.id || e.textContent)(document.activeElement)";
    for _ in 0..60 {
        browser.press("Tab");
        let now = browser.text(focus);
        if now == "lanes" {
            let outline = "getComputedStyle(document.activeElement).outlineStyle";
            assert_eq!(browser.text(outline), "solid", "one sees where the focus is");
        }
        if now.is_empty() || seen.first() == Some(&now) {
            break;
        }
        seen.push(now);
    }
    let all =
        ["search", "goto", "zoom-in", "fit", "theme", "projector", "table-button", "help-button", "lanes"];
    for id in all.into_iter().chain(["step-back", "play", "step", "speed", "scrub"]) {
        assert!(seen.iter().any(|name| name == id), "{id} is not among {seen:?}");
    }
    assert!(seen.iter().any(|name| name.contains("cook: deadlock")), "the lists too: {seen:?}");
    // From the canvas along the circle, and back by the chain's buttons.
    browser.value("brigade.canvas.focus()");
    browser.value("brigade.replay.go(300e6)");
    // The rows of the two workers come first.
    (0..4).for_each(|_| browser.press("j"));
    browser.until(&format!("{DETAILS}.startsWith('baker') && {DETAILS}.includes('waits for lock knife')"));
    browser.press("Enter");
    browser.until(&format!("{DETAILS}.startsWith('cook') && {DETAILS}.includes('waits for lock board')"));
    // The chain's second button. It comes within a round.
    let is_there = |browser: &mut Browser| browser.text(focus).starts_with("baker: waits for lock knife");
    assert!((0..60).any(|_| (browser.press("Tab"), is_there(browser)).1), "the chain has buttons");
    browser.press("Enter");
    browser.until(&format!("{DETAILS}.startsWith('baker')"));
}

//! The page in a real Chromium, opened from disk and used as a person does: by mouse and by keyboard alone.
//!
//! Without a Chromium the test says so and passes; `.ci/run` installs Debian's.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

mod devtools;
mod more;

use brigade_trace::{Cause, Domain, Event, Id, Kind, Recording, ThreadTrace, Trace};
use devtools::Browser;
use more::PageFile;

const MS: u64 = 1_000_000;

fn task(number: u64) -> Id {
    Id::new(Domain::Task, number)
}

/// Three tasks on one worker: `cook` holds the knife, `baker` waits for it, and `guest` joins the baker.
fn kitchen() -> Recording {
    let knife = Id::new(Domain::Lock, 9);
    let mut events = Vec::new();
    let mut put = |at: u64, kind, subject, by, cause, detail| {
        events.push(Event { at: at * MS, kind, subject, by, cause, detail });
    };
    let (cook, baker, guest, none) = (task(1), task(2), task(3), Id::NONE);
    for work in [cook, baker, guest] {
        put(0, Kind::Spawn, work, none, Cause::Unknown, 1);
    }
    put(10, Kind::RunBegin, cook, none, Cause::Unknown, 0);
    put(15, Kind::Held, knife, cook, Cause::Unknown, 1);
    put(20, Kind::TimerSet, none, cook, Cause::Unknown, 0);
    put(30, Kind::RunEnd, cook, none, Cause::Unknown, 0);
    put(40, Kind::RunBegin, baker, none, Cause::Unknown, 0);
    put(50, Kind::WaitBegin, baker, knife, Cause::Unlock, 2);
    put(60, Kind::RunEnd, baker, none, Cause::Unknown, 0);
    put(70, Kind::RunBegin, guest, none, Cause::Unknown, 0);
    put(75, Kind::WaitBegin, guest, baker, Cause::Join, 2);
    put(80, Kind::RunEnd, guest, none, Cause::Unknown, 0);
    put(500, Kind::Wake, cook, none, Cause::Timer, 0);
    put(510, Kind::RunBegin, cook, none, Cause::Unknown, 0);
    put(520, Kind::Released, knife, cook, Cause::Unknown, 1);
    put(521, Kind::Wake, baker, cook, Cause::Unlock, 0);
    put(600, Kind::RunEnd, cook, none, Cause::Unknown, 1);
    put(700, Kind::RunBegin, baker, none, Cause::Unknown, 0);
    put(701, Kind::WaitEnd, baker, knife, Cause::Unlock, 0);
    put(800, Kind::Wake, guest, baker, Cause::Join, 0);
    put(810, Kind::RunEnd, baker, none, Cause::Unknown, 1);
    put(900, Kind::RunBegin, guest, none, Cause::Unknown, 0);
    put(901, Kind::WaitEnd, guest, baker, Cause::Join, 0);
    put(1000, Kind::RunEnd, guest, none, Cause::Unknown, 1);
    let thread = ThreadTrace { name: "worker 0".into(), events, ..ThreadTrace::default() };
    let mut trace = Trace { threads: vec![thread], ..Trace::default() };
    trace.labels.extend([(cook, "cook".into()), (baker, "baker".into()), (guest, "guest".into())]);
    trace.labels.insert(knife, "knife".into());
    trace.sites.extend([(1, "kitchen.rs:4:9".into()), (2, "kitchen.rs:7:5".into())]);
    Recording::from(trace)
}

/// The middle of a span on the screen: that of this unit at this time.
fn find_place(browser: &mut Browser, name: &str, at: u64) -> (f64, f64) {
    let find = format!(
        "(() => {{ const app = brigade, {{ view, model }} = app, unit = [...Array(model.units.count).keys()].find(unit => model.nameOf(unit) === '{name}'); \
         const box = app.canvas.getBoundingClientRect(), row = model.units.row[unit]; \
         return [box.left + view.x({at}), box.top + view.axis - view.scroll + view.rowY.get(row) + view.rowHeight / 2]; }})()",
        at = at * MS
    );
    let place = browser.value(&find);
    (place[0].as_f64().unwrap(), place[1].as_f64().unwrap())
}

const SHOWN: &str = "brigade.view.t1 - brigade.view.t0";
const DETAILS: &str = "document.getElementById('details').textContent";

/// The longest runs and waits are on the screen from the begin, and the replay's state is not yet.
fn the_worst_come_first(browser: &mut Browser) {
    let order = browser.text(
        "[...document.querySelectorAll('#panel section')].filter(part => part.offsetHeight > 0).map(part => part.id).join(' ')",
    );
    assert_eq!(order, "sentence details worst why legend");
    let first = browser.text("document.querySelector('#worst li').textContent");
    assert_eq!(first, "110.0 ms baker", "the longest run");
    let top = browser.number("document.getElementById('worst').getBoundingClientRect().top");
    assert!(top < 300.0, "{top} pixels from the top");
}

fn zooms_and_pans(browser: &mut Browser) {
    let all = browser.number(SHOWN);
    let (x, y) = find_place(browser, "cook", 500);
    browser.wheel((x, y), -300.0, 2);
    browser.until(&format!("{SHOWN} < {all} / 1.5"));
    let zoomed = browser.number(SHOWN);
    for (key, is_narrower) in [("w", true), ("s", false)] {
        let before = browser.number(SHOWN);
        browser.press(key);
        let after = browser.number(SHOWN);
        assert_eq!(after < before, is_narrower, "{key}: {before} to {after}");
    }
    assert!((browser.number(SHOWN) - zoomed).abs() < 10.0);
    let before = browser.number("brigade.view.t0");
    browser.press("d");
    assert!(browser.number("brigade.view.t0") > before);
    browser.press("ArrowLeft");
    let back = browser.number("brigade.view.t0");
    assert!((back - before).abs() < 10.0, "{before} {back}");
    browser.mouse("mousePressed", (x, y));
    browser.mouse("mouseDragged", (x + 100.0, y));
    browser.until(&format!("brigade.view.t0 < {back} - 1e6"));
    browser.mouse("mouseReleased", (x + 100.0, y));
    browser.press("f");
    assert!(browser.number(SHOWN) >= 1000.0 * MS as f64);
}

fn a_click_and_the_chain(browser: &mut Browser) {
    let guest = find_place(browser, "guest", 300);
    browser.mouse("mouseMoved", guest);
    browser.until("!document.getElementById('tip').hidden");
    let tip = browser.text("document.getElementById('tip').textContent");
    for word in [
        "guest",
        "waits for baker (join)",
        "at kitchen.rs:7:5",
        "woken by baker",
        "spawned at kitchen.rs:4:9",
    ] {
        assert!(tip.contains(word), "{word} is not in {tip}");
    }
    browser.click(guest);
    browser.until("document.getElementById('chain') !== null");
    let chain =
        browser.text("[...document.querySelectorAll('#chain li')].map(item => item.textContent).join(' | ')");
    let links: Vec<_> = chain.split(" | ").collect();
    assert_eq!(links.len(), 3, "{chain}");
    assert!(links[0].starts_with("guest: waits for baker"), "{chain}");
    assert!(links[1].starts_with("baker: waits for lock knife (unlock), held by cook"), "{chain}");
    assert!(links[2].starts_with("cook: waits (timer)") || links[2].starts_with("cook: waits"), "{chain}");
    browser.value("document.querySelectorAll('#chain button')[2].click()");
    browser.until(&format!("{DETAILS}.startsWith('cook')"));
}

fn where_the_time_went(browser: &mut Browser) {
    // A sentence stands above all lists, and its parts below them.
    let sentence = browser.text("document.getElementById('sentence').textContent");
    assert!(sentence.starts_with("worker 0, 1.000 s: "), "{sentence}");
    let why = browser.text("document.getElementById('why').textContent");
    assert!(why.starts_with("Where the time went") && why.contains("1.000 s running (100.0 %)"), "{why}");
    let guest = find_place(browser, "guest", 300);
    browser.click(guest);
    let sentence = "1.000 s: 440.0 ms waiting for lock knife, held by cook, 350.0 ms ready but not yet run, 210.0 ms CPU.";
    browser.until(&format!("{DETAILS}.includes('{sentence}')"));
}

fn the_keyboard_alone(browser: &mut Browser) {
    browser.press("Escape");
    browser.press("Escape");
    browser.until(&format!("{DETAILS}.includes('Nothing is chosen')"));
    browser.press("g");
    browser.press("Escape");
    // From the top: the thread's last run before this moment, then the tasks in their order, which all wait.
    browser.value("brigade.replay.go(300e6)");
    for name in ["guest", "cook", "baker", "guest"] {
        browser.press("j");
        browser.until(&format!("{DETAILS}.startsWith('{name}')"));
    }
    for name in ["baker", "cook"] {
        browser.press("Enter");
        browser.until(&format!("{DETAILS}.startsWith('{name}')"));
    }
    browser.press("]");
    browser.until(&format!("{DETAILS}.includes('ready, not yet run')"));
    browser.press("/");
    browser.type_text("baker");
    browser.press("Enter");
    browser.until(&format!("{DETAILS}.startsWith('baker')"));
    assert_eq!(browser.text("document.querySelector('#found h2').textContent"), "1 found");
    browser.press("Escape");
    browser.press("g");
    browser.type_text("700 ms");
    browser.press("Enter");
    browser.until("brigade.view.now === 700e6");
    browser.press("?");
    browser.until("document.getElementById('help').textContent.includes('zoom in and out')");
    browser.press("?");
    browser.until("document.getElementById('help').hidden");
    browser.press("f");
}

fn the_replay(browser: &mut Browser) {
    browser.value("brigade.replay.go(0)");
    browser.until("document.getElementById('queues').textContent.includes('spawned, not yet run (3)')");
    let queue = browser
        .text("[...document.querySelectorAll('#queues ol button')].map(item => item.textContent).join(' ')");
    assert_eq!(queue, "cook baker guest");
    browser.press(".");
    browser.until("brigade.view.now === 10e6");
    browser.until("document.getElementById('queues').textContent.includes('worker 0: cook')");
    browser.press(",");
    browser.until("brigade.view.now === 0");
    browser.value("(() => { const scrub = document.getElementById('scrub'); scrub.value = 5150; scrub.dispatchEvent(new Event('input')); })()");
    browser.until(
        "brigade.view.now === 515e6 && document.getElementById('moment').textContent.startsWith('515.0 ms')",
    );
    browser.value("(() => { const speed = document.getElementById('speed'); speed.value = '10'; speed.dispatchEvent(new Event('change')); })()");
    browser.press(" ");
    browser.until("brigade.view.now === brigade.model.length && !brigade.replay.isPlaying");
}

fn the_address_and_the_other_views(browser: &mut Browser) {
    let cook = find_place(browser, "cook", 550);
    browser.click(cook);
    browser.until("location.hash.includes('unit=0')");
    let address = browser.text("location.hash");
    browser.reload();
    browser.until("brigade.view.unit === 0");
    browser.until(&format!("location.hash === '{address}'"));
    browser.value("document.getElementById('table-button').click()");
    let table = browser.text("document.querySelector('#table-view table').textContent");
    assert!(table.contains("waits for lock knife (unlock), held by cook, at kitchen.rs:7:5"), "{table}");
    browser.value("document.getElementById('table-button').click()");
    browser.press("p");
    browser.until("document.documentElement.classList.contains('projector')");
    browser.press("t");
    browser.press("t");
    browser.press("p");
    browser.until("!document.documentElement.classList.contains('projector')");
    let worst = browser.text("document.getElementById('worst').textContent");
    assert!(worst.contains("Longest waits") && worst.contains("guest"), "{worst}");
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(program) = devtools::find() else {
        println!("browser: skipped: there is no chromium in PATH");
        return;
    };
    let page = PageFile::new("kitchen", &brigade_timeline::page(&kitchen(), "kitchen <test>"));
    let mut browser = Browser::open(&program, &page.0, (1280, 800));
    the_worst_come_first(&mut browser);
    assert_eq!(browser.text("document.title"), "kitchen <test>");
    assert_eq!(browser.text("location.protocol"), "file:");
    zooms_and_pans(&mut browser);
    a_click_and_the_chain(&mut browser);
    where_the_time_went(&mut browser);
    the_keyboard_alone(&mut browser);
    the_replay(&mut browser);
    the_address_and_the_other_views(&mut browser);
    more::a_deadlock_is_marked_first_and_its_chain_closes(&mut browser);
    more::a_circle_with_a_timer_is_no_deadlock(&mut browser);
    more::a_call_crosses_from_process_to_process(&mut browser);
    more::merged_spans_tell_their_shares(&mut browser);
    more::a_link_leads_to_what_it_was_made_of(&mut browser);
    more::fingers_move_and_spread(&mut browser);
    more::paper_is_light_and_has_no_buttons(&mut browser);
    more::tab_and_enter_reach_all(&mut browser);
    assert_eq!(browser.errors, [""; 0]);
}

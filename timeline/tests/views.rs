//! The static picture and the file for Perfetto: they are well-formed, and they say what the timeline says.

// A test fails by panicking, in what it calls as well.
#![allow(clippy::unwrap_used)]

use brigade_timeline::{Timeline, perfetto, svg};
use brigade_trace::{
    Cause, Domain, Event, Id, Kind, Lane, ProcessInfo, Recording, Role, Segment, ThreadTrace, Trace,
};

/// The cook holds the knife and sleeps; the baker waits for the knife. A mark, and a depth.
fn kitchen() -> Timeline {
    let (cook, baker, knife) = (Id::new(Domain::Task, 1), Id::new(Domain::Task, 2), Id::new(Domain::Lock, 3));
    let (mark, queue, none) = (Id::new(Domain::Mark, 4), Id::new(Domain::Queue, 5), Id::NONE);
    let mut events = Vec::new();
    let mut put = |at: u64, kind, subject, by, cause, detail| {
        events.push(Event { at: at * 1_000_000, kind, subject, by, cause, detail });
    };
    put(0, Kind::Spawn, cook, none, Cause::Unknown, 0);
    put(0, Kind::Spawn, baker, none, Cause::Unknown, 0);
    put(10, Kind::RunBegin, cook, none, Cause::Unknown, 0);
    put(12, Kind::Held, knife, cook, Cause::Unknown, 1);
    put(15, Kind::Mark, cook, mark, Cause::Unknown, 0);
    put(30, Kind::RunEnd, cook, none, Cause::Unknown, 0);
    put(40, Kind::RunBegin, baker, none, Cause::Unknown, 0);
    put(50, Kind::WaitBegin, baker, knife, Cause::Unlock, 0);
    put(50, Kind::Held, knife, cook, Cause::Unknown, 1);
    put(60, Kind::RunEnd, baker, none, Cause::Unknown, 0);
    put(70, Kind::QueueDepth, queue, none, Cause::Unknown, 2);
    put(100, Kind::RunBegin, cook, none, Cause::Unknown, 0);
    put(120, Kind::Released, knife, cook, Cause::Unknown, 1);
    put(120, Kind::Wake, baker, cook, Cause::Unlock, 0);
    put(130, Kind::RunEnd, cook, none, Cause::Unknown, 1);
    put(140, Kind::RunBegin, baker, none, Cause::Unknown, 0);
    put(150, Kind::RunEnd, baker, none, Cause::Unknown, 1);
    let thread = ThreadTrace { name: "worker <0>".into(), events, dropped: 3, ..ThreadTrace::default() };
    let mut trace = Trace { threads: vec![thread], ..Trace::default() };
    let labels = [(cook, "cook"), (baker, "baker & son"), (knife, "knife"), (mark, "the soup boils")];
    trace.labels.extend(labels.map(|(id, name)| (id, name.to_owned())));
    Timeline::of(&Recording::from(trace))
}

#[test]
fn a_picture_shows_names_waits_marks_and_what_is_missing() {
    let picture = svg(&kitchen(), "kitchen");
    for part in [
        "<title id=\"t\">kitchen</title>",
        ">⚠ worker &lt;0&gt;<",
        ">baker &amp; son<",
        "the soup boils",
        "until unlock, for lock knife, held by cook",
        "locks, by holder (1)",
        "depth of queue#5: at most 2",
        "3 events of the thread worker &lt;0&gt; are missing",
        "@media (prefers-color-scheme: dark)",
        "role=\"img\" aria-labelledby=\"t d\"",
    ] {
        assert!(picture.contains(part), "{part} is not in\n{picture}");
    }
    // It is well-formed: each element that is opened is closed, in order.
    let mut open = Vec::new();
    for tag in picture.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap()),
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_picture_of_many_tasks_stays_small() {
    let mut events = Vec::new();
    for number in 0..100_000_u64 {
        let task = Id::new(Domain::Task, number + 1);
        let mut put = |at, kind, detail| {
            events.push(Event { at, kind, subject: task, by: Id::NONE, cause: Cause::Unknown, detail });
        };
        put(number * 100, Kind::Spawn, 0);
        put(number * 100 + 20, Kind::RunBegin, 0);
        put(number * 100 + 90, Kind::RunEnd, 1);
    }
    let thread = ThreadTrace { events, ..ThreadTrace::default() };
    let timeline = Timeline::of(&Recording::from(Trace { threads: vec![thread], ..Trace::default() }));
    let picture = svg(&timeline, "many");
    assert!(picture.len() < 200_000, "{} bytes", picture.len());
}

/// A call that a child runs, a call to a child that records nothing, and the end of the first child.
fn two_kitchens() -> Recording {
    let [oven, far] = [7, 8].map(|pid| Id::new(Domain::Child, pid));
    let [bread, cake] = [1, 2].map(|call| Id::new(Domain::Call, call));
    let events = |list: &[(u64, Kind, Id)]| {
        let event = |&(at, kind, subject)| Event {
            at: at * 1_000_000,
            kind,
            subject,
            by: Id::NONE,
            cause: Cause::Unknown,
            detail: u64::from(kind == Kind::RunEnd),
        };
        list.iter().map(event).collect::<Vec<_>>()
    };
    let chef = events(&[
        (1, Kind::Fork, oven),
        (2, Kind::Exec, oven),
        (3, Kind::Fork, far),
        (4, Kind::Exec, far),
        (10, Kind::Spawn, bread),
        (10, Kind::Spawn, cake),
        (11, Kind::RunBegin, bread),
        (11, Kind::Send, oven),
        (13, Kind::RunBegin, cake),
        (13, Kind::Send, far),
        (60, Kind::RunEnd, cake),
        (60, Kind::Receive, far),
        (90, Kind::RunEnd, bread),
        (90, Kind::Receive, oven),
        (99, Kind::Exit, oven),
    ]);
    let baker = events(&[(20, Kind::RunBegin, bread), (80, Kind::RunEnd, bread)]);
    let thread = |name: &str, lane, process, events| ThreadTrace {
        name: name.into(),
        lane,
        process,
        events,
        ..ThreadTrace::default()
    };
    let segment = |role, pid, thread| Segment {
        process: ProcessInfo { role, pid, ..ProcessInfo::default() },
        trace: Trace { threads: vec![thread], ..Trace::default() },
    };
    let parent = segment(Role::Parent, 6, thread("chef", Lane::default(), 6, chef));
    let child = segment(Role::Child, 7, thread("baker", Lane::Child, 7, baker));
    let mut recording = Recording::default();
    recording.segments.extend([parent, child]);
    recording
}

#[test]
fn edges_lead_from_the_lane_that_sends_to_the_lane_that_runs() {
    let timeline = Timeline::of(&two_kitchens());
    let name = |row: u32| timeline.rows[row as usize].name.as_str();
    let told: Vec<_> = timeline
        .edges
        .iter()
        .map(|edge| {
            let unit = timeline.name(&timeline.units[edge.unit.get().unwrap()]);
            let [begin, end] = [edge.begin, edge.end].map(|at| (at / 1_000_000) + 1);
            format!("{unit} {}: {begin} {} to {end} {}", edge.kind.ends().0, name(edge.from), name(edge.to))
        })
        .collect();
    assert_eq!(
        told,
        [
            "child#7 is forked: 1 chef to 1 child#7",
            "child#7 runs the program: 2 child#7 to 2 chef",
            "child#8 is forked: 3 chef to 3 child#8",
            "child#8 runs the program: 4 child#8 to 4 chef",
            "call#1 is sent: 11 chef to 20 baker",
            "call#2 is sent: 13 chef to 13 child#8",
            "call#2 is answered: 60 child#8 to 60 chef",
            "call#1 is answered: 80 baker to 90 chef",
            "child#7 ended: 99 child#7 to 99 chef",
        ]
    );
    let picture = svg(&timeline, "two kitchens");
    assert_eq!(picture.matches("class=\"e\"").count(), 9 + 1, "the edges and the legend");
    let headings: Vec<_> = timeline.groups.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(headings, ["threads", "threads of worker process 7", "child processes", "calls"]);
    let file = perfetto(&timeline);
    let text = String::from_utf8_lossy(&file);
    for words in ["call#1 is sent", "call#1 begins in the child", "child#7 is reaped"] {
        assert!(text.contains(words), "{words}");
    }
}

/// A field of a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte < 0x80 {
            return number;
        }
    }
}

/// Decodes a message, by the rules of protobuf and not by our encoder.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Number(u64::from_le_bytes(number.try_into().unwrap()))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(content)
            }
            other => panic!("no field has the type {other}"),
        };
        found.push((key >> 3, field));
    }
    found
}

fn number(message: &[(u64, Field<'_>)], field: u64) -> Option<u64> {
    message.iter().find_map(|found| match found {
        (number, Field::Number(value)) if *number == field => Some(*value),
        _ => None,
    })
}

fn bytes<'a>(message: &[(u64, Field<'a>)], field: u64) -> Option<&'a [u8]> {
    message.iter().find_map(|found| match found {
        (number, Field::Bytes(value)) if *number == field => Some(*value),
        _ => None,
    })
}

fn text<'a>(message: &[(u64, Field<'a>)], field: u64) -> &'a str {
    std::str::from_utf8(bytes(message, field).unwrap_or_default()).unwrap()
}

/// The numbers of the fields are those that Perfetto's `trace_packet.proto`, `track_descriptor.proto` and
/// `track_event.proto` have.
#[test]
fn a_file_for_perfetto_has_tracks_slices_flows_and_counters() {
    let file = perfetto(&kitchen());
    let packets: Vec<_> = fields(&file)
        .into_iter()
        .map(|(field, content)| match (field, content) {
            (1, Field::Bytes(bytes)) => fields(bytes),
            other => panic!("a trace holds packets only, and not {other:?}"),
        })
        .collect();
    assert!(packets.iter().all(|packet| number(packet, 10) == Some(1)), "each is of the sequence 1");
    assert_eq!(number(&packets[0], 13), Some(1), "the first says that the state is cleared");
    let tracks: Vec<_> = packets.iter().filter_map(|packet| bytes(packet, 60)).map(fields).collect();
    let uuids: Vec<_> = tracks.iter().map(|track| number(track, 1).unwrap()).collect();
    for track in &tracks {
        assert!(number(track, 5).is_none_or(|parent| uuids.contains(&parent)), "{track:?} has no parent");
    }
    let threads: Vec<_> = tracks.iter().filter_map(|track| bytes(track, 4)).map(fields).collect();
    assert_eq!(threads.iter().map(|thread| text(thread, 5)).collect::<Vec<_>>(), ["worker <0>"]);
    assert!(tracks.iter().any(|track| text(track, 2) == "depth of queue#5" && bytes(track, 8).is_some()));
    let events: Vec<_> =
        packets.iter().filter_map(|packet| Some((number(packet, 8)?, fields(bytes(packet, 11)?)))).collect();
    assert!(events.iter().all(|(_, event)| uuids.contains(&number(event, 11).unwrap())));
    // On each track, slices begin and end by turns.
    for uuid in &uuids {
        let of_track = events.iter().filter(|(_, event)| number(event, 11) == Some(*uuid));
        let slices: Vec<_> = of_track.filter(|(_, event)| matches!(number(event, 9), Some(1 | 2))).collect();
        for pair in slices.chunks(2) {
            let kinds = [number(&pair[0].1, 9), number(&pair[1].1, 9)];
            assert!(kinds == [Some(1), Some(2)] && pair[0].0 <= pair[1].0, "{pair:?}");
        }
    }
    let wait = events.iter().find(|(_, event)| text(event, 23) == "waits for lock knife").unwrap();
    let notes: Vec<_> = wait.1.iter().filter(|field| field.0 == 4).collect();
    let notes: Vec<_> = notes
        .iter()
        .map(|(_, note)| match note {
            Field::Bytes(note) => (text(&fields(note), 10), text(&fields(note), 6)),
            Field::Number(_) => panic!("a note is a message"),
        })
        .collect();
    assert!(notes.contains(&("held by", "cook")) && notes.contains(&("unit", "baker & son")), "{notes:?}");
    let wakes = events.iter().find(|(_, event)| text(event, 23) == "wakes baker & son").unwrap();
    let ready = events.iter().find(|(at, event)| *at == wakes.0 && text(event, 22) == "ready").unwrap();
    assert_eq!(number(&wakes.1, 47), number(&ready.1, 48), "the flow leads to the ready slice");
    assert!(events.iter().any(|(_, event)| number(event, 9) == Some(4) && number(event, 30) == Some(2)));
    assert!(events.iter().any(|(_, event)| text(event, 23) == "the soup boils"));
}

//! Marks: what the program marked, work that failed or was cancelled, and cycles of waits.

use crate::model::{Link, Mark, Outcome, Timeline};

/// This many steps of a path are followed.
pub(super) const CYCLE_MAX: usize = 64;
/// This many cycles are told.
pub(super) const CYCLES_MAX: usize = 8;
/// This many marks are shown: the first ones.
const MARKS_MAX: usize = 20_000;

/// Says who waits for whom: "deadlock: A waits for lock x, held by B; B waits for …".
pub(super) fn cycle<'a>(
    links: &[(Link, Link)],
    name: impl Fn(Link) -> String,
    resource: impl Fn(Link) -> &'a str,
) -> String {
    let holder = |place: usize| name(links[(place + 1) % links.len()].0);
    let says = |(place, &(unit, wanted)): (usize, &(Link, Link))| {
        format!("{} waits for {}, held by {}", name(unit), resource(wanted), holder(place))
    };
    format!("deadlock: {}", links.iter().enumerate().map(says).collect::<Vec<_>>().join("; "))
}

/// Adds the marks of work that failed or was cancelled, and puts all marks into the rows of their units.
pub(super) fn finish(timeline: &mut Timeline) {
    let ended = [(Outcome::Failed, "failed", true), (Outcome::Cancelled, "cancelled", false)];
    for (outcome, text, is_fault) in ended {
        let units = (0..).zip(&timeline.units).filter(|(_, unit)| unit.outcome == outcome);
        let mark = |(index, unit): (usize, &crate::Unit)| Mark {
            at: unit.end,
            row: 0,
            unit: Link::to(index),
            text: Link::to(timeline.texts.len()),
            is_fault,
        };
        let mut marks: Vec<Mark> = units.map(mark).collect();
        if !marks.is_empty() {
            timeline.texts.push(text.into());
            timeline.marks.append(&mut marks);
        }
    }
    timeline.marks.retain(|mark| mark.unit != Link::NONE);
    timeline.marks.sort_by_key(|mark| mark.at);
    if timeline.marks.len() > MARKS_MAX {
        timeline.notes.push(format!("Of {} marks, the first {MARKS_MAX} are shown.", timeline.marks.len()));
        timeline.marks.truncate(MARKS_MAX);
    }
    for mark in &mut timeline.marks {
        mark.row = mark.unit.get().map_or(0, |unit| timeline.units[unit].row);
    }
    timeline.marks.sort_by_key(|mark| (mark.row, mark.at));
}

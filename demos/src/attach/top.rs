//! `brigade top`: workers, tasks by the place that spawned them, queues and children, each second anew.

use crate::{
    scenario::{CommandError, Exit},
    show::Screen,
};
use brigade_trace::live::{Node, Snapshot, State, WaitGraph};
use ratatui::{
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    style::{Modifier, Style},
    text::Line,
    widgets::Paragraph,
};
use std::{collections::BTreeMap, time::Duration};

/// How often the program is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// The exit code that a shell reports for Ctrl-C.
const CTRL_C: Exit = Exit(130);
/// The columns before a place.
const COUNTS_COLUMNS: usize = 38;
/// A terminal with fewer columns has no room for places beside counts.
const NARROW: usize = 64;
/// The places that are shown, the busiest ones.
const PLACES_MAX: usize = 20;

/// Shows the program on the terminal until a key ends it, or the program has ended.
pub(super) fn run(process: u32, mut snapshot: Snapshot) -> Result<Exit, CommandError> {
    let no_screen = |error| CommandError::failed("cannot use the terminal", error);
    let mut screen = Screen::open().map_err(no_screen)?;
    loop {
        let draw = |frame: &mut ratatui::Frame<'_>| {
            let width = frame.area().width.into();
            let (keys, strong) = ("q: quit", Style::new().add_modifier(Modifier::BOLD));
            let lines = lines(&snapshot, width).into_iter().chain([String::new(), keys.into()]);
            let is_head = |line: &str| line.ends_with(':') || line.starts_with(&snapshot.program);
            let styled = lines.map(|line| match is_head(&line) {
                true => Line::styled(line, strong),
                false => Line::raw(line),
            });
            frame.render_widget(Paragraph::new(styled.collect::<Vec<_>>()), frame.area());
        };
        screen.terminal.draw(draw).map_err(no_screen)?;
        if event::poll(INTERVAL).map_err(no_screen)? {
            match event::read().map_err(no_screen)? {
                Event::Key(key) if key.kind == KeyEventKind::Release => {}
                Event::Key(key) => match key.code {
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(CTRL_C),
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(Exit::SUCCESS),
                    _ => {}
                },
                _ => {}
            }
        }
        snapshot = super::snapshot(process)?;
    }
}

/// Returns the lines of the view, each at most `width` columns.
pub(super) fn lines(snapshot: &Snapshot, width: usize) -> Vec<String> {
    let graph = &snapshot.graph;
    let count = |state| graph.nodes.iter().filter(|node| node.state == state).count();
    let [runs, ready, waits] = [State::Runs, State::Ready, State::Waits].map(count);
    let mut lines = vec![
        format!("{} (process {})", snapshot.program, snapshot.process),
        format!("{runs} running, {ready} ready, {waits} waiting"),
    ];
    section(&mut lines, "Workers:", workers(graph));
    section(&mut lines, "Tasks by the place that spawned them:", places(graph, width));
    let queues = graph.queues.iter().map(|(id, depth)| format!("  {depth:>6}  {id}")).collect();
    section(&mut lines, "Queues:", queues);
    let child = |(id, since): &(_, u64)| {
        format!("  {id}, for {} s", graph.now.saturating_sub(*since) / 1_000_000_000)
    };
    section(&mut lines, "Children:", graph.children.iter().map(child).collect());
    let stuck = graph.classify();
    let report = stuck
        .iter()
        .flat_map(|stuck| graph.report(stuck).lines().map(|line| format!("  {line}")).collect::<Vec<_>>());
    section(&mut lines, "Stuck:", report.collect());
    lines.iter_mut().for_each(|line| cut(line, width));
    lines
}

fn section(lines: &mut Vec<String>, title: &str, rows: Vec<String>) {
    if !rows.is_empty() {
        lines.extend([String::new(), title.into()]);
        lines.extend(rows);
    }
}

fn workers(graph: &WaitGraph) -> Vec<String> {
    let row = |lane: &brigade_trace::live::LaneState| {
        let what = match (lane.is_parked, graph.nodes.iter().find(|node| node.id == lane.runs)) {
            (_, Some(node)) => graph.name_of(node.id),
            (true, None) => "asleep".into(),
            (false, None) => "awake".into(),
        };
        format!("  {:<20} {what}", lane.name)
    };
    graph.lanes.iter().filter(|lane| lane.lane != brigade_trace::Lane::Thread).map(row).collect()
}

/// The agents that were spawned at one place.
#[derive(Default)]
struct Place {
    runs: usize,
    ready: usize,
    waits: usize,
    /// The longest wait, in nanoseconds.
    longest: u64,
}

fn places(graph: &WaitGraph, width: usize) -> Vec<String> {
    let mut places: BTreeMap<&str, Place> = BTreeMap::new();
    let at = |node: &Node| node.spawned_at.is_some();
    for node in graph.nodes.iter().filter(|node| at(node)) {
        let place = places.entry(node.spawned_at.as_deref().unwrap_or_default()).or_default();
        match node.state {
            State::Runs => place.runs += 1,
            State::Ready => place.ready += 1,
            State::Waits => place.waits += 1,
        }
        let first = graph.edges.partition_point(|edge| edge.waiter < node.id);
        let own = graph.edges[first..].iter().take_while(|edge| edge.waiter == node.id);
        let longest = own.map(|edge| graph.now.saturating_sub(edge.since)).max();
        place.longest = place.longest.max(longest.unwrap_or(0));
    }
    if places.is_empty() {
        return Vec::new();
    }
    let mut rows: Vec<_> = places.into_iter().collect();
    rows.sort_by_key(|(_, place)| std::cmp::Reverse(place.runs + place.ready + place.waits));
    let left_out = rows.len().saturating_sub(PLACES_MAX);
    rows.truncate(PLACES_MAX);
    let head = "    runs   ready   waits   longest  place".to_owned();
    let row = |(at, place): (&str, Place)| {
        let Place { runs, ready, waits, longest } = place;
        // Where there is no room beside the counts, the place stands below them.
        let at = if width < NARROW {
            format!("\n      {}", end_of(at, width.saturating_sub(6)))
        } else {
            end_of(at, width.saturating_sub(COUNTS_COLUMNS))
        };
        format!(
            "  {runs:>6}  {ready:>6}  {waits:>6}  {:>6}.{} s  {at}",
            longest / 1_000_000_000,
            longest / 100_000_000 % 10
        )
    };
    let more = (left_out > 0).then(|| format!("  … and {left_out} more places"));
    let rows = std::iter::once(head).chain(rows.into_iter().map(row)).chain(more);
    rows.flat_map(|row| row.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()).collect()
}

/// Returns the end of a path, which has the file and the line, with a mark for what is left out.
fn end_of(path: &str, width: usize) -> String {
    let count = path.chars().count();
    if count <= width {
        return path.to_owned();
    }
    let left_out = count + 1 - width.max(1);
    std::iter::once('…').chain(path.chars().skip(left_out)).collect()
}

/// Cuts a line that is too wide, and marks the cut.
fn cut(line: &mut String, width: usize) {
    if let Some((at, _)) = line.char_indices().nth(width) {
        let before = line[..at].char_indices().next_back().map_or(0, |(at, _)| at);
        line.truncate(before);
        line.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_trace::{Domain, Id, Lane, live::LaneState};

    #[test]
    fn places_and_workers_are_counted_and_cut_to_the_width() {
        let task = |number, state| Node {
            id: Id::new(Domain::Task, number),
            spawned_at: Some("src/kitchen.rs:10".into()),
            state,
            ..Node::default()
        };
        let lane =
            LaneState { name: "cook-0".into(), lane: Lane::Runtime, is_parked: true, ..LaneState::default() };
        let graph = WaitGraph {
            nodes: vec![task(1, State::Runs), task(2, State::Waits), task(3, State::Waits)],
            lanes: vec![lane],
            ..WaitGraph::default()
        };
        let snapshot = Snapshot { process: 9, program: "kitchen".into(), graph };
        let shown = lines(&snapshot, 80);
        assert!(shown.contains(&"  cook-0               asleep".to_owned()), "{shown:?}");
        assert!(
            shown.contains(&"       1       0       2       0.0 s  src/kitchen.rs:10".to_owned()),
            "{shown:?}"
        );
        assert!(lines(&snapshot, 40).contains(&"      src/kitchen.rs:10".to_owned()));
        for width in [1, 20, 40] {
            assert!(lines(&snapshot, width).iter().all(|line| line.chars().count() <= width));
        }
    }
}

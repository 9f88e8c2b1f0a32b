//! Rules on dependencies: the arrows between our crates point down, and each crate takes only the libraries
//! that it is allowed.

use crate::{demand, source};

/// Each crate, and the crates of ours that it may use.
const ARROWS: [(&str, &[&str]); 17] = [
    ("handle", &[]),
    ("trace", &["handle"]),
    ("pool", &["handle", "trace"]),
    ("process", &["handle", "trace"]),
    ("runtime", &["handle", "trace", "pool"]),
    ("explore", &["handle", "trace", "pool", "runtime", "timeline"]),
    ("brigade", &["handle", "trace", "pool", "runtime", "process", "timeline"]),
    ("timeline", &["trace"]),
    ("course/kit", &["explore"]),
    ("course", &["course-kit", "explore"]),
    ("course/proof", &["course", "course-kit"]),
    ("course/orderings", &[]),
    ("demos", &["handle", "trace", "pool", "runtime", "process", "timeline", "explore"]),
    ("benches", &["handle", "trace", "pool", "runtime", "process", "timeline", "explore"]),
    ("benches/trace-cost", &["trace", "pool", "runtime"]),
    ("tests", &["handle", "trace", "pool", "runtime", "process", "timeline"]),
    ("examples", &["runtime"]),
];

/// The libraries that the ground floor, the executors and the views may use. Their tests may use more.
const OUTSIDE: [(&str, &[&str]); 7] = [
    ("handle", &["libc", "loom"]),
    ("trace", &["libc", "loom"]),
    ("pool", &["crossbeam-deque", "libc", "loom"]),
    (
        "runtime",
        &[
            "futures-core",
            "futures-io",
            "futures-sink",
            "hyper",
            "hyper-util",
            "libc",
            "loom",
            "mio",
            "tokio",
            "tower-service",
        ],
    ),
    ("process", &["bytemuck", "libc", "loom", "postcard", "serde", "typeid"]),
    ("timeline", &["miniz_oxide"]),
    ("brigade", &[]),
];

/// The names under the `[…dependencies]` tables of a manifest, without those for tests.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            inside =
                table == "dependencies" || table.starts_with("target.") && table.ends_with(".dependencies");
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            names.push(name.trim());
        }
    }
    names.retain(|name| !name.is_empty() && !name.starts_with('#'));
    names
}

#[test]
fn every_arrow_points_downward() {
    let mut breaches = Vec::new();
    for (package, allowed) in ARROWS {
        let manifest = std::fs::read_to_string(source::root().join(package).join("Cargo.toml")).unwrap();
        let ours = dependencies(&manifest).into_iter().filter_map(|name| name.strip_prefix("brigade-"));
        breaches
            .extend(ours.filter(|name| !allowed.contains(name)).map(|name| format!("{package} uses {name}")));
        let sources = source::files(".rs");
        for file in sources.iter().filter(|file| file.path.starts_with(&format!("{package}/src/"))) {
            for (other, _) in ARROWS.iter().filter(|(other, _)| *other != package && !allowed.contains(other))
            {
                let used = file.text.lines().position(|line| {
                    let code = line.split("//").next().unwrap_or_default();
                    code.contains(&format!("brigade_{other}::"))
                });
                breaches.extend(used.map(|line| format!("{} uses {other}", file.at(line + 1))));
            }
        }
    }
    demand("a crate uses only those below it", breaches);
}

#[test]
fn the_libraries_take_only_what_the_design_lists() {
    let mut breaches = Vec::new();
    for (package, allowed) in OUTSIDE {
        let manifest = std::fs::read_to_string(source::root().join(package).join("Cargo.toml")).unwrap();
        let foreign = dependencies(&manifest).into_iter().filter(|name| !name.starts_with("brigade-"));
        breaches.extend(
            foreign.filter(|name| !allowed.contains(name)).map(|name| format!("{package} takes {name}")),
        );
    }
    demand("a dependency more needs a reason in ARCHITECTURE.md and a place in this list", breaches);
}

/// The lines of the tables of a manifest that the explored build of a library must have as well, sorted: its
/// dependencies and its features. Our own crates are named differently there, one of them takes the place of
/// mio, and loom is for models only.
fn shared_lines(manifest: &str) -> Vec<String> {
    let mut table = "";
    let mut lines = Vec::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').rsplit('.').next().unwrap_or_default();
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
        let is_own = matches!((table, name), ("dependencies", "loom") | ("features", "default" | "explore"));
        if !is_own && matches!(table, "dependencies" | "features") {
            let line = if name.starts_with("brigade-") || name == "mio" { name } else { line };
            lines.push(format!("{table}: {line}"));
        }
    }
    lines.sort_unstable();
    lines
}

#[test]
fn the_explored_builds_have_the_dependencies_and_features_of_the_libraries() {
    let mut breaches = Vec::new();
    let engine = source::root().join("explore/engine");
    for folder in std::fs::read_dir(engine).unwrap() {
        let folder = folder.unwrap().path();
        // The others are crates of their own.
        if !folder.join("src").is_symlink() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let read = |folder: &std::path::Path| {
            shared_lines(&std::fs::read_to_string(folder.join("Cargo.toml")).unwrap())
        };
        let (explored, library) = (read(&folder), read(&source::root().join(&name)));
        let missing = library.iter().filter(|line| !explored.contains(line));
        breaches.extend(missing.map(|line| format!("explore/engine/{name} lacks {line}")));
        let further = explored.iter().filter(|line| !library.contains(line));
        breaches.extend(further.map(|line| format!("explore/engine/{name} has {line}, and {name} has not")));
    }
    demand("the explored build of a library differs from it by the seam alone", breaches);
}

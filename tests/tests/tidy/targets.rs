//! Rules on test files: each belongs to a test binary, so that no test lies there and is never run.

use crate::{
    demand,
    source::{self, File},
};
use std::collections::BTreeSet;

/// The value of `key = "value"` in a line of a manifest.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.trim().strip_prefix('=')?.trim().strip_prefix('"')?.strip_suffix('"')
}

/// Joins a relative path to a folder: `a/b` and `../c` is `a/c`.
fn join(folder: &str, path: &str) -> String {
    let mut names: Vec<_> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in path.split('/') {
        match name {
            ".." => drop(names.pop()),
            "." => {}
            name => names.push(name),
        }
    }
    names.join("/")
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The root files of a package's test binaries: those that its manifest lists, and those that cargo finds
/// by itself.
fn roots(package: &str, manifest: &str, files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for table in manifest.split("\n[[test]]\n").skip(1) {
        let lines = || table.lines().take_while(|line| !line.starts_with('['));
        let path = lines().find_map(|line| value(line, "path")).map(str::to_owned);
        let name = || lines().find_map(|line| value(line, "name")).expect("a test has a name");
        found.push(join(package, &path.unwrap_or_else(|| format!("tests/{}.rs", name()))));
    }
    if !manifest.lines().any(|line| line == "autotests = false") {
        let inside = |file: &&File| {
            let rest = file.path.strip_prefix(&format!("{package}/tests/"));
            rest.is_some_and(|rest| {
                !rest.contains('/') || rest.ends_with("/main.rs") && rest.matches('/').count() == 1
            })
        };
        found.extend(files.iter().filter(inside).map(|file| file.path.clone()));
    }
    found
}

/// The files that `mod` lines of a file lead to, each as the places where it may lie.
fn modules(file: &File, is_root: bool) -> Vec<[String; 2]> {
    let folder = folder_of(&file.path);
    let stem = file.name().trim_end_matches(".rs");
    let inside = if is_root || stem == "mod" { folder.to_owned() } else { join(folder, stem) };
    let mut found = Vec::new();
    let mut path = None;
    for line in file.text.lines().map(str::trim) {
        if let Some(target) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            path = Some(join(folder, target));
        } else if let Some(name) = module(line) {
            let files = [join(&inside, &format!("{name}.rs")), join(&inside, &format!("{name}/mod.rs"))];
            found.push(path.take().map_or(files, |path| [path.clone(), path]));
        }
    }
    found
}

/// The name of the module that a line takes from another file.
fn module(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
    rest.strip_prefix("mod ")?.strip_suffix(';')
}

#[test]
fn every_test_file_belongs_to_a_test_binary() {
    let files = source::files(".rs");
    let mut reached = BTreeSet::new();
    let mut open: Vec<(String, bool)> = Vec::new();
    for manifest in source::files("Cargo.toml") {
        let roots = roots(folder_of(&manifest.path), &manifest.text, &files);
        open.extend(roots.into_iter().map(|path| (path, true)));
    }
    while let Some((path, is_root)) = open.pop() {
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        if reached.insert(path) {
            let modules = modules(file, is_root).into_iter().flatten();
            open.extend(modules.map(|path| (path, false)));
        }
    }
    // The second folder of a path: `pool/tests/…`. Unit tests lie in `src`.
    let tests = files.iter().filter(|file| file.path.split('/').nth(1) == Some("tests"));
    let lost = tests.filter(|file| !reached.contains(&file.path));
    demand(
        "a test file is a module of a test binary, often of `situations`, or a `[[test]]` of its own",
        lost.map(|file| file.path.clone()).collect(),
    );
}

#[test]
fn the_rule_knows_where_a_module_lies() {
    let text = "mod one;\n#[path = \"../other/two.rs\"]\nmod two;\nmod inline {}\n";
    let file = |path: &str| File { path: path.to_owned(), text: text.to_owned() };
    let first =
        |file: &File, is_root| modules(file, is_root).into_iter().map(|[first, _]| first).collect::<Vec<_>>();
    assert_eq!(first(&file("pool/tests/all.rs"), true), ["pool/tests/one.rs", "pool/other/two.rs"]);
    assert_eq!(first(&file("pool/tests/all.rs"), false), ["pool/tests/all/one.rs", "pool/other/two.rs"]);
    let manifest = "[package]\nautotests = false\n[[test]]\nname = \"a\"\n[[test]]\nname = \"b\"\npath = \"../x/b.rs\"\n";
    assert_eq!(roots("pool", manifest, &[]), ["pool/tests/a.rs", "x/b.rs"]);
}

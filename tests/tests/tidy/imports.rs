//! Rules on imports between the files of one crate. No cycle runs across folders, so that a folder can be
//! read without the folders above it.

use crate::{demand, source};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::Visit;

/// Folders whose files may import one another in a cycle, each with its reason. ARCHITECTURE names them.
const KNOTS: &[(&str, &str)] = &[(
    "runtime/src/executor/",
    "a thread-local names the worker that runs, and a task its executor, by the type itself: no call goes by a table",
)];

const CRATES: [&str; 8] = ["handle", "trace", "pool", "runtime", "process", "timeline", "demos", "benches"];

/// The module that a file holds, as its names from the crate's root: `src/a/mod.rs` and `src/a.rs` are both
/// `["a"]`.
fn module_of(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").expect("a source file lies in src").1;
    let names = inside.trim_end_matches(".rs").split('/').map(str::to_owned);
    let mut names: Vec<_> = names.collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// Every path in a file that may lead to another file of the crate.
struct Paths {
    module: Vec<String>,
    found: BTreeSet<Vec<String>>,
}

impl Paths {
    /// Takes in a path of the code: absolute by `crate`, relative by `self` and `super`.
    fn take(&mut self, names: &[String]) {
        let mut from = self.module.clone();
        let rest = match names.first().map(String::as_str) {
            Some("crate") => {
                from.clear();
                &names[1..]
            }
            Some("self") => &names[1..],
            Some("super") => {
                let up = names.iter().take_while(|name| *name == "super").count();
                from.truncate(from.len().saturating_sub(up));
                &names[up..]
            }
            _ => return,
        };
        from.extend_from_slice(rest);
        self.found.insert(from);
    }

    fn walk(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.walk(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Name(name) => self.take_with(before, &name.ident),
            syn::UseTree::Rename(rename) => self.take_with(before, &rename.ident),
            syn::UseTree::Glob(_) => self.take(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.walk(item, before)),
        }
    }

    fn take_with(&mut self, before: &[String], last: &syn::Ident) {
        let mut names = before.to_vec();
        names.push(last.to_string());
        self.take(&names);
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|word| word == "test" || word == "loom")
    })
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // A module in the same file is deeper by one; what it takes from outside it mostly names by `super`.
        if !is_for_tests(&module.attrs) && module.content.is_some() {
            self.module.push(module.ident.to_string());
            syn::visit::visit_item_mod(self, module);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.walk(&item.tree, &mut Vec::new());
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.take(&names);
        syn::visit::visit_path(self, path);
    }
}

/// For each file of a crate, the files of the crate that it imports.
fn imports(package: &str) -> BTreeMap<String, BTreeSet<String>> {
    let sources: Vec<_> = source::files(".rs")
        .into_iter()
        .filter(|file| file.path.starts_with(&format!("{package}/src/")) && !file.path.contains("/src/bin/"))
        // Models are tests.
        .filter(|file| !file.path.contains("/model"))
        .collect();
    let files: BTreeMap<_, _> =
        sources.iter().map(|file| (module_of(&file.path), file.path.clone())).collect();
    let mut edges = BTreeMap::new();
    for file in &sources {
        let mut paths = Paths { module: module_of(&file.path), found: BTreeSet::new() };
        paths.visit_file(&syn::parse_file(&file.text).unwrap());
        // The longest beginning of a path that is a file; the crate's root takes what is no module.
        let target =
            |path: &Vec<String>| (0..=path.len()).rev().find_map(|length| files.get(&path[..length]));
        let targets = paths.found.iter().filter_map(target).filter(|target| **target != file.path);
        edges.insert(file.path.clone(), targets.cloned().collect());
    }
    edges
}

/// All files that can be reached from `start`.
fn reached(edges: &BTreeMap<String, BTreeSet<String>>, start: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(file) = open.pop() {
        for next in edges.get(&file).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

fn is_in_one_knot(file: &str, target: &str) -> bool {
    KNOTS.iter().any(|(folder, _)| file.starts_with(folder) && target.starts_with(folder))
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').expect("a file lies in a folder").0
}

#[test]
fn no_import_cycle_crosses_folders() {
    let mut breaches = Vec::new();
    for package in CRATES {
        let edges = imports(package);
        let reach: BTreeMap<_, _> = edges.keys().map(|file| (file.as_str(), reached(&edges, file))).collect();
        for (file, targets) in &edges {
            let back = targets.iter().filter(|target| reach[target.as_str()].contains(file));
            let crossing =
                back.filter(|target| folder(target) != folder(file) && !is_in_one_knot(file, target));
            breaches.extend(crossing.map(|target| format!("{file} and {target} import each other")));
        }
    }
    demand("no import cycle crosses folders", breaches);
}

//! Rules on Rust files: their length and headers, the files that may hold unsafe code or call the operating
//! system, and text that no file may hold.

use crate::{
    demand,
    source::{self, File, LIBRARIES},
};
use syn::{spanned::Spanned, visit::Visit};

/// The files that may hold `unsafe`. Each is allowed at its `mod` line, with a reason there.
const UNSAFE: &[&str] = &[
    "benches/src/group/runtime/floor.rs",
    "benches/src/sys.rs",
    "course/kit/src/sys.rs",
    "demos/src/sys.rs",
    "explore/src/sys.rs",
    "handle/src/cancel_handle.rs",
    "handle/src/fork/per_process.rs",
    "handle/src/fork/sys.rs",
    "handle/src/join_handle.rs",
    "handle/src/pair.rs",
    "handle/src/rendezvous.rs",
    "handle/src/signal.rs",
    "handle/src/slot.rs",
    "handle/src/sys.rs",
    "handle/tests/fork/sys.rs",
    "handle/tests/loom.rs",
    "pool/src/data/collect.rs",
    "pool/src/data/map.rs",
    "pool/src/data/simd.rs",
    "pool/src/job/detached.rs",
    "pool/src/job/install.rs",
    "pool/src/job/memory.rs",
    "pool/src/job/mod.rs",
    "pool/src/job/remote.rs",
    "pool/src/job/spawned.rs",
    "pool/src/join/deque.rs",
    "pool/src/join/lazy.rs",
    "pool/src/join/mod.rs",
    "pool/src/join/stack_job.rs",
    "pool/src/join/stolen.rs",
    "pool/src/scope/count.rs",
    "pool/src/scope/mod.rs",
    "pool/src/sys.rs",
    "pool/src/worker/current.rs",
    "pool/src/worker/mod.rs",
    "pool/src/worker/pass_on.rs",
    "pool/src/worker/steal.rs",
    "pool/tests/loom/stack_jobs.rs",
    "pool/tests/loom/waiting.rs",
    "process/examples/crashing_library/sys.rs",
    "process/src/call/block/sys.rs",
    "process/src/call/codec/bulk.rs",
    "process/src/call/entry.rs",
    "process/src/front/gathering.rs",
    "process/src/front/pending.rs",
    "process/src/hostile/allocations.rs",
    "process/src/image/sys.rs",
    "process/src/parent/launcher/exec.rs",
    "process/src/sys.rs",
    "process/src/system/descriptors.rs",
    "process/src/system/interrupts.rs",
    "process/src/system/leash.rs",
    "process/src/system/memory.rs",
    "process/src/system/poller.rs",
    "process/src/system/stream.rs",
    "process/src/usage/sys.rs",
    "process/src/worker/init.rs",
    "process/src/worker/zygote/sys.rs",
    "process/tests/chaos/sys.rs",
    "process/tests/situations/leashes/sys.rs",
    "process/tests/situations/sys.rs",
    "runtime/src/combine/race.rs",
    "runtime/src/driver/sys.rs",
    "runtime/src/executor/context.rs",
    "runtime/src/executor/multi_thread/run_queue.rs",
    "runtime/src/executor/reference.rs",
    "runtime/src/group/scope.rs",
    "runtime/src/sync/mutex.rs",
    "runtime/src/sync/notify.rs",
    "runtime/src/sync/oneshot.rs",
    "runtime/src/sync/rw_lock.rs",
    "runtime/src/sync/wait_queue.rs",
    "runtime/src/sys.rs",
    "runtime/src/task/cell.rs",
    "runtime/src/task/cell/waker.rs",
    "runtime/src/task/memory.rs",
    "runtime/tests/allocations/counting.rs",
    "runtime/tests/broken/sys.rs",
    "runtime/tests/foreign/waker.rs",
    "runtime/tests/fork/sys.rs",
    "runtime/tests/nested_signals/sys.rs",
    "runtime/tests/refused/sys.rs",
    "runtime/tests/short/sys.rs",
    "runtime/tests/soak/sys.rs",
    "timeline/src/writers.rs",
    "trace/src/live/attach/sys.rs",
    "trace/src/program/sys.rs",
    "trace/src/site.rs",
];

/// The files that may call libc: these, and each file of a folder `system`. They are the platform wall.
const WALLS: [&str; 2] = ["sys.rs", "exec.rs"];

fn is_wall(file: &File) -> bool {
    WALLS.contains(&file.name()) || file.path.contains("/src/system/")
}

const FILE_LINES: usize = 400;
const FILE_LINES_WITH_A_REASON: usize = 600;
const FUNCTION_LINES: usize = 60;

/// The code of a line, without its comment. It may cut a string that holds `//`; no string of ours holds a
/// word that is looked for.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Lines of `file` whose code holds one of `words`, as `path:line word`.
fn uses(file: &File, text: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        found.extend(
            words
                .iter()
                .filter(|word| code(line).contains(**word))
                .map(|w| format!("{} {w}", file.at(number + 1))),
        );
    }
    found
}

fn is_library(file: &File) -> bool {
    LIBRARIES.iter().any(|library| file.path.starts_with(&format!("{library}/src/")))
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let bare = source::files(".rs").into_iter().filter(|file| !file.text.starts_with("//!"));
    demand("a file begins with a `//!` header", bare.map(|file| file.path).collect());
}

#[test]
fn no_file_is_long_without_a_reason() {
    let mut breaches = Vec::new();
    for file in source::files(".rs") {
        let lines = file.text.lines().count();
        let reason = file.text.lines().any(|line| line.starts_with("//! Long: "));
        let most = if reason { FILE_LINES_WITH_A_REASON } else { FILE_LINES };
        breaches.extend((lines > most).then(|| format!("{} has {lines} lines, {most} at most", file.path)));
    }
    demand("a file holds one noun (a header line `//! Long: why` allows 600 lines)", breaches);
}

/// Collects breaches of the rules that need the syntax tree.
#[derive(Default)]
struct Functions {
    long: Vec<(usize, String, usize)>,
    bools: Vec<(usize, String)>,
}

impl Functions {
    fn look(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        let name = signature.ident.to_string();
        let lines = last - first + 1;
        if lines > FUNCTION_LINES {
            self.long.push((first, name.clone(), lines));
        }
        let is_bool = |input: &syn::FnArg| match input {
            syn::FnArg::Typed(typed) => {
                matches!(&*typed.ty, syn::Type::Path(path) if path.path.is_ident("bool"))
            }
            syn::FnArg::Receiver(_) => false,
        };
        // A setter of one switch names it: `no_delay(true)`. Two parameters of which one is a bool do not.
        let plain = signature.inputs.iter().filter(|input| matches!(input, syn::FnArg::Typed(_))).count();
        if plain > 1 && signature.inputs.iter().any(is_bool) {
            self.bools.push((first, name));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.look(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.look(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }
}

fn functions() -> Vec<(File, Functions)> {
    let parse = |file: File| {
        let tree = syn::parse_file(&file.text).unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let mut functions = Functions::default();
        functions.visit_file(&tree);
        (file, functions)
    };
    source::files(".rs").into_iter().map(parse).collect()
}

#[test]
fn every_function_fits_a_screen() {
    let mut breaches = Vec::new();
    for (file, functions) in functions() {
        let show = |(line, name, lines): &_| format!("{} {name} has {lines} lines", file.at(*line));
        breaches.extend(functions.long.iter().map(show));
    }
    demand("a function has 60 lines at most", breaches);
}

#[test]
fn no_function_takes_a_bare_bool_among_others() {
    let mut breaches = Vec::new();
    for (file, functions) in functions().iter().filter(|(file, _)| is_library(file)) {
        breaches.extend(functions.bools.iter().map(|(line, name)| format!("{} {name}", file.at(*line))));
    }
    demand("a bool parameter beside others says nothing at the call; take an enum", breaches);
}

#[test]
fn unsafe_is_only_where_it_is_listed_and_every_place_is_argued() {
    let mut breaches = Vec::new();
    for file in source::files(".rs") {
        let lines: Vec<_> = file.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = code(line);
            let opens = ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern", "unsafe trait"];
            if !opens.iter().any(|open| code.contains(open)) || code.contains('"') {
                continue;
            }
            if !UNSAFE.contains(&file.path.as_str()) {
                breaches.push(format!("{} holds unsafe and is not listed", file.at(number + 1)));
            }
            let is_type = code.contains("unsafe fn(")
                || code.contains("type ")
                || code.contains("unsafe extern \"C\" fn(");
            if !is_type && !argued(&lines[..number]) {
                breaches.push(format!("{} has no SAFETY comment", file.at(number + 1)));
            }
        }
    }
    for listed in UNSAFE {
        let holds =
            std::fs::read_to_string(source::root().join(listed)).is_ok_and(|text| text.contains("unsafe"));
        breaches.extend((!holds).then(|| format!("{listed} is listed and holds no unsafe")));
    }
    demand("unsafe stands in few files, each place with its argument", breaches);
}

/// Whether the comment above a line says why its unsafe code is sound: `SAFETY:` for a block or an impl,
/// `# Safety` for a function.
fn argued(before: &[&str]) -> bool {
    let near = before.iter().rev().take(14);
    near.take_while(|line| !line.trim().is_empty())
        .any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
}

#[test]
fn unsafe_is_allowed_at_the_mod_line_with_a_reason() {
    let mut breaches = Vec::new();
    for file in source::files(".rs") {
        let lines: Vec<_> = file.text.lines().collect();
        for (number, line) in
            lines.iter().enumerate().filter(|(_, line)| code(line).contains("allow(unsafe_code)"))
        {
            let reason =
                number > 0 && lines[..number].iter().rev().take(4).any(|line| line.contains("// Unsafe:"));
            breaches.extend((!reason && !line.contains('"')).then(|| file.at(number + 1)));
        }
    }
    demand("`allow(unsafe_code)` stands under a comment `// Unsafe: why`", breaches);
}

#[test]
fn the_operating_system_is_called_only_in_the_walls() {
    let mut breaches = Vec::new();
    for file in source::files(".rs").iter().filter(|file| !is_wall(file)) {
        if !file.path.starts_with("tests/tests/tidy/") {
            breaches.extend(uses(file, &file.text, &["libc::", "use libc"]));
        }
    }
    demand("libc is called in sys.rs, exec.rs and system/ only", breaches);
}

/// The files that ask for the time, and for a random number.
const SEAMS: [&str; 2] = ["handle/src/clock.rs", "runtime/src/executor/rng.rs"];

#[test]
fn only_the_seams_ask_for_time_and_chance() {
    let words = ["Instant::now(", "SystemTime::now(", "thread_rng(", "rand::", "RandomState"];
    let mut breaches = Vec::new();
    for file in source::files(".rs").iter().filter(|file| is_library(file) || file.path.starts_with("demos/"))
    {
        if !SEAMS.contains(&file.path.as_str()) {
            breaches.extend(uses(file, &file.text, &words));
        }
    }
    demand("time and chance come through their seams", breaches);
}

#[test]
fn nothing_is_left_half_done() {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "TODO", "FIXME", "XXX"];
    let mut breaches = Vec::new();
    for file in source::files(".rs").iter().filter(|file| !file.path.starts_with("tests/tests/tidy/")) {
        for (number, line) in file.text.lines().enumerate() {
            let held = words.iter().filter(|word| line.contains(**word));
            breaches.extend(held.map(|word| format!("{} {word}", file.at(number + 1))));
        }
    }
    demand("nothing is left half done", breaches);
}

#[test]
fn no_module_is_a_drawer() {
    let drawers = ["util.rs", "utils.rs", "helper.rs", "helpers.rs", "common.rs", "misc.rs", "manager.rs"];
    let found = source::files(".rs").into_iter().filter(|file| drawers.contains(&file.name()));
    demand("a module is named after its noun", found.map(|file| file.path).collect());
}

#[test]
fn each_executor_has_one_hot_file() {
    let sources = source::files(".rs");
    for executor in ["pool", "runtime", "process"] {
        let in_executor = sources.iter().filter(|file| file.path.starts_with(&format!("{executor}/src/")));
        let hot: Vec<_> = in_executor
            .filter(|file| file.text.lines().any(|line| line.starts_with("//! HOT")))
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(hot.len(), 1, "{executor} has one file with `//! HOT` in its header: {hot:?}");
    }
}

#[test]
fn no_test_sleeps_to_synchronise() {
    let mut breaches = Vec::new();
    for file in source::files(".rs") {
        let text =
            if file.is_test() { file.text.as_str() } else { &file.text[file.without_unit_tests().len()..] };
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| code(line).contains("thread::sleep("))
        {
            // A sleep may be the work itself, as in a test that joins two sleeps: then it says so.
            breaches.extend(
                (!line.contains("// the work itself")).then(|| format!("{} {line}", file.at(number + 1))),
            );
        }
    }
    breaches.retain(|breach| !breach.contains("tests/tests/tidy/"));
    demand("a test waits for what it waits for, not for a time", breaches);
}

//! The search of the documentation finds our items by the names that other libraries have for them, and each
//! front page has a table of such names.

use crate::{
    demand,
    source::{self, LIBRARIES},
};
use std::collections::BTreeSet;
use syn::visit::Visit;

/// Names that newcomers type into the search, by where they come from.
const TYPED: [(&str, &str); 4] = [
    (
        "tokio and futures",
        "block_on spawn spawn_blocking spawn_local LocalSet JoinSet JoinHandle abort AbortHandle select select! join_all \
         yield_now task_local! sleep timeout interval MissedTickBehavior start_paused mpsc unbounded_channel oneshot broadcast \
         watch Mutex RwLock Semaphore Notify Barrier OnceCell TcpStream TcpListener UdpSocket UnixStream lookup_host \
         ToSocketAddrs AsyncFd copy_bidirectional ctrl_c Command new_multi_thread new_current_thread worker_threads \
         FuturesUnordered StreamExt block_in_place TokioIo MutexGuard",
    ),
    (
        "rayon",
        "join scope spawn_fifo install broadcast par_iter par_iter_mut into_par_iter reduce ThreadPool ThreadPoolBuilder \
         num_threads build_global current_num_threads current_thread_index panic_handler start_handler exit_handler",
    ),
    (
        "asyncio, threading and queue",
        "run create_task gather TaskGroup as_completed shield wait_for to_thread run_in_executor ContextVar Event Condition \
         BoundedSemaphore PriorityQueue LifoQueue put_nowait get_nowait task_done open_connection start_server \
         create_subprocess_exec communicate add_signal_handler Lock Queue",
    ),
    (
        "multiprocessing and concurrent.futures",
        "multiprocessing.Pool ProcessPoolExecutor ThreadPoolExecutor submit apply_async map map_async starmap imap imap_unordered \
         chunksize initializer maxtasksperchild max_workers set_start_method forkserver SharedMemory terminate close freeze_support \
         result done cancel AsyncResult BrokenProcessPool",
    ),
];

/// The names by which the search finds the public items of a file: their own, and their aliases.
#[derive(Default)]
struct Found {
    names: BTreeSet<String>,
    /// Aliases that say what the item is called anyway.
    idle: Vec<String>,
}

impl Found {
    fn item(&mut self, name: &syn::Ident, visibility: &syn::Visibility, attributes: &[syn::Attribute]) {
        if matches!(visibility, syn::Visibility::Public(_)) {
            self.add(name, attributes);
        }
    }

    fn add(&mut self, name: &syn::Ident, attributes: &[syn::Attribute]) {
        let aliases =
            attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).flat_map(aliases);
        for alias in aliases {
            if *name == alias {
                self.idle.push(alias);
            } else {
                self.names.insert(alias);
            }
        }
        self.names.insert(name.to_string());
    }
}

/// The strings of `doc(alias = "…")` and `doc(alias("…", "…"))`.
fn aliases(attribute: &syn::Attribute) -> Vec<String> {
    let mut found = Vec::new();
    // Not a list: it is the text of a comment.
    if let syn::Meta::List(_) = &attribute.meta {
        let _ = attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("alias") {
                return Ok(());
            }
            if let Ok(value) = meta.value() {
                found.push(value.parse::<syn::LitStr>()?.value());
            } else {
                let inside;
                syn::parenthesized!(inside in meta.input);
                let names =
                    inside.parse_terminated(<syn::LitStr as syn::parse::Parse>::parse, syn::Token![,])?;
                found.extend(names.iter().map(syn::LitStr::value));
            }
            Ok(())
        });
    }
    found
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.item(&item.sig.ident, &item.vis, &item.attrs);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.item(&item.sig.ident, &item.vis, &item.attrs);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.item(&item.ident, &item.vis, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.item(&item.ident, &item.vis, &item.attrs);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.item(&item.ident, &item.vis, &item.attrs);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.item(&item.ident, &item.vis, &item.attrs);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.item(&item.ident, &item.vis, &item.attrs);
        syn::visit::visit_item_mod(self, item);
    }
}

fn names_of_libraries() -> Found {
    let mut found = Found::default();
    for file in source::files(".rs") {
        let is_library = LIBRARIES.iter().any(|library| file.path.starts_with(&format!("{library}/src/")));
        if is_library && !file.path.contains("/model") {
            found.visit_file(&syn::parse_file(&file.text).unwrap());
        }
    }
    found
}

#[test]
fn the_search_finds_our_items_by_the_names_of_others() {
    let found = names_of_libraries();
    let mut missing = Vec::new();
    for (origin, names) in TYPED {
        let lost = names.split_whitespace().filter(|name| !found.names.contains(*name));
        missing.extend(lost.map(|name| format!("{name} ({origin})")));
    }
    demand("an item is found by what others call it: `#[doc(alias = \"…\")]`", missing);
    demand("an alias is another name", found.idle);
}

#[test]
fn the_rule_reads_both_forms_of_an_alias() {
    let text = "#[doc(alias = \"a\")] pub fn one() {}\n#[doc(alias(\"b\", \"c\"))] pub fn two() {}\nfn hidden() {}\n";
    let mut found = Found::default();
    found.visit_file(&syn::parse_file(text).unwrap());
    assert_eq!(found.names.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "one", "two"]);
}

/// The first cells of the table under a heading of a crate's front page.
fn left_column(page: &str, heading: &str) -> Vec<String> {
    let lines = page.lines().map(|line| line.trim_start_matches("//!").trim());
    let section =
        lines.skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with("# "));
    let rows = section.filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" | ")?.0.to_owned()));
    rows.skip(1).collect()
}

#[test]
fn each_front_page_has_a_table_for_newcomers() {
    let pages = [
        ("runtime", "# From tokio"),
        ("pool", "# From rayon"),
        ("process", "# From multiprocessing"),
        ("handle", "# From elsewhere"),
        ("brigade", "# From Python"),
    ];
    let mut breaches = Vec::new();
    for (library, heading) in pages {
        let page = std::fs::read_to_string(source::root().join(library).join("src/lib.rs")).unwrap();
        let rows = left_column(&page, heading).len();
        breaches
            .extend((rows < 8).then(|| format!("{library}/src/lib.rs has {rows} rows under `{heading}`")));
    }
    demand("a front page has a table of the names elsewhere", breaches);
}

#[test]
fn the_front_page_calls_python_what_the_large_table_does() {
    let read = |path: &str| std::fs::read_to_string(source::root().join(path)).unwrap();
    let (page, large) = (read("brigade/src/lib.rs"), read("docs/from-python.md"));
    let unknown =
        left_column(&page, "# From Python").into_iter().filter(|cell| !large.contains(cell.as_str()));
    demand("docs/from-python.md has every row of the table in brigade/src/lib.rs", unknown.collect());
}

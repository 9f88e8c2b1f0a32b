//! Each mutation of `explore/mutations` fits the sources: its lines stand there once. `explore/mutations/run`
//! makes them.

use std::{fs, path::Path};

/// The lines between two marks.
fn part<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).expect("the mark is there").1;
    rest.split_once(to).expect("the mark is there").0
}

#[test]
fn each_mutation_fits_the_sources() {
    let explore = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(explore.join("mutations")).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it is a text");
        let file = text.lines().find_map(|line| line.strip_prefix("file: ")).expect("it names a file");
        let source = fs::read_to_string(explore.join("..").join(file)).expect("the file is there");
        let (old, new) = (part(&text, "<<<<<<<\n", "=======\n"), part(&text, "=======\n", ">>>>>>>"));
        assert_eq!(source.matches(old).count(), 1, "{}:\n{old}", path.display());
        assert_ne!(old, new, "{}", path.display());
        count += 1;
    }
    assert!(count >= 10, "{count} mutations");
}

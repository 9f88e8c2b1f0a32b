//! The workspace's files, read once.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of the workspace.
pub(crate) struct File {
    /// Its path from the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// `path:line`, with lines counted from one.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    /// Whether this is code that only tests see: a file in a `tests` folder.
    pub(crate) fn is_test(&self) -> bool {
        self.path.split('/').rev().skip(1).any(|folder| folder == "tests")
    }

    /// The text before the file's own `mod tests`.
    pub(crate) fn without_unit_tests(&self) -> &str {
        let start = self.text.find("\nmod tests {").unwrap_or(self.text.len());
        &self.text[..start]
    }

    /// The name without folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().expect("splitting gives at least one part")
    }
}

pub(crate) const LIBRARIES: [&str; 6] = ["handle", "trace", "pool", "runtime", "process", "brigade"];

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// All files with this ending, but for what was built.
pub(crate) fn files(ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    collect(&root(), &root(), ending, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file ends with {ending}");
    found
}

fn collect(root: &Path, folder: &Path, ending: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The sources that are built twice are links (`explore/engine`).
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            // `my-labs` is what a student of the course writes here.
            if name != "target" && name != "my-labs" && !name.starts_with('.') {
                collect(root, &path, ending, found);
            }
        } else if name.ends_with(ending) {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            found.push(File { path, text });
        }
    }
}

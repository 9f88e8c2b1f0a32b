//! A student's package: a folder that cargo builds to a runner.
//!
//! It is no member of the workspace, so that a lab that does not compile breaks nothing else. Its lock file
//! is that of the workspace, so that it is built offline, and all labs share one target folder.

use crate::Submission;
use brigade_course_kit::Lab;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A student's package.
#[derive(Clone, Debug)]
pub struct Package {
    folder: PathBuf,
    number: u8,
}

/// The root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace")
}

impl Package {
    /// Names the package of a lab in a folder.
    #[must_use]
    pub fn new(folder: PathBuf, lab: &Lab) -> Self {
        Self { folder, number: lab.number }
    }

    /// Returns the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes the package with this code. The files of the student's other modules come from `sources`.
    ///
    /// # Errors
    ///
    /// Returns the operating system's error if it refuses a file.
    pub fn write(&self, sources: &Path) -> io::Result<()> {
        let number = self.number;
        fs::create_dir_all(self.folder.join("src"))?;
        copy_sources(sources, &self.folder.join("src"))?;
        fs::write(self.folder.join("src/main.rs"), main_of(number))?;
        fs::write(self.folder.join("Cargo.toml"), manifest_of(number))?;
        fs::copy(root().join("Cargo.lock"), self.folder.join("Cargo.lock"))?;
        Ok(())
    }

    /// Builds the runner.
    ///
    /// # Errors
    ///
    /// Returns the messages of the compiler if the code does not compile. Their colours are those of a
    /// terminal if `look` says so.
    pub fn build(&self, look: Look) -> io::Result<Result<Submission, String>> {
        let target = root().join("target/labs");
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(["build", "--quiet", "--offline", "--manifest-path"])
            .arg(self.folder.join("Cargo.toml"));
        command.arg("--target-dir").arg(&target).arg("--color").arg(look.color());
        // The cargo that runs this program sets variables that are not about the student's package.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let is_about_us = name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
            if is_about_us || name == "CARGO_TARGET_DIR" || name == "RUSTFLAGS" {
                command.env_remove(name);
            }
        }
        let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
        if !output.status.success() {
            return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(Ok(Submission::new(target.join(format!("debug/lab-{:02}", self.number)), &[])))
    }
}

/// Whether the messages of the compiler have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// For a terminal.
    Terminal,
    /// Without colours.
    Plain,
}

impl Look {
    fn color(self) -> &'static str {
        match self {
            Self::Terminal => "always",
            Self::Plain => "never",
        }
    }
}

/// Copies the sources of a package, and those in its folders.
fn copy_sources(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        if kind.is_dir() {
            fs::create_dir_all(to.join(&name))?;
            copy_sources(&entry.path(), &to.join(&name))?;
        } else if kind.is_file() && entry.path().extension().is_some_and(|ending| ending == "rs") {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}

fn main_of(number: u8) -> String {
    format!(
        "//! Runs one test of the grader on your code. `brigade-course check {number}` calls it.\n\n\
         fn main() -> std::process::ExitCode {{\n    \
         brigade_course_kit::lab{number:02}::main::<lab_{number:02}::Student>()\n}}\n"
    )
}

fn manifest_of(number: u8) -> String {
    let kit = root().join("course/kit");
    format!(
        "[package]\nname = \"lab-{number:02}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         # A workspace of its own: what does not compile here breaks nothing else.\n[workspace]\n\n\
         [dependencies]\nbrigade-course-kit = {{ path = {kit:?} }}\n\n\
         # The first build is short so, and the tests fast enough.\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n\
         [profile.dev.package.\"*\"]\ndebug = false\n"
    )
}

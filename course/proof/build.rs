//! Makes one module of each reference, skeleton and wrong solution, and a table of them.

#[path = "../src/mutant.rs"]
#[allow(dead_code, unreachable_pub)]
mod mutant;

use mutant::Mutant;
use std::{env, error::Error, fmt::Write, fs, path::Path};

/// The modules and the table so far.
#[derive(Default)]
struct Table {
    modules: String,
    rows: String,
}

impl Table {
    fn add(&mut self, out: &Path, lab: &str, name: &str, text: &str) -> Result<(), Box<dyn Error>> {
        let number = lab.split_once('-').map_or(lab, |(number, _)| number);
        let module = format!("lab{number}_{}", name.replace('-', "_"));
        let path = out.join(format!("{module}.rs"));
        fs::write(&path, text)?;
        writeln!(self.modules, "#[path = {path:?}]\n#[allow(warnings, clippy::all)]\nmod {module};")?;
        writeln!(
            self.rows,
            "({lab:?}, {name:?}, |arguments| runner::run_with(&kit::lab{number}::LAB, \
             &kit::lab{number}::codes::<{module}::Student>(), arguments)),"
        )?;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let course = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let mut table = Table::default();
    for folder in ["labs", "solutions", "mutants"] {
        println!("cargo::rerun-if-changed={}", course.join(folder).display());
    }
    println!("cargo::rerun-if-changed={}", course.join("src/mutant.rs").display());
    for lab in names(&course.join("labs"))? {
        let skeleton = fs::read_to_string(course.join("labs").join(&lab).join("lib.rs"))?;
        let reference = fs::read_to_string(course.join("solutions").join(&lab).join("lib.rs"))?;
        table.add(out, &lab, "skeleton", &skeleton)?;
        table.add(out, &lab, "reference", &reference)?;
        let mutants = course.join("mutants").join(&lab);
        for file in names(&mutants)? {
            let wrong = |error: &dyn Error| format!("{lab}/{file}: {error}");
            let mutant = Mutant::read(&fs::read_to_string(mutants.join(&file))?).map_err(|e| wrong(&e))?;
            let text = mutant.apply(&reference).map_err(|error| wrong(&error))?;
            table.add(out, &lab, file.trim_end_matches(".mutant"), &text)?;
        }
    }
    let Table { modules, rows } = table;
    let text = format!("{modules}\npub(crate) const ALL: &[Submission] = &[\n{rows}];\n");
    fs::write(out.join("submissions.rs"), text)?;
    Ok(())
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

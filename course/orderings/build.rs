//! Makes a module of each deque that is modelled: the reference, and the wrong solutions that lose no points,
//! or the student's alone, if `BRIGADE_DEQUE` names the file.

#[path = "../src/mutant.rs"]
#[allow(dead_code, unreachable_pub)]
mod mutant;

use mutant::Mutant;
use std::{env, error::Error, fmt::Write, fs, path::Path};

const LAB: &str = "08-work-stealing";

fn main() -> Result<(), Box<dyn Error>> {
    let course = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..");
    let out = env::var("OUT_DIR")?;
    println!("cargo::rerun-if-env-changed=BRIGADE_DEQUE");
    // Name, text, and whether loom must find a mistake.
    let mut deques = Vec::new();
    if let Some(file) = env::var_os("BRIGADE_DEQUE") {
        let path = course.join("..").join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        deques.push(("yours".to_owned(), text, false));
    } else {
        let (solutions, mutants) = (course.join("solutions").join(LAB), course.join("mutants").join(LAB));
        for folder in [&solutions, &mutants] {
            println!("cargo::rerun-if-changed={}", folder.display());
        }
        let reference = fs::read_to_string(solutions.join("lib.rs"))?;
        for entry in fs::read_dir(mutants)? {
            let path = entry?.path();
            let mutant = Mutant::read(&fs::read_to_string(&path)?)?;
            if mutant.loses.is_empty() {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
                deques.push((name, mutant.apply(&reference)?, true));
            }
        }
        deques.sort();
        deques.push(("reference".to_owned(), reference, false));
    }
    let (mut modules, mut rows) = (String::new(), String::new());
    for (name, text, must_fail) in deques {
        let path = Path::new(&out).join(format!("{name}.rs"));
        fs::write(&path, text.replace("brigade_course_kit", "crate::kit"))?;
        writeln!(modules, "#[path = {path:?}]\n#[allow(warnings, clippy::all)]\nmod {name};")?;
        writeln!(rows, "({name:?}, {must_fail}, check::<{name}::Student>),")?;
    }
    let text = format!("{modules}\nconst ALL: &[(&str, bool, fn())] = &[\n{rows}];\n");
    fs::write(Path::new(&out).join("deques.rs"), text)?;
    Ok(())
}

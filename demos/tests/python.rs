//! `--compare-python`: the machine's Python does the same work, with whatever libraries it has, and says so
//! when it cannot.

// A test fails by panicking, and so do the functions that it calls.
#![allow(clippy::unwrap_used)]

mod cards;
mod common;
mod document;

use common::{
    folder::Folder,
    program::{Ran, brigade, texts},
};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

const FETCHING: [&str; 4] = ["sync", "threads", "async", "processes"];
const SUMMING: [&str; 3] = ["sync", "threads", "processes"];

/// The program, or None (and a word about it) if the machine has no Python to compare with.
fn python() -> Option<Command> {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3 here to compare with");
        return None;
    }
    Some(brigade(&[]))
}

/// Runs a comparison. Returns the exit code, the rows that Python made, and all that was printed.
fn compared(command: &mut Command, arguments: &[&str]) -> (Option<i32>, Vec<Value>, String) {
    let ours = arguments[0] == "io" && !arguments.contains(&"--url");
    let faster: &[&str] = if ours { &["--speed", "50"] } else { &[] };
    let ran = command.args(arguments).args(["--compare-python", "--json"]).args(faster).output();
    let ran = Ran::read(ran.unwrap());
    let rows = ran.objects().into_iter().filter(|object| object["runtime"] == "python").collect();
    (ran.code, rows, ran.stdout)
}

#[test]
fn python_fetches_in_every_mode_and_names_its_library() {
    let Some(mut command) = python() else { return };
    let (code, rows, _) = compared(&mut command, &["io"]);
    assert_eq!((code, texts(&rows, "mode")), (Some(0), FETCHING.map(String::from).to_vec()), "{rows:?}");
    assert_eq!(texts(&rows, "library").len(), 4, "{rows:?}");
    assert!(rows.iter().all(|row| row["results"] == json!([200, 200, 200, 200, 200])), "{rows:?}");
}

#[test]
fn where_python_has_no_libraries_its_own_does() {
    let Some(mut command) = python() else { return };
    let missing = "raise ImportError";
    let folder = Folder::with(&[("requests.py", missing), ("aiohttp.py", missing)]);
    let (code, rows, _) = compared(command.env("PYTHONPATH", folder.path()), &["io"]);
    assert_eq!(
        (code, texts(&rows, "library")),
        (Some(0), ["urllib", "urllib", "asyncio", "urllib"].map(String::from).to_vec())
    );
    assert!(rows.iter().all(|row| row["results"] == json!([200, 200, 200, 200, 200])), "{rows:?}");
}

/// Stand-ins for the two libraries, with as much as is used, so that a machine without them tests the same
/// lines.
const REQUESTS: &str = r#"
class Session:
    def __enter__(self):
        return self
    def __exit__(self, *error):
        pass
    def get(self, url, timeout, allow_redirects):
        assert url.startswith("http") and timeout > 0 and not allow_redirects
        assert self.trust_env is False
        self.status_code = 200
        return self
"#;
const AIOHTTP: &str = r#"
class TCPConnector:
    def __init__(self, limit, force_close, ssl):
        assert limit == 0 and force_close
class ClientSession:
    status = 200
    def __init__(self, connector):
        assert isinstance(connector, TCPConnector)
    def get(self, url, allow_redirects):
        assert url.startswith("http") and not allow_redirects
        return self
    async def __aenter__(self):
        return self
    async def __aexit__(self, *error):
        pass
    async def read(self):
        pass
    async def close(self):
        pass
"#;

#[test]
fn the_libraries_of_the_document_are_used_where_they_are() {
    let Some(mut command) = python() else { return };
    let folder = Folder::with(&[("requests.py", REQUESTS), ("aiohttp.py", AIOHTTP)]);
    let (code, rows, _) = compared(command.env("PYTHONPATH", folder.path()), &["io"]);
    let libraries = ["requests", "requests", "aiohttp", "requests"].map(String::from).to_vec();
    assert_eq!((code, texts(&rows, "library")), (Some(0), libraries), "{rows:?}");
    assert!(rows.iter().all(|row| row["results"] == json!([200, 200, 200, 200, 200])), "{rows:?}");
}

/// A server in Python that speaks TLS. Dropping it ends the server.
struct Secure {
    child: Child,
    url: String,
}

impl Secure {
    /// Starts it with a certificate of its own, which is one of an authority or of a server alone.
    fn start(folder: &Path, is_authority: bool) -> Option<Self> {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(folder).args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]);
        openssl.args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"]);
        openssl.args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            if is_authority {
                "basicConstraints=critical,CA:TRUE"
            } else {
                "basicConstraints=critical,CA:FALSE"
            },
        ]);
        if !openssl.output().is_ok_and(|output| output.status.success()) {
            println!("skipped: there is no openssl here to make a certificate with");
            return None;
        }
        let program = r#"
import http.server, ssl
server = http.server.ThreadingHTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;
        let mut python = Command::new("python3");
        python.current_dir(folder).args(["-c", program]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = python.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Some(Self { child, url: format!("https://localhost:{}/cert.pem", port.trim()) })
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn both_fetch_over_tls_and_refuse_whom_they_do_not_know() {
    let Some(mut command) = python() else { return };
    let missing = "raise ImportError";
    let folder = Folder::with(&[("requests.py", missing), ("aiohttp.py", missing)]);
    let Some(server) = Secure::start(folder.path(), false) else { return };
    let arguments = ["io", "--requests", "2", "--url", &server.url];
    command.env("PYTHONPATH", folder.path()).env("SSL_CERT_FILE", folder.path().join("cert.pem"));
    let (code, rows, text) = compared(&mut command, &arguments);
    assert_eq!((code, rows.len()), (Some(0), 4), "{text}");
    assert!(rows.iter().all(|row| row["results"] == json!([200, 200])), "{text}");
    let mut command = brigade(&[]);
    let (code, rows, text) = compared(command.env("PYTHONPATH", folder.path()), &arguments);
    assert_eq!((code, rows.len()), (Some(1), 4), "{text}");
    let is_tls = |failure: &Value| failure["kind"] == "tls";
    assert!(rows.iter().all(|row| row["failures"].as_array().unwrap().iter().all(is_tls)), "{text}");
}

#[test]
fn a_certificate_that_is_refused_is_explained_with_what_to_do() {
    if python().is_none() {
        return;
    }
    // openssl makes a certificate of an authority unless it is told otherwise.
    for (is_authority, is_trusted, remedy) in [(true, true, "CA:FALSE"), (false, false, "SSL_CERT_FILE")] {
        let folder = Folder::new();
        let Some(server) = Secure::start(folder.path(), is_authority) else { return };
        let mut command = brigade(&["io", "--requests", "1", "--url", &server.url]);
        if is_trusted {
            command.env("SSL_CERT_FILE", folder.path().join("cert.pem")).env_remove("SSL_CERT_DIR");
        }
        let ran = Ran::read(command.output().unwrap());
        let page = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((ran.code, page.matches(remedy).count()), (Some(1), FETCHING.len()), "{page}");
        assert!(!page.contains("CaUsedAsEndEntity") && !page.contains("UnknownIssuer"), "{page}");
    }
}

#[test]
fn python_sums_to_the_same_in_every_mode() {
    let Some(mut command) = python() else { return };
    let (code, rows, _) = compared(&mut command, &["cpu", "--n", "1001", "--tasks", "3"]);
    assert_eq!((code, texts(&rows, "mode")), (Some(0), SUMMING.map(String::from).to_vec()));
    let sum = "333833500";
    assert!(rows.iter().all(|row| row["results"] == json!([sum, sum, sum])), "{rows:?}");
}

#[test]
fn without_python_the_rest_runs_and_the_exit_code_tells() {
    let mut command = brigade(&[]);
    let (code, rows, text) = compared(command.env("PATH", "/nonexistent"), &["cpu", "--n", "10"]);
    assert_eq!((code, rows.len(), text.lines().count()), (Some(1), 1, 4), "{text}");
    assert!(text.contains("cannot run python3"), "{text}");
}

/// A folder whose `python3` is this shell script.
fn python_that(script: &str) -> Folder {
    let folder = Folder::with(&[("python3", script)]);
    fs::set_permissions(folder.path().join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_python_that_hangs_keeps_no_row_of_ours_back_and_is_ended() {
    let hangs = [
        // At once, with a child that would keep the pipes open.
        "#!/bin/sh\n/bin/sleep 1000 & wait\n",
        // At the work, and with its output closed.
        "#!/bin/sh\n[ $1 = --version ] && echo Python 3 && exit\n/bin/sleep 1000\n",
        "#!/bin/sh\n[ $1 = --version ] && echo Python 3 && exit\nexec /bin/sleep 1000 >&- 2>&-\n",
    ];
    for script in hangs {
        let folder = python_that(script);
        let mut command = brigade(&[]);
        let command = command.env("PATH", folder.path());
        let ran = Ran::read(
            command
                .args(["cpu", "--n", "10", "--compare-python", "--python-limit", "0.2", "--json"])
                .output()
                .unwrap(),
        );
        let objects = ran.objects();
        assert_eq!((ran.code, objects.len()), (Some(1), 4), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(texts(&objects[..3], "mode"), SUMMING, "our rows come first");
        assert!(
            objects[3]["error"].as_str().unwrap().contains("within 0.2 s (--python-limit"),
            "{}",
            objects[3]
        );
    }
}

#[test]
fn a_python_that_fails_is_told_with_its_last_words() {
    let fails = [
        ("#!/bin/sh\nexit 9\n", "python3 --version ended with exit status: 9", 4),
        (
            "#!/bin/sh\n[ $1 = --version ] && exit\necho boom >&2; exit 9\n",
            "python3 ended with exit status: 9: boom",
            6,
        ),
        ("#!/bin/sh\n[ $1 = --version ] && exit\nexit 0\n", "python3 ended with exit status: 0", 6),
    ];
    for (script, why, lines) in fails {
        let folder = python_that(script);
        let mut command = brigade(&[]);
        let (code, _, text) = compared(command.env("PATH", folder.path()), &["cpu", "--n", "10"]);
        assert_eq!((code, text.lines().count()), (Some(1), lines), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

/// Runs `gil --questions` with these programs on the PATH, and what they need.
fn asked(folder: &Folder) -> Vec<Value> {
    let mut command = brigade(&["gil", "--questions", "--json", "--speed", "1000"]);
    let path = format!("{}:{}", folder.path().display(), env::var("PATH").unwrap());
    let ran = Ran::read(command.env("PATH", path).output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    ran.objects()
}

#[test]
fn the_six_questions_on_the_gil_are_answered_and_every_python_is_measured() {
    if python().is_none() {
        return;
    }
    // A stand-in: the machine's Python, which says that it has no GIL.
    let free =
        "#!/bin/sh\nexec python3 -I -c \"import sys; sys._is_gil_enabled = lambda: False\n$3\" \"$4\"\n";
    let broken = "#!/bin/sh\necho boom >&2; exit 9\n";
    let folder = Folder::with(&[("python3.14t", free), ("python3.13t", broken)]);
    for name in ["python3.14t", "python3.13t"] {
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let objects = asked(&folder);
    let of = |name: &str| objects.iter().find(|object| object["python"] == name).unwrap();
    assert_eq!(texts(&objects, "question").len(), 6);
    assert_eq!((&of("python3.14t")["gil"], &of("python3.13t")["failure"]), (&json!(false), &json!("boom")));
    assert!(of("python3.14t")["gain"].as_f64() > Some(0.0) && of("python3")["gil"].is_boolean());
    let seen = texts(&objects, "seen");
    assert!(seen[0].contains("Without it"), "{seen:?}");
}

#[test]
fn without_any_python_the_questions_are_answered_and_the_gap_is_told() {
    let mut command = brigade(&["gil", "--questions"]);
    let ran = Ran::read(command.env("PATH", "/nonexistent").output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(
        ran.stdout.contains("6. How does one deal with it?") && ran.stdout.contains("PEP 703"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("There is no free-threaded Python on the PATH"), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
}

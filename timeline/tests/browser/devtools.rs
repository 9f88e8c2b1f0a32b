//! A real Chromium without a window, driven over its DevTools protocol: JSON in WebSocket frames.

use serde_json::{Value, json};
use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long the browser may take for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to end. Then it is killed.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The names under which distributions install it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A browser that shows one page. Dropping it ends the browser.
pub(crate) struct Browser {
    process: Child,
    profile: PathBuf,
    socket: TcpStream,
    /// Where the browser itself listens, beside its page.
    port: u16,
    path: String,
    last: u64,
    /// Errors that the page wrote to the console, and exceptions that nobody caught.
    pub(crate) errors: Vec<String>,
}

/// Finds a Chromium in PATH.
pub(crate) fn find() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let candidates =
        NAMES.iter().flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)));
    candidates.into_iter().find(|file| file.is_file())
}

impl Browser {
    /// Opens the page from disk, in a window of so many pixels.
    pub(crate) fn open(program: &Path, page: &Path, (width, height): (u32, u32)) -> Self {
        let profile = env::temp_dir().join(format!("brigade-browser-{}", process::id()));
        let mut process = Command::new(program)
            // Without a sandbox, because it does not start for root, and the page is our own.
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-port=0",
            ])
            .args(["--allow-file-access-from-files=false", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the browser was found");
        let stderr = process.stderr.take().expect("it is piped");
        let address = BufReader::new(stderr).lines().map_while(Result::ok).find_map(|line| {
            let (port, path) = line.split_once("ws://127.0.0.1:")?.1.split_once('/')?;
            Some((port.parse::<u16>().ok()?, format!("/{path}")))
        });
        let (port, path) = address.expect("the browser tells where it listens");
        let socket = connect(port, &target(port));
        let mut browser = Self { process, profile, socket, port, path, last: 0, errors: Vec::new() };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, &json!({}));
        }
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.call("Emulation.setDeviceMetricsOverride", &metrics);
        browser.call("Page.navigate", &json!({ "url": format!("file://{}", page.display()) }));
        browser.until("document.documentElement?.dataset.ready === 'yes'");
        browser
    }

    /// Calls a method of the protocol and returns its result.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let message = json!({ "id": self.last, "method": method, "params": parameters }).to_string();
        send(&mut self.socket, message.as_bytes());
        loop {
            let message: Value = serde_json::from_slice(&receive(&mut self.socket)).expect("it speaks JSON");
            self.notice(&message);
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    /// Opens another page in its place, with this fragment.
    pub(crate) fn show(&mut self, page: &Path, fragment: &str) {
        // From a page to itself with another fragment, a browser would not load anything.
        self.call("Page.navigate", &json!({ "url": "about:blank" }));
        self.call("Page.navigate", &json!({ "url": format!("file://{}{fragment}", page.display()) }));
        self.until("document.documentElement?.dataset.ready === 'yes'");
    }

    /// Loads the page again, and waits until it has read its data.
    pub(crate) fn reload(&mut self) {
        self.call("Page.reload", &json!({}));
        loop {
            let message: Value = serde_json::from_slice(&receive(&mut self.socket)).expect("it speaks JSON");
            self.notice(&message);
            if message["method"] == "Page.loadEventFired" {
                break;
            }
        }
        self.until("document.documentElement.dataset.ready === 'yes'");
    }

    fn notice(&mut self, message: &Value) {
        let what = &message["params"];
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.errors.push(what["exceptionDetails"].to_string()),
            Some("Runtime.consoleAPICalled") if what["type"] == "error" => {
                self.errors.push(what["args"].to_string())
            }
            Some("Log.entryAdded") if what["entry"]["level"] == "error" => {
                self.errors.push(what["entry"].to_string())
            }
            _ => {}
        }
    }

    /// The value of an expression in the page; a promise is awaited.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    pub(crate) fn number(&mut self, expression: &str) -> f64 {
        let value = self.value(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// Waits until the condition holds in the page, a frame at a time.
    pub(crate) fn until(&mut self, condition: &str) {
        let holds = format!(
            "new Promise(done => {{ let left = 1500; const look = () => {condition} ? done('yes') \
             : --left ? setTimeout(look, 16) : done('no'); look(); }})"
        );
        assert_eq!(self.text(&holds), "yes", "{condition} did not come true; errors: {:?}", self.errors);
    }

    /// Presses a key, such as `w`, `Enter` or `ArrowLeft`.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Escape" => 27,
            "Tab" => 9,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            _ => 0,
        };
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        let event = json!({ "type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", &event);
        self.call(
            "Input.dispatchKeyEvent",
            &json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }),
        );
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        text.chars().for_each(|letter| self.press(&letter.to_string()));
    }

    /// Sends an event of the mouse: `mouseMoved`, `mousePressed`, `mouseReleased`, and `mouseDragged` for a
    /// move with the button down.
    pub(crate) fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let (kind, button, buttons) = match kind {
            "mouseMoved" => (kind, "none", 0),
            "mouseDragged" => ("mouseMoved", "left", 1),
            "mousePressed" => (kind, "left", 1),
            _ => (kind, "left", 0),
        };
        let clicks = u8::from(kind != "mouseMoved");
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": clicks });
        self.call("Input.dispatchMouseEvent", &event);
    }

    pub(crate) fn click(&mut self, place: (f64, f64)) {
        ["mouseMoved", "mousePressed", "mouseReleased"].into_iter().for_each(|kind| self.mouse(kind, place));
    }

    pub(crate) fn wheel(&mut self, (x, y): (f64, f64), by: f64, modifiers: u8) {
        let event = json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": by, "modifiers": modifiers });
        self.call("Input.dispatchMouseEvent", &event);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close, it ends its own processes and writes nothing more to its folder.
        let mut socket = connect(self.port, &self.path);
        let _ = socket.set_read_timeout(Some(CLOSE_LIMIT));
        send(&mut socket, json!({ "id": 1, "method": "Browser.close" }).to_string().as_bytes());
        let _ = socket.read_to_end(&mut Vec::new());
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its helper processes may still write for a moment, and each file of theirs fails the removal.
        let until = Instant::now() + CLOSE_LIMIT;
        while fs::remove_dir_all(&self.profile).is_err() && self.profile.exists() && Instant::now() < until {
            thread::yield_now();
        }
    }
}

/// The path of the WebSocket of the browser's first page.
fn target(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
    stream.set_read_timeout(Some(ANSWER_LIMIT)).expect("the limit is not zero");
    let request = format!("GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the browser reads");
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("the browser answers");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the browser answers");
    let pages: Value = serde_json::from_slice(&body).expect("the list is JSON");
    let pages = pages.as_array().expect("it is a list");
    let page = pages.iter().find(|page| page["type"] == "page").expect("the browser has a page");
    let address = page["webSocketDebuggerUrl"].as_str().expect("a page has a socket");
    address.split_once(&port.to_string()).expect("the address has the port").1.to_owned()
}

fn connect(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the browser listens");
    stream.set_read_timeout(Some(ANSWER_LIMIT)).expect("the limit is not zero");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the browser reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the browser answers");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A text frame with a mask of zeros, as clients must have one.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend_from_slice(payload);
    frame
}

fn send(socket: &mut TcpStream, payload: &[u8]) {
    socket.write_all(&frame(payload)).expect("the browser reads");
}

/// Receives a message, which may come in several frames.
fn receive(socket: &mut TcpStream) -> Vec<u8> {
    let mut message = Vec::new();
    loop {
        let mut head = [0; 2];
        socket.read_exact(&mut head).expect("the browser answers in time");
        let length = match head[1] & 0x7F {
            126 => u64::from(u16::from_be_bytes(bytes(socket))),
            127 => u64::from_be_bytes(bytes(socket)),
            length => u64::from(length),
        };
        let start = message.len();
        // Pings and the like have no place in a message.
        message.resize(start + length as usize, 0);
        socket.read_exact(&mut message[start..]).expect("the browser answers in time");
        if head[0] & 0x0F > 2 {
            message.truncate(start);
        } else if head[0] & 0x80 != 0 {
            return message;
        }
    }
}

fn bytes<const N: usize>(socket: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    socket.read_exact(&mut bytes).expect("the browser answers in time");
    bytes
}

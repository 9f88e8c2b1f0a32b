//! Blurs an image on all cores: each row of the result is a job, which reads the whole image and writes its
//! own row.
//!
//! `cargo run --release -p brigade-pool --example blur -- IN.ppm OUT.ppm` blurs a file of the format PPM
//! (`P6`, which most viewers know). Without arguments it blurs an image that it makes up, and writes nothing.

use brigade_pool::for_each;
use brigade_trace::clock::timed;
use std::process::ExitCode;

/// How far the blur reaches, in pixels.
const RADIUS: usize = 8;
/// Bytes of a pixel: red, green, blue.
const CHANNELS: usize = 3;

#[derive(Clone, PartialEq)]
struct Image {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

/// Returns the mean of the pixels around `at` in a line, for one channel. `get` returns a pixel of the line.
fn mean(at: usize, len: usize, get: impl Fn(usize) -> u8) -> u8 {
    let window = at.saturating_sub(RADIUS)..(at + RADIUS + 1).min(len);
    let count = window.len() as u32;
    let sum: u32 = window.map(|n| u32::from(get(n))).sum();
    ((sum + count / 2) / count) as u8
}

impl Image {
    /// The mean over a square is the mean over rows of the means over columns, so two passes of lines do.
    fn row_of_horizontal_pass(&self, y: usize, row: &mut [u8]) {
        let line = &self.bytes[y * self.width * CHANNELS..][..self.width * CHANNELS];
        for (i, byte) in row.iter_mut().enumerate() {
            let (x, channel) = (i / CHANNELS, i % CHANNELS);
            *byte = mean(x, self.width, |x| line[x * CHANNELS + channel]);
        }
    }

    fn row_of_vertical_pass(&self, y: usize, row: &mut [u8]) {
        for (i, byte) in row.iter_mut().enumerate() {
            *byte = mean(y, self.height, |y| self.bytes[y * self.width * CHANNELS + i]);
        }
    }

    /// Returns an image whose rows `fill` has written, on all cores or on this thread.
    fn by_rows(&self, how: How, fill: impl Fn(usize, &mut [u8]) + Sync) -> Self {
        let mut result = Self { bytes: vec![0; self.bytes.len()], ..*self };
        let rows = result.bytes.chunks_mut(self.width * CHANNELS);
        match how {
            How::AllCores => {
                // Each row is borrowed by one job only, which the compiler checks.
                let mut rows: Vec<_> = rows.enumerate().collect();
                for_each(&mut rows, |(y, row)| fill(*y, row));
            }
            How::OneCore => rows.enumerate().for_each(|(y, row)| fill(y, row)),
        }
        result
    }

    fn blurred(&self, how: How) -> Self {
        let half = self.by_rows(how, |y, row| self.row_of_horizontal_pass(y, row));
        half.by_rows(how, |y, row| half.row_of_vertical_pass(y, row))
    }

    /// Reads the format PPM: `P6`, width, height and the largest value as text, then the bytes.
    fn from_ppm(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut rest = bytes.strip_prefix(b"P6").ok_or("it does not begin with P6, as a PPM image does")?;
        let mut numbers = [0_usize; 3];
        for number in &mut numbers {
            rest = rest.trim_ascii_start();
            while rest.first() == Some(&b'#') {
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                rest = rest[end..].trim_ascii_start();
            }
            let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let digits = std::str::from_utf8(&rest[..len]).unwrap_or_default();
            *number = digits.parse().map_err(|_| "its header lacks a number")?;
            rest = &rest[len..];
        }
        let [width, height, max] = numbers;
        if max != 255 {
            return Err("its largest value is not 255");
        }
        let len = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(CHANNELS));
        // One blank separates the header from the bytes.
        let bytes = len.filter(|len| *len > 0).and_then(|len| rest.get(1..)?.get(..len));
        Ok(Self { width, height, bytes: bytes.ok_or("it has fewer bytes than its header says")?.to_vec() })
    }

    fn to_ppm(&self) -> Vec<u8> {
        [format!("P6\n{} {}\n255\n", self.width, self.height).as_bytes(), &self.bytes].concat()
    }

    /// Makes up an image: a board of squares.
    fn made_up(width: usize, height: usize) -> Self {
        let colour = |i: usize| match (i % width / 40 + i / width / 40) % 2 {
            0 => [255, 250, 240],
            _ => [120, 20, 60],
        };
        Self { width, height, bytes: (0..width * height).flat_map(colour).collect() }
    }
}

#[derive(Clone, Copy)]
enum How {
    AllCores,
    OneCore,
}

fn blur(args: &[String]) -> Result<(), String> {
    let image = match args {
        [] => Image::made_up(400, 300),
        [from, _to] => {
            let bytes = std::fs::read(from).map_err(|error| format!("cannot read {from}: {error}"))?;
            Image::from_ppm(&bytes).map_err(|why| format!("cannot blur {from}: {why}"))?
        }
        _ => return Err("give a file to read and a file to write, or nothing".into()),
    };
    let (blurred, all_cores) = timed(|| image.blurred(How::AllCores));
    let (expected, one_core) = timed(|| image.blurred(How::OneCore));
    assert!(blurred == expected, "the order of the rows makes no difference");
    assert!(Image::from_ppm(&blurred.to_ppm()) == Ok(expected), "what is written can be read");
    if let [_, to] = args {
        std::fs::write(to, blurred.to_ppm()).map_err(|error| format!("cannot write {to}: {error}"))?;
    }
    println!("{} × {} pixels, radius {RADIUS}", image.width, image.height);
    println!("all cores: {all_cores:.1?}, one core: {one_core:.1?}");
    Ok(())
}

fn main() -> ExitCode {
    match blur(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blur: {error}");
            ExitCode::FAILURE
        }
    }
}

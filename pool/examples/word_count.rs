//! Counts the words of files on all cores, the classic of map and reduce: each piece of the text is counted
//! by itself, and the counts are merged on the way back.
//!
//! `cargo run --release -p brigade-pool --example word_count -- FILE…`. Without files it counts a text that
//! it makes up.

use brigade_pool::map_reduce;
use brigade_trace::clock::timed;
use std::{collections::HashMap, process::ExitCode};

/// How many bytes one piece has: enough work to be worth a job, and enough pieces for all cores.
const PIECE_BYTES: usize = 64 * 1024;
/// How many words are printed.
const SHOWN_WORDS: usize = 5;

type Counts<'a> = HashMap<&'a str, u64>;

/// Cuts the text into pieces that end between words.
fn pieces(text: &str) -> Vec<&str> {
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let enough = (PIECE_BYTES..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let end = rest[enough..].find(char::is_whitespace).map_or(rest.len(), |at| enough + at);
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn count(piece: &str) -> Counts<'_> {
    let mut counts = Counts::new();
    for word in piece.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// Adds the counts of the smaller table to the larger one. The order of the pieces makes no difference.
fn merge<'a>(one: Counts<'a>, other: Counts<'a>) -> Counts<'a> {
    let (mut large, small) = if one.len() < other.len() { (other, one) } else { (one, other) };
    for (word, count) in small {
        *large.entry(word).or_default() += count;
    }
    large
}

/// Makes up a text of as many words, always the same.
fn made_up(words: usize) -> String {
    const DISHES: [&str; 7] = ["soup", "salad", "bread", "cake", "tea", "crème", "soufflé"];
    let mut state = 1_u32;
    let mut next = || {
        // Numerical Recipes' generator. The upper bits are the good ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        DISHES[(state >> 16) as usize % DISHES.len()]
    };
    (0..words).map(|_| next()).collect::<Vec<_>>().join(" ")
}

fn main() -> ExitCode {
    let mut text = String::new();
    for path in std::env::args().skip(1) {
        match std::fs::read_to_string(&path) {
            Ok(more) => text += &(more + "\n"),
            Err(error) => {
                eprintln!("word_count: cannot read {path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if text.is_empty() {
        text = made_up(500_000);
    }

    let (counts, all_cores) =
        timed(|| map_reduce(&pieces(&text), Counts::new(), |piece| count(piece), merge));
    let (expected, one_core) = timed(|| count(&text));
    assert_eq!(counts, expected, "the pieces have the words of the whole");

    let mut words: Vec<_> = counts.into_iter().collect();
    words.sort_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
    for (word, count) in words.iter().take(SHOWN_WORDS) {
        println!("{count:9}  {word}");
    }
    println!("{} different words in {} bytes", words.len(), text.len());
    println!("all cores: {all_cores:.1?}, one core: {one_core:.1?}");
    ExitCode::SUCCESS
}

//! Tests of a worker that writes garbage into its ring: the pool's side never panics, and each call comes
//! out of the lane exactly once.

use super::{tests::Nobody, *};
use crate::{
    call::{
        Content,
        batch::{self, Batch, Pace},
    },
    wire::ring::Claim,
};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.below(256) as u8).collect()
    }

    /// A kind, mostly one that exists.
    fn kind(&mut self) -> u8 {
        self.below(16) as u8
    }
}

/// A call, or a batch of some, with this name.
fn call(name: u64, dice: &mut Dice) -> Call {
    let load = match dice.below(3) {
        0 => {
            let count = 1 + dice.below(20) as usize;
            let mut items = Vec::new();
            for _ in 0..count {
                let start = batch::begin_item(&mut items);
                items.push(7);
                batch::end_item(&mut items, start).unwrap();
            }
            Content::Batch(Batch::new(Arc::new(items), 0, 0, count, Arc::new(Pace::new(None))))
        }
        1 => Content::One(dice.bytes(2_000)),
        _ => Content::One(Vec::new()),
    };
    Call::new(name, load, Arc::new(Nobody))
}

/// Does one thing to the ring, as the worker.
fn rave(lane: &Lane, cursor: &mut u64, dice: &mut Dice) {
    let ring = lane.ring();
    let number = lane.tail + dice.below(lane.load() + 2);
    match dice.below(12) {
        0..5 => {
            // A good worker's step, with an answer that may make no sense.
            if ring.claim(*cursor) == Claim::NotYet {
                return;
            }
            let place =
                [Place::Inline, Place::Stream, Place::Wide(dice.below(6) as u8)][dice.below(3) as usize];
            let payload = dice.bytes(INLINE_BYTES as u64);
            let length =
                if dice.below(3) == 0 { dice.below(INLINE_BYTES as u64) as usize } else { payload.len() };
            let head = Head { kind: dice.kind(), place, length, name: dice.below(1 << 40) };
            ring.finish(*cursor, head, &payload);
            *cursor += 1;
            ring.advance(*cursor);
        }
        5 => *cursor = number,
        6 => ring.advance(dice.below(lane.head + 3)),
        7 => ring.begin_item(number, dice.below(1 << 24) as usize),
        8 => {
            let mut records = Vec::new();
            for _ in 0..dice.below(30) {
                batch::push_record(&mut records, Kind::Value, &[1]);
            }
            let count = dice.below(40) as usize;
            ring.begin_item(number, count);
            ring.publish_records(number, dice.below(6) as u8, &records, 0, count);
        }
        9 => {
            // The states are small numbers below the call's own.
            let state = number << 3 | dice.below(8);
            lane.memory[24 + (number % SLOTS) as usize * 32].store(state, Ordering::Relaxed);
        }
        10 => lane.memory[dice.below(24) as usize].store(dice.below(u64::MAX), Ordering::Relaxed),
        _ => {
            let word = dice.below(WORDS as u64) as usize;
            lane.memory[word].store(dice.below(u64::MAX), Ordering::Relaxed);
        }
    }
}

/// Does one thing to the lane, as the pool. Calls that it takes back are appended to `taken`.
fn manage(lane: &mut Lane, given: &mut Vec<usize>, dice: &mut Dice, done: &mut Done, taken: &mut Vec<Call>) {
    match dice.below(8) {
        0..3 => {
            let next = call(given.len() as u64, dice);
            if lane.has_room_for(&next, 2) {
                given.push(next.count());
                lane.give(next);
            }
        }
        3 => _ = lane.harvest(done),
        4 => taken.extend(lane.reclaim_half()),
        5 => {
            let name = dice.below(given.len() as u64 + 1);
            taken.extend(lane.reclaim(|call| call.name == name));
        }
        6 => {
            let number = lane.tail + dice.below(lane.load() + 2);
            if let Ok(answer) = Answer::from_parts(Kind::Value, dice.bytes(9)) {
                lane.answered(number, answer, dice.below(1_000), done);
            }
        }
        _ => {
            lane.is_ripe();
            if lane.left_to_split() > 0 {
                lane.ask_to_stop();
            }
        }
    }
    taken.append(&mut lane.leftovers);
}

#[test]
fn each_call_leaves_a_ravaged_ring_once() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut lane = Lane::new().unwrap().1;
        lane.open = true;
        // How many items each call has, by its name.
        let (mut given, mut cursor) = (Vec::new(), 1);
        let (mut done, mut taken) = (Done::new(), Vec::new());
        for _ in 0..dice.below(300) {
            rave(&lane, &mut cursor, &mut dice);
            manage(&mut lane, &mut given, &mut dice, &mut done, &mut taken);
        }
        lane.harvest(&mut done);
        taken.append(&mut lane.leftovers);
        let (unbegun, again) = lane.dissolve(&Lost::Killed { signal: 9 }, &mut done);
        let mut items: HashMap<(u64, usize), u32> = HashMap::new();
        let whole = done.into_iter().map(|(call, _)| call).chain(taken).chain(unbegun).chain(again);
        for call in whole {
            let first = match &call.content {
                Content::One(_) => 0,
                Content::Batch(batch) => batch.first,
            };
            for item in first..first + call.count() {
                *items.entry((call.name, item)).or_default() += 1;
            }
        }
        let twice: Vec<_> = items.iter().filter(|&(_, &count)| count != 1).collect();
        assert!(twice.is_empty(), "seed {seed}: calls came out more than once: {twice:?}");
        assert_eq!(items.len(), given.iter().sum::<usize>(), "seed {seed}: calls are lost");
    }
}

//! Sites: the places in the program that wait and spawn, as small numbers.
//!
//! The table is a hash table of pointers with open addressing. An entry is set once and never changed, so
//! reading takes no lock, and a forked child finds each entry set or not, and no lock that is held. The
//! number of a site is its position in the table plus one.

use crate::{
    Id, Kind,
    local::{self, Local},
    on, record, registry,
    shared::Named,
};
use std::{
    fmt,
    panic::Location,
    ptr,
    sync::atomic::{
        AtomicPtr, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
};

/// The table has room for this many sites. A program with more of them has sites without a number.
const SITES: usize = 1 << 13;

static TABLE: [AtomicPtr<Location<'static>>; SITES] = [const { AtomicPtr::new(ptr::null_mut()) }; SITES];

/// The sites that were asked for lately, by the addresses of their locations: the address, and the number in
/// the lowest bits. Hashing a location would cost as much as the rest of an event.
static RECENT: [AtomicU64; RECENT_SITES] = [const { AtomicU64::new(0) }; RECENT_SITES];
const RECENT_SITES: usize = 256;
/// The bits that hold the number.
const NUMBER_BITS: u32 = 14;

/// A place in the program: a file, a line and a column, as a small number that an event can hold.
///
/// ```
/// use brigade_trace::{Session, Site};
///
/// assert_eq!(Site::here(), Site::NONE, "nobody records");
/// let _session = Session::start(16).unwrap();
/// let (one, other) = (Site::here(), Site::here());
/// assert_ne!(one, other, "they are two places of one line");
/// assert_eq!(Site::from_number(one.number()), one);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Site(u16);

impl Site {
    /// The place that is not known.
    pub const NONE: Self = Self(0);

    /// Returns the place of the caller while a session runs, and otherwise [`NONE`](Self::NONE), which costs
    /// nothing.
    #[inline(always)]
    #[track_caller]
    pub fn here() -> Self {
        if on() { Self::of(Location::caller()) } else { Self::NONE }
    }

    /// Returns the site of a location. It is [`NONE`](Self::NONE) if the program has too many.
    ///
    /// ```
    /// use brigade_trace::Site;
    /// use std::panic::Location;
    ///
    /// let here = Location::caller();
    /// assert_eq!(Site::of(here), Site::of(here));
    /// assert_eq!(Site::of(here).location(), Some(here));
    /// ```
    #[inline]
    pub fn of(location: &'static Location<'static>) -> Self {
        let address = ptr::from_ref(location).addr() as u64;
        let recent = &RECENT[(address >> 3) as usize % RECENT_SITES];
        // Relaxed: the word says it all, and a location is never changed.
        let found = recent.load(Relaxed);
        if found >> NUMBER_BITS == address && found != 0 {
            return Self((found & ((1 << NUMBER_BITS) - 1)) as u16);
        }
        let site = Self::find(location);
        // An address of more than 50 bits fits nowhere, and is never found.
        recent.store(address << NUMBER_BITS | site.number(), Relaxed);
        site
    }

    fn find(location: &'static Location<'static>) -> Self {
        let ours = ptr::from_ref(location).cast_mut();
        let first = first_position(location);
        for position in (first..SITES).chain(0..first) {
            let entry = &TABLE[position];
            // Acquire, here and below, pairs with the Release of the exchange.
            let mut found = entry.load(Acquire);
            if found.is_null() {
                match entry.compare_exchange(ptr::null_mut(), ours, AcqRel, Acquire) {
                    Ok(_) => {
                        found = ours;
                        if on() {
                            registry::tell(Named::Site, position as u64 + 1, &location.to_string());
                        }
                    }
                    Err(theirs) => found = theirs,
                }
            }
            // The compiler may store one location several times, so the content counts.
            if found == ours || entry_at(position) == Some(location) {
                return Self(position as u16 + 1);
            }
        }
        Self::NONE
    }

    /// Returns the site that spawned the task or job that this thread runs, for a wait that has no place of
    /// its own.
    ///
    /// ```
    /// use brigade_trace::{Domain, Origin, Session, Site};
    ///
    /// let _session = Session::start(16).unwrap();
    /// let task = Origin::spawned(Domain::Task);
    /// task.begin(Domain::Task);
    /// assert_eq!(Site::of_current(), task.site());
    /// ```
    pub fn of_current() -> Self {
        local::with(Local::site)
    }

    /// Returns the number, which is 0 for [`NONE`](Self::NONE).
    #[inline]
    pub fn number(self) -> u64 {
        self.0.into()
    }

    /// Returns the site with this number. A number that is none of a site gives [`NONE`](Self::NONE).
    pub fn from_number(number: u64) -> Self {
        Self(u16::try_from(number).ok().filter(|&number| usize::from(number) <= SITES).unwrap_or(0))
    }

    /// Returns the location, if the number is one that [`of`](Self::of) has given out in this process.
    pub fn location(self) -> Option<&'static Location<'static>> {
        entry_at(usize::from(self.0).checked_sub(1)?)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            Some(location) => write!(f, "Site({}: {location})", self.0),
            None => write!(f, "Site({})", self.0),
        }
    }
}

/// Records that this work was spawned at the place of the caller.
///
/// ```
/// use brigade_trace::{Domain, Kind, Session, Site, fresh_id, record_spawn};
///
/// let session = Session::start(16).unwrap();
/// record_spawn(fresh_id(Domain::Job));
/// let trace = session.stop();
/// let spawn = trace.events().find(|event| event.kind == Kind::Spawn).unwrap();
/// assert!(Site::from_number(spawn.detail).location().is_some());
/// ```
#[inline(always)]
#[track_caller]
pub fn record_spawn(id: Id) {
    if on() {
        record_spawn_at(id, Location::caller());
    }
}

#[cold]
fn record_spawn_at(id: Id, at: &'static Location<'static>) {
    record(Kind::Spawn, id, Site::of(at).number());
}

/// Returns the position at which the search for a location begins.
fn first_position(location: &Location<'_>) -> usize {
    /// 2⁶⁴ divided by the golden ratio, which spreads near numbers (Knuth, volume 3, section 6.4).
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
    let file = location.file();
    let last = file.bytes().rev().take(8).fold(file.len() as u64, |sum, byte| sum << 7 ^ u64::from(byte));
    let place = u64::from(location.line()) << 8 ^ u64::from(location.column());
    let spread = (last ^ place.wrapping_mul(SPREAD)).wrapping_mul(SPREAD);
    (spread >> 32) as usize % SITES
}

fn entry_at(position: usize) -> Option<&'static Location<'static>> {
    let entry = TABLE.get(position)?.load(Acquire);
    // SAFETY: an entry is null or was made from a `&'static Location` by `Site::of`, and is never changed.
    unsafe { entry.as_ref() }
}

/// Returns all sites that have a number, with their places.
pub(crate) fn all() -> impl Iterator<Item = (u64, String)> {
    (0..SITES).filter_map(|position| Some((position as u64 + 1, entry_at(position)?.to_string())))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn many_threads_agree_about_the_numbers() {
        let here = [Location::caller(), Location::caller(), Location::caller()];
        let ask = move || here.map(Site::of);
        let threads: Vec<_> = (0..8).map(|_| thread::spawn(ask)).collect();
        let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0].map(|site| site.location()), here.map(Some));
        assert_ne!(answers[0][0], answers[0][1]);
    }

    #[test]
    fn an_unknown_number_has_no_location() {
        assert_eq!(Site::from_number(u64::MAX), Site::NONE);
        assert_eq!(Site::NONE.location(), None);
    }
}

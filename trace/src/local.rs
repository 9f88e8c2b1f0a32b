//! The state of a thread: what it runs, what it is, and the stamp that its next event may share.

use crate::{clock, event::Cause, export::Lane, site::Site};
use brigade_handle::{Domain, Id, observe};
use std::cell::{Cell, RefCell};

/// The state of this thread.
pub(crate) struct Local {
    /// The innermost task, job or call that it runs.
    current: Cell<Id>,
    /// The site that spawned it, if that is known.
    site: Cell<Site>,
    /// The site of the `block_on` whose future it polls, outside of all runs.
    root_site: Cell<Site>,
    /// How many runs there are, one within the other.
    depth: Cell<usize>,
    /// The [period](observe::period) in which that was told. If it ends within a run, nobody hears of the
    /// run's end.
    current_since: Cell<u64>,
    /// The stamp of the end of a run, if nothing has happened on this thread since. 0: something has.
    end_of_run: Cell<u64>,
    /// The cause of the wake-ups that it records.
    pub(crate) cause: Cell<Cause>,
    /// The worker or thread that it is, if that is known yet.
    pub(crate) own: Cell<Id>,
    pub(crate) lane: Cell<Lane>,
}

thread_local! {
    // Without a destructor, so that it is there until the very end of the thread.
    static LOCAL: Local = const {
        Local {
            current: Cell::new(Id::NONE),
            site: Cell::new(Site::NONE),
            root_site: Cell::new(Site::NONE),
            depth: Cell::new(0),
            current_since: Cell::new(0),
            end_of_run: Cell::new(0),
            cause: Cell::new(Cause::Unknown),
            own: Cell::new(Id::NONE),
            lane: Cell::new(Lane::Thread),
        }
    };
    /// The runs around the innermost one. A thread that is ending has none any more.
    static OUTER: RefCell<Vec<(Id, Site)>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with the state of this thread.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(&Local) -> R) -> R {
    LOCAL.with(f)
}

impl Local {
    /// Returns what this thread runs.
    #[inline]
    pub(crate) fn current(&self) -> Id {
        if self.current_since.get() == observe::period() { self.current.get() } else { Id::NONE }
    }

    /// Returns the site that spawned what this thread runs, or the site of the `block_on` that it is in.
    pub(crate) fn site(&self) -> Site {
        if self.current() == Id::NONE { self.root_site.get() } else { self.site.get() }
    }

    /// This thread polls the future of a `block_on` at this site, until the site from before is back.
    pub(crate) fn set_root_site(&self, site: Site) -> Site {
        self.root_site.replace(site)
    }

    /// A run begins, of work that was spawned at this site.
    #[inline]
    pub(crate) fn begin(&self, id: Id, site: Site) {
        let period = observe::period();
        if self.current_since.replace(period) != period {
            self.forget_runs();
        }
        if self.depth.get() > 0 {
            self.nest();
        }
        self.depth.set(self.depth.get() + 1);
        self.current.set(id);
        self.site.set(site);
    }

    #[cold]
    #[inline(never)]
    fn forget_runs(&self) {
        self.depth.set(0);
        self.current.set(Id::NONE);
        let _ = OUTER.try_with(|outer| outer.borrow_mut().clear());
    }

    #[inline(never)]
    fn nest(&self) {
        let _ = OUTER.try_with(|outer| outer.borrow_mut().push((self.current.get(), self.site.get())));
    }

    /// A run ends. Returns false if its begin is not known.
    #[inline]
    pub(crate) fn end(&self, id: Id) -> bool {
        if self.current_since.get() != observe::period() || self.depth.get() == 0 {
            return false;
        }
        if self.depth.get() == 1 && self.current.get() == id {
            self.depth.set(0);
            self.current.set(Id::NONE);
            return true;
        }
        self.end_nested(id)
    }

    /// The runs within the one that ends have ended as well, unheard.
    #[inline(never)]
    fn end_nested(&self, id: Id) -> bool {
        let ended = OUTER.try_with(|outer| {
            let mut outer = outer.borrow_mut();
            outer.push((self.current.get(), self.site.get()));
            let Some(place) = outer.iter().rposition(|&(running, _)| running == id) else {
                outer.pop();
                return false;
            };
            outer.truncate(place);
            self.depth.set(place);
            let (current, site) = outer.pop().unwrap_or_default();
            self.current.set(current);
            self.site.set(site);
            true
        });
        ended.unwrap_or(false)
    }

    /// Whether this thread runs it, perhaps around something else.
    #[inline]
    pub(crate) fn runs(&self, id: Id) -> bool {
        self.current() == id || self.depth.get() > 1 && self.runs_around(id)
    }

    #[inline(never)]
    fn runs_around(&self, id: Id) -> bool {
        let any = OUTER.try_with(|outer| outer.borrow().iter().any(|&(running, _)| running == id));
        any.unwrap_or(false)
    }

    /// Whether it runs nothing, right after the end of a run.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.depth.get() == 0
    }

    /// Returns the id of this thread.
    #[inline]
    pub(crate) fn own(&self) -> Id {
        match self.own.get() {
            Id::NONE => self.ask_own(),
            own => own,
        }
    }

    #[cold]
    fn ask_own(&self) -> Id {
        let own = Id::new(Domain::Thread, clock::tid());
        self.own.set(own);
        own
    }

    /// Returns the stamp of an event that comes right after the end of a run: the same one, because taking a
    /// stamp costs more than all the rest of an event.
    #[inline]
    pub(crate) fn stamp_after_run(&self) -> u64 {
        match self.end_of_run.get() {
            0 => clock::stamp(),
            at => at,
        }
    }

    /// A run has ended at this stamp. 0: something else happened since the last one.
    #[inline]
    pub(crate) fn set_end_of_run(&self, at: u64) {
        self.end_of_run.set(at);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn runs_nest_and_a_lost_end_does_no_harm() {
        let [cook, baker, guest] = [1, 2, 3].map(|number| Id::new(Domain::Task, number));
        with(|local| {
            assert!(!local.end(cook));
            for id in [cook, baker, guest] {
                local.begin(id, Site::NONE);
                assert_eq!(local.current(), id);
            }
            assert!(local.runs(cook) && local.runs(guest));
            assert!(local.end(guest));
            assert_eq!((local.current(), local.runs(guest)), (baker, false));
            local.begin(guest, Site::NONE);
            assert!(!local.end(Id::new(Domain::Task, 4)));
            assert_eq!(local.current(), guest);
            // The ends of the guest and the baker are not heard.
            assert!(local.end(cook));
            assert_eq!(local.current(), Id::NONE);
            local.begin(baker, Site::NONE);
            assert!(local.end(baker) && !local.end(baker));
        });
    }
}

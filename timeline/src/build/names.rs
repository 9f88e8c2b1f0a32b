//! The names of units, sites and resources, each by a number.

use crate::model::{Link, Resource};
use brigade_trace::{Domain, Id, Recording};
use std::collections::HashMap;

/// An id within the process that drew it. Calls and child processes belong to all processes of a recording.
pub(super) type Key = (u32, Id);

/// Texts and resources that were seen, each once.
pub(super) struct Names<'a> {
    recording: &'a Recording,
    pub(super) texts: Vec<String>,
    numbers: HashMap<&'a str, Link>,
    pub(super) resources: Vec<Resource>,
    resource_links: HashMap<Key, Link>,
}

impl<'a> Names<'a> {
    pub(super) fn of(recording: &'a Recording) -> Self {
        let (texts, numbers) = (Vec::new(), HashMap::new());
        Self { recording, texts, numbers, resources: Vec::new(), resource_links: HashMap::new() }
    }

    fn link(&mut self, text: &'a str) -> Link {
        let texts = &mut self.texts;
        *self.numbers.entry(text).or_insert_with(|| {
            texts.push(text.to_owned());
            Link::to(texts.len() - 1)
        })
    }

    /// The place in the program that a site of this segment stands for.
    pub(super) fn site(&mut self, segment: usize, site: u64) -> Link {
        let recording = self.recording;
        recording.segments[segment].trace.sites.get(&site).map_or(Link::NONE, |text| self.link(text))
    }

    /// The name that the program gave to this id.
    pub(super) fn label(&mut self, segment: usize, id: Id) -> Link {
        let recording = self.recording;
        recording.segments[segment].trace.labels.get(&id).map_or(Link::NONE, |text| self.link(text))
    }

    /// The resource with this id; `unit` finds the unit that has the id.
    pub(super) fn resource(&mut self, segment: usize, key: Key, unit: impl FnOnce() -> Link) -> Link {
        if key.1 == Id::NONE {
            return Link::NONE;
        }
        if let Some(&link) = self.resource_links.get(&key) {
            return link;
        }
        let label = self.recording.segments[segment].trace.labels.get(&key.1);
        let name =
            label.map_or_else(|| key.1.to_string(), |label| format!("{} {label}", key.1.domain().name()));
        self.resources.push(Resource { name, unit: unit() });
        let link = Link::to(self.resources.len() - 1);
        self.resource_links.insert(key, link);
        link
    }
}

/// Whether events about this id are about a unit, which has spans of its own.
pub(super) fn is_unit(id: Id) -> bool {
    matches!(id.domain(), Domain::Task | Domain::Job | Domain::Call | Domain::Future | Domain::Child)
}

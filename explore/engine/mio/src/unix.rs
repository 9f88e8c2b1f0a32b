//! Descriptors and pipes.

use crate::{
    Interest, Registry, Token, event,
    network::{self, Id},
    poll::Selector,
    socket,
};
use std::{io, os::fd::RawFd};

pub mod pipe;

/// As [`os::unix::SourceFd`]. Within a run it may be the descriptor of a simulated socket.
#[derive(Debug)]
pub struct SourceFd<'a>(pub &'a RawFd);

impl SourceFd<'_> {
    fn object(&self) -> io::Result<Id> {
        let found = network::with(|network| network.object_of(*self.0));
        found.map_or_else(|| socket::refuse("descriptor"), Ok)
    }
}

impl event::Source for SourceFd<'_> {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match &registry.0 {
            Selector::Os(os) => os.register(&mut os::unix::SourceFd(self.0), token, interests),
            Selector::Simulated(_) => socket::register(registry, self.object()?, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match &registry.0 {
            Selector::Os(os) => os.reregister(&mut os::unix::SourceFd(self.0), token, interests),
            Selector::Simulated(_) => {
                let id = self.object()?;
                network::with(|network| network.deregister(id))?;
                socket::register(registry, id, token, interests)
            }
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &registry.0 {
            Selector::Os(os) => os.deregister(&mut os::unix::SourceFd(self.0)),
            Selector::Simulated(_) => {
                let id = self.object()?;
                network::with(|network| network.deregister(id))
            }
        }
    }
}

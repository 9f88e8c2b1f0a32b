//! The names of sockets: addresses of the network, paths and abstract names.

use super::{Id, Network, Object, errno};
use crate::sys;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{
        linux::net::SocketAddrExt,
        unix::{ffi::OsStrExt, net},
    },
};

/// The first port that is given to a socket without one.
pub(super) const FIRST_PORT: u16 = 49_152;

/// The name of a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Address(SocketAddr),
    Path(Vec<u8>),
    Abstract(Vec<u8>),
    Unnamed,
}

/// The families of sockets. A name may be bound once in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Tcp,
    Udp,
    UnixStream,
    UnixDatagram,
}

impl Name {
    /// Returns the address, or an error if it is the name of a Unix socket.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        match *self {
            Self::Address(address) => Ok(address),
            _ => Err(errno(sys::EAFNOSUPPORT)),
        }
    }

    /// Returns the name as a Unix socket has it.
    pub(crate) fn to_unix(&self) -> io::Result<net::SocketAddr> {
        match self {
            Self::Path(path) => net::SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
            Self::Abstract(name) => net::SocketAddr::from_abstract_name(name),
            Self::Unnamed | Self::Address(_) => net::SocketAddr::from_pathname(""),
        }
    }

    pub(crate) fn from_unix(address: &net::SocketAddr) -> Self {
        if let Some(path) = address.as_pathname() {
            Self::Path(path.as_os_str().as_bytes().to_vec())
        } else if let Some(name) = address.as_abstract_name() {
            Self::Abstract(name.to_vec())
        } else {
            Self::Unnamed
        }
    }
}

/// Returns the address of the machine itself, of the same version.
fn loopback(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Returns the address that a call for this one reaches: the machine itself if it names no machine.
pub(super) fn reached(address: SocketAddr) -> SocketAddr {
    let ip = address.ip();
    SocketAddr::new(if ip.is_unspecified() { loopback(ip) } else { ip }, address.port())
}

impl Network {
    /// Binds an object. An address with port 0 gets a free port. Returns the name.
    pub(super) fn bind(&mut self, family: Family, name: &Name, id: Id) -> io::Result<Name> {
        let name = match *name {
            Name::Address(address) if address.port() == 0 => {
                let port = self.free_port(family)?;
                Name::Address(SocketAddr::new(address.ip(), port))
            }
            ref name => name.clone(),
        };
        if self.is_bound(family, &name) {
            return Err(errno(sys::EADDRINUSE));
        }
        if name != Name::Unnamed {
            self.bound.insert((family, name.clone()), id);
        }
        Ok(name)
    }

    /// Returns the address of a socket that connects to `peer` without having been bound.
    pub(super) fn local_address(&mut self, family: Family, peer: SocketAddr) -> io::Result<Name> {
        Ok(Name::Address(SocketAddr::new(peer.ip(), self.free_port(family)?)))
    }

    fn free_port(&mut self, family: Family) -> io::Result<u16> {
        let has = |network: &Self, port: u16| {
            network.bound.keys().any(|(other, name)| {
                *other == family && matches!(name, Name::Address(address) if address.port() == port)
            })
        };
        for _ in FIRST_PORT..u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !has(self, port) {
                return Ok(port);
            }
        }
        Err(errno(sys::EADDRINUSE))
    }

    fn is_bound(&self, family: Family, name: &Name) -> bool {
        let Name::Address(address) = name else { return self.bound.contains_key(&(family, name.clone())) };
        self.bound.keys().any(|(other, bound)| match bound {
            Name::Address(bound) if *other == family && bound.port() == address.port() => {
                let is_same_version = bound.is_ipv4() == address.is_ipv4();
                let is_any = bound.ip().is_unspecified() || address.ip().is_unspecified();
                bound.ip() == address.ip() || is_same_version && is_any
            }
            _ => false,
        })
    }

    /// Returns the object that has this name, or the unspecified address with its port.
    pub(super) fn find(&self, family: Family, name: &Name) -> Option<Id> {
        let exact = self.bound.get(&(family, name.clone()));
        let any = match name {
            Name::Address(address) => {
                let ip = match address.ip() {
                    IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
                    IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                };
                self.bound.get(&(family, Name::Address(SocketAddr::new(ip, address.port()))))
            }
            _ => None,
        };
        exact.or(any).copied()
    }

    /// Returns the name that an object was bound to or was given.
    pub(crate) fn local_name(&self, id: Id) -> io::Result<Name> {
        match self.objects.get(&id) {
            Some(Object::Stream(stream)) => Ok(stream.local.clone()),
            Some(Object::Listener(listener)) => Ok(listener.local.clone()),
            Some(Object::Datagrams(socket)) => Ok(socket.local.clone()),
            None => Err(super::gone()),
        }
    }

    /// Returns the name of the other end.
    pub(crate) fn peer_name(&self, id: Id) -> io::Result<Name> {
        let name = match self.objects.get(&id) {
            Some(Object::Stream(stream)) => stream.remote_if_connected(),
            Some(Object::Datagrams(socket)) => socket.peer_name(),
            Some(Object::Listener(_)) => None,
            None => return Err(super::gone()),
        };
        name.ok_or_else(|| errno(sys::ENOTCONN))
    }
}

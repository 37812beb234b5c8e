//! The network of a sandbox that has one: its loopback, and sockets that listen there for the supervisor.
//!
//! The supervisor never enters the namespace: init makes the sockets while it still has its privileges, hands them
//! over and closes them. Whoever connects to one talks to the supervisor, and there is nobody else to connect to.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use stockade_plan::{LOOPBACK, Network};

use crate::steps::{During, Fault};
use crate::sys;

/// Does what the plan asks for. Without listeners nothing is done: the loopback of a new namespace is down.
pub(super) fn listen(network: &Network, supervisor: BorrowedFd<'_>) -> Result<(), Fault> {
    let Network::Listeners { ports } = network else { return Ok(()) };
    let family = AddressFamily::Inet;
    let control =
        socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).during("socket", "loopback")?;
    if !sys::loopback_up(control.as_fd()).during("SIOCSIFFLAGS", LOOPBACK)? {
        return Err(Fault::new("SIOCGIFFLAGS: the interface is not up", LOOPBACK, Errno::ENETDOWN));
    }
    Ok(stockade_inside::listen(ports, supervisor)?)
}

/// Whether somebody listens there. All else is nowhere: there is no route, or nobody. An IPv4 address may be mapped into
/// IPv6, and the unspecified one is the host itself; ipv6(7), ip(7).
pub(super) fn reaches(network: &Network, address: SocketAddr) -> bool {
    let IpAddr::V4(host) = address.ip().to_canonical() else { return false };
    (host.is_loopback() || host.is_unspecified())
        && network.ports().iter().any(|port| port.get() == address.port())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn asked() -> Network {
        let ports = [443, 80].map(|port| NonZeroU16::new(port).unwrap());
        Network::Listeners { ports: ports.to_vec().try_into().unwrap() }
    }

    #[test]
    fn what_listens_is_reached_and_nothing_else() {
        let reached = |network: &Network, address: &str| reaches(network, address.parse().unwrap());
        for address in ["127.0.0.1:443", "127.64.0.7:80", "0.0.0.0:80", "[::ffff:127.0.0.1]:443"] {
            assert!(reached(&asked(), address), "{address}");
        }
        for address in ["127.0.0.1:22", "192.0.2.7:443", "[::1]:443", "[::]:443", "[::ffff:192.0.2.7]:80"] {
            assert!(!reached(&asked(), address), "{address}");
        }
        assert!(!reached(&Network::None, "127.0.0.1:443"));
    }
}

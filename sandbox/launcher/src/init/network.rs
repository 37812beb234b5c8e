//! The network of a sandbox that has one: its loopback, and sockets that listen there for the supervisor.
//!
//! The supervisor never enters the namespace: init makes the sockets while it still has its privileges, hands them
//! over and closes them. Whoever connects to one talks to the supervisor, and there is nobody else to connect to.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, SockaddrIn, bind,
    listen as listen_on, sendmsg, setsockopt, socket, sockopt,
};
use stockade_plan::{Network, NetworkFound};

use crate::job::evidence::too_many;
use crate::steps::{During, Fault};
use crate::sys;

/// Connections that wait to be accepted, for each port.
const BACKLOG: i32 = 32;
/// What the kernel buffers of a connection each way, bytes; connections inherit it. Unbounded by this it would grow
/// to megabytes of memory that is not charged to the job.
const BUFFER: usize = 256 * 1024;
/// The one interface there is.
const LOOPBACK: &str = "lo";
/// A table of a namespace with one interface and few sockets is short, bytes.
const TABLE_MAX: u64 = 256 * 1024;

/// Does what the plan asks for. Without listeners nothing is done: the loopback of a new namespace is down.
pub(super) fn listen(network: &Network, supervisor: BorrowedFd<'_>) -> Result<(), Fault> {
    let Network::Listeners { ports } = network else { return Ok(()) };
    let family = AddressFamily::Inet;
    let control =
        socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).during("socket", "loopback")?;
    if !sys::loopback_up(control.as_fd()).during("SIOCSIFFLAGS", LOOPBACK)? {
        return Err(Fault::new("SIOCGIFFLAGS: the interface is not up", LOOPBACK, Errno::ENETDOWN));
    }
    let listeners = ports.iter().map(|port| listener(*port)).collect::<Result<Vec<_>, _>>()?;
    hand_over(&listeners, supervisor).during("sendmsg", "listeners")
}

fn listener(port: NonZeroU16) -> Result<OwnedFd, Fault> {
    let name = format!("listener on port {port}");
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Inet, SockType::Stream, flags, None).during("socket", &name)?;
    setsockopt(&listener, sockopt::RcvBuf, &BUFFER).during("SO_RCVBUF", &name)?;
    setsockopt(&listener, sockopt::SndBuf, &BUFFER).during("SO_SNDBUF", &name)?;
    bind(listener.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port.get())).during("bind", &name)?;
    let backlog = Backlog::new(BACKLOG).during("listen", &name)?;
    listen_on(&listener, backlog).during("listen", &name)?;
    Ok(listener)
}

/// One message of one byte, with all of them in the order of the plan. The supervisor reads nothing else here.
fn hand_over(listeners: &[OwnedFd], supervisor: BorrowedFd<'_>) -> nix::Result<()> {
    let raw: Vec<RawFd> = listeners.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<()>(supervisor.as_raw_fd(), &[IoSlice::new(b"n")], &rights, flags, None).map(drop)
}

/// Whether somebody listens there. All else is nowhere: there is no route, or nobody. An IPv4 address may be mapped into
/// IPv6, and the unspecified one is the host itself; ipv6(7), ip(7).
pub(super) fn reaches(network: &Network, address: SocketAddr) -> bool {
    let IpAddr::V4(host) = address.ip().to_canonical() else { return false };
    (host.is_loopback() || host.is_unspecified())
        && network.ports().iter().any(|port| port.get() == address.port())
}

/// What the namespace holds, as a process of the job reads it; `None` where the plan asks for nothing.
pub(crate) fn found(asked: &Network) -> Result<Option<NetworkFound>, Fault> {
    if *asked == Network::None {
        return Ok(None);
    }
    let interfaces: Vec<String> = table("dev")?
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect();
    // The first line of `route` names its columns; the device is the first one there, the last one in `ipv6_route`.
    let v4 = table("route")?;
    let v4 = v4.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let v6 = table("ipv6_route")?;
    let v6 = v6.lines().filter_map(|line| line.split_whitespace().next_back());
    let elsewhere = v4.chain(v6).filter(|device| *device != LOOPBACK).count();
    Ok(Some(NetworkFound {
        interfaces: interfaces.try_into().map_err(|bound| too_many("interfaces", bound))?,
        loopback_up: table("fib_trie")?.lines().any(|line| line.trim_start().ends_with("-- 127.0.0.1")),
        routes_elsewhere: u32::try_from(elsewhere).unwrap_or(u32::MAX),
        listening: listening(asked)?.try_into().map_err(|bound| too_many("listeners", bound))?,
    }))
}

/// The ports, if there are as many TCP sockets as ports: no others can be open yet. `sockstat` is asked because the
/// tables of sockets, which name their ports, are those of the whole host, and take tens of milliseconds to read; the
/// supervisor reads the port of each socket that it is handed.
fn listening(asked: &Network) -> Result<Vec<u16>, Fault> {
    let open = in_use(&table("sockstat")?, "TCP:") + in_use(&table("sockstat6")?, "TCP6:");
    let mut ports: Vec<u16> = asked.ports().iter().map(|port| port.get()).collect();
    ports.sort_unstable();
    if open == ports.len() {
        return Ok(ports);
    }
    Err(Fault::new("read back", format!("{open} TCP sockets, {} listeners", ports.len()), Errno::EPROTO))
}

/// The number behind `inuse` in the line of a protocol.
fn in_use(table: &str, protocol: &str) -> usize {
    let mut words =
        table.lines().find_map(|line| line.strip_prefix(protocol)).unwrap_or_default().split_whitespace();
    words.find(|word| *word == "inuse").and_then(|_| words.next()?.parse().ok()).unwrap_or_default()
}

/// A table of the caller's network namespace, proc(5); empty where the kernel has no such protocol.
fn table(name: &str) -> Result<String, Fault> {
    let path = format!("/proc/self/net/{name}");
    let mut text = String::new();
    match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => {
            let read = opened.and_then(|file| file.take(TABLE_MAX).read_to_string(&mut text));
            read.during("read", &path)?;
        }
    }
    Ok(text)
}

/// Whether that is what the plan asks for and nothing else.
pub(crate) fn holds(found: Option<&NetworkFound>, asked: &Network) -> bool {
    match (found, asked) {
        (None, Network::None) => true,
        (Some(found), Network::Listeners { ports }) => {
            let mut ports: Vec<u16> = ports.iter().map(|port| port.get()).collect();
            ports.sort_unstable();
            found.interfaces.as_slice() == [LOOPBACK]
                && found.loopback_up
                && found.routes_elsewhere == 0
                && found.listening.as_slice() == ports
        }
        (None, Network::Listeners { .. }) | (Some(_), Network::None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Network {
        let ports = [443, 80].map(|port| NonZeroU16::new(port).unwrap());
        Network::Listeners { ports: ports.to_vec().try_into().unwrap() }
    }

    fn as_asked() -> NetworkFound {
        NetworkFound {
            interfaces: vec!["lo".to_owned()].try_into().unwrap(),
            loopback_up: true,
            routes_elsewhere: 0,
            listening: vec![80, 443].try_into().unwrap(),
        }
    }

    #[test]
    fn anything_beside_the_loopback_and_its_listeners_is_a_difference() {
        assert!(holds(Some(&as_asked()), &asked()));
        assert!(holds(None, &Network::None));
        let interfaces = vec!["lo".to_owned(), "eth0".to_owned()].try_into().unwrap();
        for found in [
            NetworkFound { interfaces, ..as_asked() },
            NetworkFound { loopback_up: false, ..as_asked() },
            NetworkFound { routes_elsewhere: 1, ..as_asked() },
            NetworkFound { listening: vec![80].try_into().unwrap(), ..as_asked() },
            NetworkFound { listening: vec![80, 443, 8080].try_into().unwrap(), ..as_asked() },
        ] {
            assert!(!holds(Some(&found), &asked()), "{found:?}");
        }
        assert!(!holds(None, &asked()));
        assert!(!holds(Some(&as_asked()), &Network::None));
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

    #[test]
    fn sockets_are_counted_by_protocol() {
        let table = "sockets: used 9\nTCP: inuse 3 orphan 0 tw 0 alloc 5 mem 1\nUDP: inuse 1 mem 0\n";
        assert_eq!([in_use(table, "TCP:"), in_use(table, "UDP:"), in_use(table, "TCP6:")], [3, 1, 0]);
    }
}

//! Sockets that listen on a loopback for the supervisor: made, handed over, and looked at where they are.
//!
//! The supervisor never enters the namespace: whoever makes them is in it, and keeps none.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read};
use std::num::NonZeroU16;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, SockaddrIn, bind,
    listen as listen_on, sendmsg, setsockopt, socket, sockopt,
};
use stockade_plan::{LOOPBACK, Network, NetworkFound, OutOfBounds};

use crate::Undone;

/// Connections that wait to be accepted, for each port.
const BACKLOG: i32 = 32;
/// What the kernel buffers of a connection each way, bytes; connections inherit it. Unbounded by this it would grow
/// to megabytes of memory that is not charged to the job.
const BUFFER: usize = 256 * 1024;
/// A table of a namespace with one interface and few sockets is short, bytes.
const TABLE_MAX: u64 = 256 * 1024;

/// Adds to an error what was being done and to what.
trait During<T> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Undone>;
}

impl<T, E: Into<std::io::Error>> During<T> for Result<T, E> {
    fn during(self, call: &'static str, target: &str) -> Result<T, Undone> {
        self.map_err(|error| {
            let errno = error.into().raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            Undone { call, target: target.to_owned(), errno }
        })
    }
}

/// Listens on each port and hands the sockets over to who is at the other end of `supervisor`; none of them stays open here.
///
/// # Errors
/// [`Undone`] with the step.
pub fn listen(ports: &[NonZeroU16], supervisor: BorrowedFd<'_>) -> Result<(), Undone> {
    let listeners = ports.iter().map(|port| listener(*port)).collect::<Result<Vec<_>, _>>()?;
    hand_over(&listeners, supervisor).during("sendmsg", "listeners")
}

fn listener(port: NonZeroU16) -> Result<OwnedFd, Undone> {
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

/// What the namespace holds, as a process in it reads it; `None` where the plan asks for nothing.
///
/// # Errors
/// [`Undone`] with what cannot be read, or does not fit.
pub fn found(asked: &Network) -> Result<Option<NetworkFound>, Undone> {
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
        interfaces: bounded("interfaces", interfaces.try_into())?,
        loopback_up: table("fib_trie")?.lines().any(|line| line.trim_start().ends_with("-- 127.0.0.1")),
        routes_elsewhere: u32::try_from(elsewhere).unwrap_or(u32::MAX),
        listening: bounded("listeners", listening(asked)?.try_into())?,
    }))
}

/// The ports, if there are as many TCP sockets as ports: no others can be open yet. `sockstat` is asked because the
/// tables of sockets, which name their ports, are those of the whole host, and take tens of milliseconds to read; the
/// supervisor reads the port of each socket that it is handed.
fn listening(asked: &Network) -> Result<Vec<u16>, Undone> {
    let open = in_use(&table("sockstat")?, "TCP:") + in_use(&table("sockstat6")?, "TCP6:");
    let mut ports: Vec<u16> = asked.ports().iter().map(|port| port.get()).collect();
    ports.sort_unstable();
    if open == ports.len() {
        return Ok(ports);
    }
    let difference = format!("{open} TCP sockets, {} listeners", ports.len());
    Err::<_, Errno>(Errno::EPROTO).during("read back", &difference)
}

/// The number behind `inuse` in the line of a protocol.
fn in_use(table: &str, protocol: &str) -> usize {
    let mut words =
        table.lines().find_map(|line| line.strip_prefix(protocol)).unwrap_or_default().split_whitespace();
    words.find(|word| *word == "inuse").and_then(|_| words.next()?.parse().ok()).unwrap_or_default()
}

/// A table of the caller's network namespace, proc(5); empty where the kernel has no such protocol.
fn table(name: &str) -> Result<String, Undone> {
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

fn bounded<T>(what: &str, list: Result<T, OutOfBounds>) -> Result<T, Undone> {
    list.map_err(|_| Errno::E2BIG).during("tell of", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_counted_by_protocol() {
        let table = "sockets: used 9\nTCP: inuse 3 orphan 0 tw 0 alloc 5 mem 1\nUDP: inuse 1 mem 0\n";
        assert_eq!([in_use(table, "TCP:"), in_use(table, "UDP:"), in_use(table, "TCP6:")], [3, 1, 0]);
    }
}

//! The socket of the kernel's audit: opened, and the audit switched on, while this process is root.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{AUDIT, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with, sockopt,
};

// linux/audit.h
const AUDIT_GET: u16 = 1000;
const AUDIT_SET: u16 = 1001;
const AUDIT_ADD_RULE: u16 = 1011;
const AUDIT_STATUS_ENABLED: u32 = 0x1;
const AUDIT_STATUS_RATE_LIMIT: u32 = 0x8;
const AUDIT_STATUS_BACKLOG_LIMIT: u32 = 0x10;
const AUDIT_FILTER_TASK: u32 = 1;
const AUDIT_NEVER: u32 = 0;
/// `AUDIT_NLGRP_READLOG` as a bit of `nl_groups`.
const READLOG: u32 = 1;
// linux/netlink.h
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const HEADER: usize = 16;

/// Records a second that the kernel makes at the most, if it is this program that switches the audit on.
pub(super) const RATE_LIMIT: u32 = 2000;
/// Records that may wait inside the kernel.
const BACKLOG: u32 = 4096;
/// How long an answer of the kernel's is waited for. One of its threads gives it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes that may wait for this program.
const BUFFER: usize = 1 << 20;
/// `AUDIT_MESSAGE_TEXT_MAX` and its header, linux/audit.h.
pub(super) const MESSAGE_MAX: usize = 8560 + HEADER;

/// Opens the feed; as root. Needs `CAP_AUDIT_READ`, netlink(7).
pub(super) fn feed() -> Result<OwnedFd, Errno> {
    let socket = open(READLOG)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    // More than others may have where this process has the right to it; the usual size does otherwise.
    let _usual = sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER);
    Ok(socket)
}

fn open(groups: u32) -> Result<OwnedFd, Errno> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(AUDIT))?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// How the audit is switched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Switch {
    /// Whether it was off before.
    pub(super) on_for_it: bool,
    /// Records a second that the kernel makes at the most; 0 for as many as there are.
    pub(super) rate_limit: u32,
}

/// Switches the audit on if it is off: with a limit on records, and with no process being followed call by call, which would
/// make every call of the host dearer. Where it is on somebody else has set it up, and nothing is touched.
pub(super) fn switch_on() -> Result<Switch, Errno> {
    let socket = open(0)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let status = ask(&socket, AUDIT_GET, &[], false)?;
    // struct audit_status: mask, enabled, failure, pid, rate_limit, …
    let word = |index: usize| {
        let bytes = status.get(4 * index..).and_then(<[u8]>::first_chunk::<4>);
        bytes.map(|bytes| u32::from_ne_bytes(*bytes)).ok_or(Errno::BADMSG)
    };
    if word(1)? != 0 {
        return Ok(Switch { on_for_it: false, rate_limit: word(4)? });
    }
    ask(&socket, AUDIT_ADD_RULE, &never_follow_tasks(), true)?;
    let mask = AUDIT_STATUS_ENABLED | AUDIT_STATUS_RATE_LIMIT | AUDIT_STATUS_BACKLOG_LIMIT;
    ask(&socket, AUDIT_SET, &words(&[mask, 1, 0, 0, RATE_LIMIT, BACKLOG, 0, 0, 0, 0]), true)?;
    Ok(Switch { on_for_it: true, rate_limit: RATE_LIMIT })
}

/// `struct audit_rule_data`: `-a never,task`, auditctl(8).
fn never_follow_tasks() -> Vec<u8> {
    let mut rule = vec![AUDIT_FILTER_TASK, AUDIT_NEVER, 0];
    // Every call; no field, no value, no comparison, no string.
    rule.extend([u32::MAX; 64]);
    rule.extend([0; 64 * 3 + 1]);
    words(&rule)
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Asks the kernel and waits for what it answers: the same kind of message or, if it is told to acknowledge, that it is done.
fn ask(socket: &OwnedFd, kind: u16, body: &[u8], acknowledge: bool) -> Result<Vec<u8>, Errno> {
    let length = u32::try_from(HEADER + body.len()).map_err(|_| Errno::MSGSIZE)?;
    let flags = if acknowledge { NLM_F_REQUEST | NLM_F_ACK } else { NLM_F_REQUEST };
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    send(socket, &message, SendFlags::empty())?;
    let mut buffer = [0; MESSAGE_MAX];
    let (answered, body) = receive(socket, RecvFlags::empty(), &mut buffer)?.ok_or(Errno::TIMEDOUT)?;
    match answered {
        NLMSG_ERROR => match body.first_chunk::<4>().map(|bytes| i32::from_ne_bytes(*bytes)) {
            Some(0) if acknowledge => Ok(Vec::new()),
            Some(errno @ ..0) => Err(Errno::from_raw_os_error(-errno)),
            _ => Err(Errno::BADMSG),
        },
        answered if answered == kind => Ok(body.to_vec()),
        _ => Err(Errno::BADMSG),
    }
}

/// The next message that waits: its type and what it says; `None` if none does.
pub(super) fn next(socket: impl AsFd, buffer: &mut [u8]) -> Result<Option<(u16, &[u8])>, Errno> {
    receive(socket, RecvFlags::DONTWAIT, buffer)
}

fn receive(socket: impl AsFd, flags: RecvFlags, buffer: &mut [u8]) -> Result<Option<(u16, &[u8])>, Errno> {
    let length = match recv(socket, &mut *buffer, flags | RecvFlags::TRUNC) {
        Ok((_, length)) => length,
        Err(Errno::AGAIN) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    // One that is longer than the kernel makes them tells nothing.
    let message = buffer.get(..length).unwrap_or_default();
    let kind = message.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    Ok(Some((kind.unwrap_or_default(), message.get(HEADER..).unwrap_or_default())))
}

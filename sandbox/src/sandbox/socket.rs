//! Datagrams with descriptors on the socket to the launcher.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, recvmsg, sendmsg, shutdown,
};
use stockade_plan::{Reply, decode};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// The most descriptors a request carries: the leaf in each hierarchy.
const SEND_FDS: usize = 8;
/// No reply is longer, bytes: an error names two things, each as long as a path may be.
const REPLY_MAX: usize = 16 * 1024;
/// The most a reply carries: three streams, status, task.
const RECEIVE_FDS: usize = 5;

/// The supervisor's end: a `SOCK_SEQPACKET` socket. tokio has no type for those; its datagram socket is used
/// for readiness only, the calls are made here.
pub(super) struct Socket(UnixDatagram);

impl Socket {
    pub(super) fn new(socket: OwnedFd) -> std::io::Result<Self> {
        let socket = std::os::unix::net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        UnixDatagram::from_std(socket).map(Self)
    }

    /// Sends one datagram, whole or not at all.
    pub(super) async fn send(&self, frame: &[u8], fds: &[BorrowedFd<'_>]) -> std::io::Result<()> {
        self.0.async_io(Interest::WRITABLE, || send(self.0.as_fd(), frame, fds)).await
    }

    /// Receives one reply, with as many of its descriptors as this process has room for; `None` when the launcher is
    /// gone. A datagram that is no reply is an error.
    pub(super) async fn receive(&self) -> std::io::Result<Option<(Reply, Vec<OwnedFd>)>> {
        self.0.async_io(Interest::READABLE, || receive(self.0.as_fd())).await
    }

    /// Tells the launcher that no more requests will come.
    pub(super) fn shut_down(&self) -> std::io::Result<()> {
        match shutdown(self.0.as_fd(), Shutdown::Write) {
            // The launcher is gone already.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Sends one datagram, whole or not at all.
pub(crate) fn send(socket: BorrowedFd<'_>, frame: &[u8], fds: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SEND_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(socket, &[IoSlice::new(frame)], &mut control, SendFlags::NOSIGNAL)?;
    if sent == frame.len() { Ok(()) } else { Err(std::io::ErrorKind::WriteZero.into()) }
}

fn receive(socket: BorrowedFd<'_>) -> std::io::Result<Option<(Reply, Vec<OwnedFd>)>> {
    let mut buffer = vec![0; REPLY_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RECEIVE_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let fds = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return Ok(None);
    }
    // Descriptors for which this process has no room are missing, and missed by whom they were for: no reason to give
    // up on every other sandbox.
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let frame = buffer.get(..received.bytes).unwrap_or_default();
    let reply = decode(frame).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
    Ok(Some((reply, fds)))
}

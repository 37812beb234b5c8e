//! How a prepared init is told what to build: the request itself, and the view's mount namespace beside it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use stockade_plan::{Confinement, FRAME_MAX, Request, decode};

use crate::steps::{During, Fault};
use crate::sys;

/// The launcher's end and init's end.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd), Fault> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .during("socketpair", "orders")
}

/// Sends them. Init waits with an empty buffer, into which any frame fits: this never blocks.
pub(crate) fn give(orders: BorrowedFd<'_>, frame: &[u8], view: BorrowedFd<'_>) -> nix::Result<()> {
    send(orders, frame, view)
}

/// Says which process is the job's, by its pidfd; before the job's process can be anything but ours.
pub(crate) fn tell_of_job(orders: BorrowedFd<'_>, job: BorrowedFd<'_>) -> nix::Result<()> {
    send(orders, b"j", job)
}

/// Hears it, if it has been said.
pub(crate) fn hear_of_job(orders: BorrowedFd<'_>) -> Option<OwnedFd> {
    receive(orders, &mut [0], MsgFlags::MSG_DONTWAIT).ok()?.1
}

fn send(orders: BorrowedFd<'_>, bytes: &[u8], beside: BorrowedFd<'_>) -> nix::Result<()> {
    let raw = [beside.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&raw)];
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<()>(orders.as_raw_fd(), &[IoSlice::new(bytes)], &rights, flags, None).map(drop)
}

/// How many bytes came, and the descriptor beside them.
fn receive(
    orders: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: MsgFlags,
) -> nix::Result<(usize, Option<OwnedFd>)> {
    let mut control = cmsg_space!(std::os::fd::RawFd);
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = loop {
        match recvmsg::<()>(orders.as_raw_fd(), &mut slices, Some(&mut control), flags) {
            Err(Errno::EINTR) => {}
            received => break received?,
        }
    };
    let mut received = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            received.extend(sys::own_received(fds));
        }
    }
    Ok((message.bytes, received.pop()))
}

/// Waits for them; an error if the launcher lets the sandbox go.
pub(crate) fn await_them(orders: BorrowedFd<'_>) -> Result<(Confinement, OwnedFd), Fault> {
    let mut buffer = vec![0; FRAME_MAX];
    let (bytes, view) = receive(orders, &mut buffer, MsgFlags::empty()).during("recvmsg", "orders")?;
    let view =
        view.ok_or_else(|| Fault::new("recvmsg", "orders: the sandbox was let go", Errno::ECANCELED))?;
    match decode(buffer.get(..bytes).unwrap_or_default()) {
        Ok(Request::Build { confinement, .. }) => Ok((*confinement, view)),
        _ => Err(Fault::new("decode", "orders", Errno::EBADMSG)),
    }
}

//! One request from the socket: a bounded datagram and the descriptors beside it.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use nix::{cmsg_space, libc};
use stockade_plan::{FRAME_MAX, PLAN_VERSION, Plan, Request, SetupError, Stage, decode};

use crate::steps::{During, Fault};
use crate::sys;

/// The most descriptors one datagram can carry, `SCM_MAX_FD`; unix(7).
const DESCRIPTORS_MAX: usize = 253;
/// linux/magic.h: a version 1 control group hierarchy.
const CGROUP_SUPER_MAGIC: libc::__fsword_t = 0x0027_e0eb;

/// What the socket had.
pub(crate) enum Received {
    /// A datagram, whole or not what it should be.
    Frame(Result<Box<Launch>, Refused>),
    /// The supervisor is gone.
    Closed,
}

/// A checked request.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) id: u64,
    pub(crate) plan: Plan,
    /// The leaf in the cgroup2 hierarchy.
    pub(crate) leaf: OwnedFd,
    /// Leaves in version 1 hierarchies.
    pub(crate) v1_groups: Vec<OwnedFd>,
    pub(crate) inputs: Vec<OwnedFd>,
}

/// A request that is not carried out.
pub(crate) struct Refused {
    pub(crate) id: Option<u64>,
    pub(crate) error: SetupError,
}

/// Receives one datagram; `buffer` has [`FRAME_MAX`] + 1 bytes, so that a longer one is noticed.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<Received> {
    let (bytes, flags, fds) = receive_datagram(socket, buffer)?;
    if bytes == 0 && fds.is_empty() {
        return Ok(Received::Closed);
    }
    let frame = buffer.get(..bytes).unwrap_or_default();
    let launch = if flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) || bytes > FRAME_MAX {
        Err(refuse(None, "recvmsg", "a datagram larger than a request can be", Errno::EMSGSIZE))
    } else {
        parse(frame, fds).map(Box::new)
    };
    Ok(Received::Frame(launch))
}

fn receive_datagram(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> nix::Result<(usize, MsgFlags, Vec<OwnedFd>)> {
    let mut control = cmsg_space!([std::os::fd::RawFd; DESCRIPTORS_MAX]);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    // Truncated control data is an error of this call; the flags say it too, and the request is refused for it.
    let Ok(controls) = message.cmsgs() else {
        return Ok((message.bytes, message.flags | MsgFlags::MSG_CTRUNC, fds));
    };
    for control in controls {
        if let ControlMessageOwned::ScmRights(received) = control {
            fds.extend(sys::own_received(received));
        }
    }
    Ok((message.bytes, message.flags, fds))
}

fn parse(frame: &[u8], fds: Vec<OwnedFd>) -> Result<Launch, Refused> {
    let request: Request =
        decode(frame).map_err(|error| refuse(None, "decode", &error.to_string(), Errno::EBADMSG))?;
    let id = request.id;
    check(request, fds).map_err(|fault| Refused { id: Some(id), error: fault.at(Stage::Request) })
}

fn check(request: Request, mut fds: Vec<OwnedFd>) -> Result<Launch, Fault> {
    let Request { id, v1_groups, plan } = request;
    if plan.version != PLAN_VERSION {
        let target = format!("plan version {}", plan.version);
        return Err(Fault::new("check", target, Errno::EPROTONOSUPPORT));
    }
    let v1_groups = usize::from(v1_groups);
    if fds.len() != 1 + v1_groups + plan.inputs.len() {
        return Err(Fault::new("check", format!("{} descriptors", fds.len()), Errno::EBADF));
    }
    let inputs = fds.split_off(1 + v1_groups);
    let v1_groups = fds.split_off(1);
    let leaf = fds.pop().ok_or_else(|| Fault::new("check", "leaf descriptor", Errno::EBADF))?;
    is_cgroup(leaf.as_fd(), CGROUP2_SUPER_MAGIC.0)?;
    v1_groups.iter().try_for_each(|group| is_cgroup(group.as_fd(), CGROUP_SUPER_MAGIC))?;
    Ok(Launch { id, plan, leaf, v1_groups, inputs })
}

/// The supervisor is not trusted to name files: what it hands over as a control group must be one.
fn is_cgroup(fd: BorrowedFd<'_>, magic: libc::__fsword_t) -> Result<(), Fault> {
    let found = fstatfs(fd).during("fstatfs", "control group descriptor")?;
    if found.filesystem_type().0 == magic {
        Ok(())
    } else {
        Err(Fault::new("check", "control group descriptor", Errno::EINVAL))
    }
}

fn refuse(id: Option<u64>, call: &'static str, target: &str, errno: Errno) -> Refused {
    Refused { id, error: Fault::new(call, target, errno).at(Stage::Request) }
}

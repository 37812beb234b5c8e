//! One request from the socket: a bounded datagram and the descriptors beside it.

use std::io::IoSliceMut;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg};
use nix::sys::stat::{Mode, SFlag, fstat, major};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use nix::{cmsg_space, libc};
use stockade_plan::{Confinement, FRAME_MAX, JobSignal, PLAN_VERSION, Request, SetupError, Stage, decode};

use crate::account::Account;
use crate::steps::{During, Fault};
use crate::sys;

/// The most descriptors one datagram can carry, `SCM_MAX_FD`; unix(7).
const DESCRIPTORS_MAX: usize = 253;
/// `UNIX98_PTY_SLAVE_MAJOR` and its like, linux/major.h.
const PTY_MAJORS: RangeInclusive<u64> = 136..=143;
/// linux/magic.h: a version 1 control group hierarchy.
const CGROUP_SUPER_MAGIC: libc::__fsword_t = 0x0027_e0eb;

/// What the socket had.
pub(crate) enum Received {
    /// A datagram of so many bytes, whole or not what it should be.
    Frame(usize, Result<Asked, Refused>),
    /// The supervisor is gone.
    Closed,
}

/// A checked request.
pub(crate) enum Asked {
    Prepare(Groups),
    Build { id: u64, confinement: Box<Confinement>, asker: Account },
    Signal { id: u64, signal: JobSignal },
}

/// The control groups of a sandbox to be.
#[derive(Debug)]
pub(crate) struct Groups {
    /// The sandbox's number.
    pub(crate) id: u64,
    /// The leaf in the cgroup2 hierarchy.
    pub(crate) leaf: OwnedFd,
    /// Leaves in version 1 hierarchies.
    pub(crate) v1: Vec<OwnedFd>,
    /// The job's end of its terminal, where it has one.
    pub(crate) terminal: Option<OwnedFd>,
}

impl Groups {
    fn all(&self) -> impl Iterator<Item = &OwnedFd> {
        std::iter::once(&self.leaf).chain(&self.v1)
    }
}

/// A request that is not carried out.
pub(crate) struct Refused {
    pub(crate) id: Option<u64>,
    pub(crate) error: SetupError,
}

/// Receives one datagram; `buffer` has [`FRAME_MAX`] + 1 bytes, so that a longer one is noticed.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<Received> {
    let Datagram { bytes, flags, fds, asker } = receive_datagram(socket, buffer)?;
    if bytes == 0 && fds.is_empty() {
        return Ok(Received::Closed);
    }
    let frame = buffer.get(..bytes).unwrap_or_default();
    let asked = if flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC) || bytes > FRAME_MAX {
        Err(refuse(None, "recvmsg", "a datagram larger than a request can be", Errno::EMSGSIZE))
    } else {
        parse(frame, fds, asker)
    };
    Ok(Received::Frame(frame.len(), asked))
}

/// What came, before anybody has looked into it.
struct Datagram {
    bytes: usize,
    flags: MsgFlags,
    fds: Vec<OwnedFd>,
    /// The kernel adds it to every datagram; the socket was told to ask for it.
    asker: Option<Account>,
}

fn receive_datagram(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<Datagram> {
    let mut control = cmsg_space!([std::os::fd::RawFd; DESCRIPTORS_MAX], UnixCredentials);
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut datagram = Datagram { bytes: message.bytes, flags: message.flags, fds: Vec::new(), asker: None };
    // Truncated control data is an error of this call; the flags say it too, and the request is refused for it.
    let Ok(controls) = message.cmsgs() else {
        datagram.flags |= MsgFlags::MSG_CTRUNC;
        return Ok(datagram);
    };
    for control in controls {
        match control {
            ControlMessageOwned::ScmRights(received) => datagram.fds.extend(sys::own_received(received)),
            ControlMessageOwned::ScmCredentials(from) => {
                datagram.asker = Some(Account::new(from.uid(), from.gid()));
            }
            _ => {}
        }
    }
    Ok(datagram)
}

fn parse(frame: &[u8], fds: Vec<OwnedFd>, asker: Option<Account>) -> Result<Asked, Refused> {
    let request: Request =
        decode(frame).map_err(|error| refuse(None, "decode", &error.to_string(), Errno::EBADMSG))?;
    let id = request.id();
    check(request, fds, asker).map_err(|fault| Refused { id: Some(id), error: fault.at(Stage::Request) })
}

fn check(request: Request, fds: Vec<OwnedFd>, asker: Option<Account>) -> Result<Asked, Fault> {
    match request {
        Request::Prepare { id, v1_groups, terminal } => {
            let groups = groups(id, v1_groups, terminal, fds)?;
            known(asker)?.look(|| groups.all().try_for_each(|group| may_be_joined(group.as_fd())))?;
            Ok(Asked::Prepare(groups))
        }
        Request::Build { version, .. } if version != PLAN_VERSION => {
            Err(Fault::new("check", format!("plan version {version}"), Errno::EPROTONOSUPPORT))
        }
        Request::Build { .. } | Request::Signal { .. } if !fds.is_empty() => Err(wrong_descriptors(&fds)),
        Request::Build { id, confinement, version: _ } => {
            Ok(Asked::Build { id, confinement, asker: known(asker)? })
        }
        Request::Signal { id, signal } => Ok(Asked::Signal { id, signal }),
    }
}

fn known(asker: Option<Account>) -> Result<Account, Fault> {
    asker.ok_or_else(|| Fault::new("check", "credentials of the sender", Errno::EACCES))
}

fn groups(id: u64, v1_groups: u8, terminal: bool, mut fds: Vec<OwnedFd>) -> Result<Groups, Fault> {
    if fds.len() != 1 + usize::from(v1_groups) + usize::from(terminal) {
        return Err(wrong_descriptors(&fds));
    }
    let terminal = if terminal { fds.pop() } else { None };
    terminal.as_ref().map_or(Ok(()), |terminal| is_terminal(terminal.as_fd()))?;
    let v1 = fds.split_off(1);
    let leaf = fds.pop().ok_or_else(|| wrong_descriptors(&fds))?;
    is_cgroup(leaf.as_fd(), CGROUP2_SUPER_MAGIC.0)?;
    v1.iter().try_for_each(|group| is_cgroup(group.as_fd(), CGROUP_SUPER_MAGIC))?;
    Ok(Groups { id, leaf, v1, terminal })
}

fn wrong_descriptors(fds: &[OwnedFd]) -> Fault {
    Fault::new("check", format!("{} descriptors", fds.len()), Errno::EBADF)
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

/// The launcher could put a sandbox into any group of the host, and so out of every limit: it must be one that the asker could
/// put a process into; cgroups(7).
fn may_be_joined(group: BorrowedFd<'_>) -> Result<(), Fault> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    openat(group, "cgroup.procs", flags, Mode::empty())
        .during("open", "control group: cgroup.procs")
        .map(drop)
}

/// What is to become a job's terminal must be the inner end of a pseudo-terminal: never one that people sit at.
fn is_terminal(fd: BorrowedFd<'_>) -> Result<(), Fault> {
    let found = fstat(fd).during("fstat", "terminal descriptor")?;
    let is_device = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
    if is_device && PTY_MAJORS.contains(&major(found.st_rdev)) {
        Ok(())
    } else {
        Err(Fault::new("check", "terminal descriptor", Errno::ENOTTY))
    }
}

fn refuse(id: Option<u64>, call: &'static str, target: &str, errno: Errno) -> Refused {
    Refused { id, error: Fault::new(call, target, errno).at(Stage::Request) }
}

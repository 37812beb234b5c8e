//! The job's user namespace, made before the job is known.
//!
//! Init cannot enter it itself: it stays where it was, so that nobody in the job's namespace has a capability over it. And the
//! job's process cannot make it: by the time it is cloned, init has entered the Landlock domain that both are in, and may
//! write nothing in `/proc` any more. So a process that lives for a moment makes it and leaves a descriptor behind, while
//! the other namespaces are being made.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::unistd::dup3;
use stockade_plan::Ended;

use crate::credentials::take_ids;
use crate::steps::{During, Fault};
use crate::sys::{self, Cloned};
use crate::uids::HostId;

/// The id a job sees itself run as; the only one its user namespace maps.
pub(crate) const INNER_ID: u32 = 1000;

/// The job's, there or on its way.
#[derive(Debug)]
pub(crate) enum UserNamespace {
    /// It lay ready.
    Ready(OwnedFd),
    /// A child makes it.
    Coming {
        /// Who.
        child: libc::pid_t,
        /// What the child, which shares the table of descriptors, puts the namespace in the place of.
        place: OwnedFd,
    },
}

impl UserNamespace {
    /// Has a child begin to make one. It belongs to the job's host id: what the kernel counts by user (inotify instances,
    /// queued signals, namespaces) is charged to the owner as well, and root's allowance is not the job's to use up;
    /// `struct ucounts` of the kernel, namespaces(7).
    pub(crate) fn begun(host_id: HostId) -> Result<Self, Fault> {
        let mut place = OwnedFd::from(File::open("/dev/null").during("open", "/dev/null")?);
        match sys::clone3(libc::CLONE_FILES as u64, None).during("clone3", "user namespace")? {
            Cloned::Child => {
                sys::exit_now(made_in(&mut place, host_id.raw()).map_or_else(|errno| errno as i32, |()| 0))
            }
            Cloned::Parent { pid: child, pidfd: _ } => Ok(Self::Coming { child, place }),
        }
    }

    /// Waits until it is there.
    pub(crate) fn made(self) -> Result<OwnedFd, Fault> {
        let (child, place) = match self {
            Self::Ready(namespace) => return Ok(namespace),
            Self::Coming { child, place } => (child, place),
        };
        match sys::wait4(child).during("wait4", "user namespace")? {
            (Ended::Exited(0), _) => Ok(place),
            (Ended::Exited(errno), _) => Err(Fault::new("make", "user namespace", Errno::from_raw(errno))),
            (Ended::Signaled(_), _) => Err(Fault::new("make", "user namespace", Errno::ECHILD)),
        }
    }
}

/// Takes the id, makes the namespace, maps the one id; user_namespaces(7).
fn made_in(place: &mut OwnedFd, host_id: u32) -> Result<(), Errno> {
    take_ids(host_id, host_id).map_err(|fault| fault.errno())?;
    // The change of ids took `/proc/self` away from this id; the maps are written through it.
    prctl::set_dumpable(true)?;
    unshare(CloneFlags::CLONE_NEWUSER)?;
    // Who maps his own group has to give up setgroups(2) first. The job has no group to drop.
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{INNER_ID} {host_id} 1\n"))?;
    write("/proc/self/gid_map", &format!("{INNER_ID} {host_id} 1\n"))?;
    let namespace = File::open("/proc/self/ns/user").map_err(|error| raw(&error))?;
    dup3(&namespace, place, nix::fcntl::OFlag::O_CLOEXEC)
}

fn write(path: &str, text: &str) -> Result<(), Errno> {
    let mut file = File::options().write(true).open(path).map_err(|error| raw(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| raw(&error))
}

fn raw(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

//! From a checked request to a running init.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::{Gid, Uid, fchown, pipe2};
use stockade_plan::{SetupError, Stage};

use crate::init;
use crate::jobs::Live;
use crate::request::Launch;
use crate::startup::Launcher;
use crate::steps::{During, Fault, Steps};
use crate::sys::{self, Cloned};
use crate::uids::HostId;
use crate::view::Views;

/// A running sandbox and the supervisor's ends of its pipes.
pub(crate) struct Spawned {
    pub(crate) live: Live,
    ends: SupervisorEnds,
}

impl Spawned {
    /// In the order that [`stockade_plan::Reply::Launched`] states.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 5] {
        let ends = &self.ends;
        [
            self.live.pidfd.as_fd(),
            ends.stdin.as_fd(),
            ends.stdout.as_fd(),
            ends.stderr.as_fd(),
            ends.status.as_fd(),
        ]
    }
}

struct SupervisorEnds {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    status: OwnedFd,
}

/// Init's ends of the same pipes.
pub(crate) struct SandboxEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) status: OwnedFd,
}

/// Builds the view, makes the pipes, clones init. On failure nothing is left: no process was made, and the id
/// is given back.
pub(crate) fn spawn(
    launcher: &mut Launcher,
    views: &mut Views,
    launch: &Launch,
) -> Result<Spawned, SetupError> {
    let mut steps = Steps::new(launcher.fail_at);
    steps.run(Stage::Request, || Ok(()))?;
    let host_id = launcher
        .ids
        .take()
        .ok_or_else(|| Fault::new("reserve", "host id: all are in use", Errno::EAGAIN).at(Stage::Request))?;
    let spawned = spawn_as(launcher, views, launch, host_id, steps);
    if spawned.is_err() {
        launcher.ids.release(host_id);
    }
    spawned
}

fn spawn_as(
    launcher: &Launcher,
    views: &mut Views,
    launch: &Launch,
    host_id: HostId,
    mut steps: Steps,
) -> Result<Spawned, SetupError> {
    let view = steps.run(Stage::View, || views.namespace_of(&launch.plan.view, &launcher.staging))?;
    let (ends, sandbox) = pipes(host_id).map_err(|fault| fault.at(Stage::Clone))?;
    let leaf = launch.leaf.as_fd();
    match sys::clone3(libc::CLONE_NEWPID as u64, Some(leaf)) {
        Ok(Cloned::Child) => init::main(init::Init { launcher, launch, view, host_id, ends: sandbox, steps }),
        Ok(Cloned::Parent { pid, pidfd }) => {
            let live = Live { id: launch.id, pid, pidfd, host_id };
            match steps.run(Stage::Clone, || Ok(())) {
                Ok(()) => Ok(Spawned { live, ends }),
                Err(error) => {
                    live.kill();
                    let _reaped = sys::wait4(pid);
                    Err(error)
                }
            }
        }
        Err(errno) => Err(Fault::new("clone3", "init", errno).at(Stage::Clone)),
    }
}

fn pipes(host_id: HostId) -> Result<(SupervisorEnds, SandboxEnds), Fault> {
    let pipe = |name| pipe2(OFlag::O_CLOEXEC).during("pipe2", name);
    let (stdin_read, stdin) = pipe("standard input")?;
    let (stdout, stdout_write) = pipe("standard output")?;
    let (stderr, stderr_write) = pipe("standard error")?;
    let (status, status_write) = pipe("status")?;
    // A job may open its own streams again, as `/dev/stdout`: pipes are files with an owner.
    for end in [&stdin_read, &stdout_write, &stderr_write] {
        let (uid, gid) = (Uid::from_raw(host_id.raw()), Gid::from_raw(host_id.raw()));
        fchown(end, Some(uid), Some(gid)).during("fchown", "standard stream")?;
    }
    let sandbox =
        SandboxEnds { stdin: stdin_read, stdout: stdout_write, stderr: stderr_write, status: status_write };
    Ok((SupervisorEnds { stdin, stdout, stderr, status }, sandbox))
}

impl SandboxEnds {
    /// Every descriptor, to be kept when init closes the rest.
    pub(crate) fn raw(&self) -> [i32; 4] {
        [&self.stdin, &self.stdout, &self.stderr, &self.status].map(AsRawFd::as_raw_fd)
    }
}

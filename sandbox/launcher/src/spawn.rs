//! From a checked request to a running init.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{Gid, Uid, fchown, pipe2};
use stockade_plan::{SetupError, Stage};

use crate::jobs::Live;
use crate::request::Groups;
use crate::spare::Ready;
use crate::startup::Launcher;
use crate::steps::{During, Fault, Steps};
use crate::sys::{self, Cloned};
use crate::uids::HostId;
use crate::{init, orders};

/// A running init and the supervisor's ends of its pipes.
pub(crate) struct Spawned {
    pub(crate) live: Live,
    ends: SupervisorEnds,
}

impl Spawned {
    /// In the order that [`stockade_plan::Reply::Prepared`] states.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 5] {
        let SupervisorEnds { stdin, stdout, stderr, status, task } = &self.ends;
        [stdin, stdout, stderr, status, task].map(AsFd::as_fd)
    }
}

struct SupervisorEnds {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    status: OwnedFd,
    task: OwnedFd,
}

/// Init's ends of the same pipes, and of the socket to the launcher.
pub(crate) struct SandboxEnds {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) status: OwnedFd,
    pub(crate) task: OwnedFd,
    pub(crate) orders: OwnedFd,
    /// Whether the streams are a terminal.
    pub(crate) has_terminal: bool,
}

/// Makes the pipes and clones init. On failure nothing is left: no process was made, and the id is given back.
pub(crate) fn spawn(launcher: &mut Launcher, groups: &Groups) -> Result<Spawned, SetupError> {
    let mut steps = Steps::new(launcher.fail_at);
    steps.run(Stage::Request, || Ok(()))?;
    let ready = launcher.spare.take();
    let host_id = ready.as_ref().map(|ready| ready.host_id).or_else(|| launcher.ids.take());
    let host_id = host_id
        .ok_or_else(|| Fault::new("reserve", "host id: all are in use", Errno::EAGAIN).at(Stage::Request))?;
    let spawned = spawn_as(launcher, groups, host_id, ready, steps);
    if spawned.is_err() {
        launcher.ids.release(host_id);
    }
    spawned
}

fn spawn_as(
    launcher: &Launcher,
    groups: &Groups,
    host_id: HostId,
    ready: Option<Ready>,
    mut steps: Steps,
) -> Result<Spawned, SetupError> {
    // Each sandbox is made by a copy of this process: sys::clone3 says why it must have one thread.
    if !sys::has_one_thread() {
        return Err(Fault::new("check", "threads of the launcher", Errno::EBUSY).at(Stage::Clone));
    }
    let (ends, sandbox, orders) = steps.run(Stage::Pipes, || pipes(host_id, groups.terminal.as_ref()))?;
    match sys::clone3(libc::CLONE_NEWPID as u64, Some(groups.leaf.as_fd())) {
        Ok(Cloned::Child) => {
            init::main(init::Init { launcher, groups, host_id, ready, ends: sandbox, steps })
        }
        Ok(Cloned::Parent { pid, pidfd }) => {
            let live =
                Live { id: groups.id, pid, pidfd, host_id, orders: Some(orders), told: None, job: None };
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

fn pipes(
    host_id: HostId,
    terminal: Option<&OwnedFd>,
) -> Result<(SupervisorEnds, SandboxEnds, OwnedFd), Fault> {
    let pipe = |name| pipe2(OFlag::O_CLOEXEC).during("pipe2", name);
    let (stdin_read, stdin) = pipe("standard input")?;
    let (stdout, stdout_write) = pipe("standard output")?;
    let (stderr, stderr_write) = pipe("standard error")?;
    let (status, status_write) = pipe("status")?;
    // Not a pipe: init hands the sockets that listen in its namespace over on it.
    let (task_read, task) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
        .during("socketpair", "task")?;
    let (orders, orders_of_init) = orders::channel()?;
    let at_terminal = |end: OwnedFd| match terminal {
        Some(terminal) => terminal.try_clone().during("dup", "terminal"),
        None => Ok(end),
    };
    let (stdin_read, stdout_write, stderr_write) =
        (at_terminal(stdin_read)?, at_terminal(stdout_write)?, at_terminal(stderr_write)?);
    // A job may open its own streams again, as `/dev/stdout`: pipes and terminals are files with an owner.
    for end in [&stdin_read, &stdout_write, &stderr_write] {
        let (uid, gid) = (Uid::from_raw(host_id.raw()), Gid::from_raw(host_id.raw()));
        fchown(end, Some(uid), Some(gid)).during("fchown", "standard stream")?;
    }
    let sandbox = SandboxEnds {
        stdin: stdin_read,
        stdout: stdout_write,
        stderr: stderr_write,
        status: status_write,
        task: task_read,
        orders: orders_of_init,
        has_terminal: terminal.is_some(),
    };
    Ok((SupervisorEnds { stdin, stdout, stderr, status, task }, sandbox, orders))
}

impl SandboxEnds {
    /// Every descriptor, to be kept when init closes the rest.
    pub(crate) fn raw(&self) -> [i32; 6] {
        [&self.stdin, &self.stdout, &self.stderr, &self.status, &self.task, &self.orders]
            .map(AsRawFd::as_raw_fd)
    }
}

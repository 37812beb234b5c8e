//! Starting the job: a child in its own user namespace, let go in two steps.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::prctl;
use nix::unistd::{Pid, pipe2, write};
use stockade_plan::{Evidence, Report, SetupError, Stage};

use super::reap::Started;
use super::{Init, confine, report};
use crate::credentials::take_ids;
use crate::job;
use crate::steps::{During, Fault};
use crate::sys::{self, Cloned};
use crate::uids::HostId;

/// The id a job sees itself run as; the only one its user namespace maps.
pub(crate) const INNER_ID: u32 = 1000;

/// Clones the job's process, maps its id, gives up init's own privileges, and lets the job go.
///
/// The job's process waits twice at a gate: for its id map, and, confined and checked, for init to be
/// confined too. The code it executes never runs beside an init that could still be used.
pub(super) fn start_job(init: &mut Init<'_>) -> Result<Started, SetupError> {
    let pipe = |name| pipe2(OFlag::O_CLOEXEC).during("pipe2", name).map_err(|f| f.at(Stage::UserNamespace));
    let (gate_read, gate) = pipe("gate")?;
    let (evidence, evidence_write) = pipe("evidence")?;
    become_owner(init.host_id).map_err(|fault| fault.at(Stage::UserNamespace))?;
    let clone = |flags| sys::clone3(flags, None).during("clone3", "the job's process");
    let pid = match clone(libc::CLONE_NEWUSER as u64).map_err(|fault| fault.at(Stage::UserNamespace))? {
        Cloned::Child => {
            drop((gate, evidence));
            job::main(init, gate_read, evidence_write)
        }
        Cloned::Parent { pid, pidfd: _ } => Pid::from_raw(pid),
    };
    drop((gate_read, evidence_write));
    let host_id = init.host_id.raw();
    init.steps.run(Stage::UserNamespace, || map_ids(pid, host_id))?;
    open_gate(&gate)?;
    let keep = kept_to_the_end(init, &gate, &evidence);
    let prepared = init.steps.run(Stage::InitConfine, || {
        confine::confine(&init.launch.plan, init.launcher.lifeline.as_fd(), keep)
    })?;
    open_gate(&gate)?;
    let evidence = read_evidence(evidence)?;
    Ok(Started::new(pid, prepared, evidence))
}

/// Takes the job's host id before the user namespace is made, so that the namespace belongs to it. What the
/// kernel counts by user (inotify instances, queued signals, namespaces) is charged to the owner as well, and
/// root's allowance is not the job's to use up; `struct ucounts` of the kernel, namespaces(7).
fn become_owner(host_id: HostId) -> Result<(), Fault> {
    take_ids(host_id.raw(), host_id.raw())?;
    // The change of ids took `/proc/PID` away from this id; the id map is written through it. No process that
    // is not ours has this id yet; init gives it up for good when it confines itself.
    prctl::set_dumpable(true).during("PR_SET_DUMPABLE", "1")
}

/// What init needs to the end. The job's streams are not among it: they must close when its last process has
/// gone. The lock on the host ids is: it must hold while a process with one of them lives, launcher or not.
fn kept_to_the_end(init: &Init<'_>, gate: &OwnedFd, evidence: &OwnedFd) -> Vec<RawFd> {
    let launcher = init.launcher;
    let own = [launcher.lifeline.as_raw_fd(), launcher.ids.lock().as_raw_fd(), init.ends.status.as_raw_fd()];
    [0, 1, 2, gate.as_raw_fd(), evidence.as_raw_fd()].into_iter().chain(own).collect()
}

/// Maps the one id; user_namespaces(7).
fn map_ids(pid: Pid, host_id: u32) -> Result<(), Fault> {
    let map = format!("{INNER_ID} {host_id} 1\n");
    for file in ["gid_map", "uid_map"] {
        let path = format!("/proc/{pid}/{file}");
        let mut file = File::options().write(true).open(&path).during("open", &path)?;
        file.write_all(map.as_bytes()).during("write", &path)?;
    }
    Ok(())
}

/// Lets the job's process pass. If it has failed already it reads no more, and its report says why.
fn open_gate(gate: &OwnedFd) -> Result<(), SetupError> {
    match write(gate.as_fd(), b"g") {
        Ok(_) | Err(Errno::EPIPE) => Ok(()),
        Err(errno) => Err(Fault::new("write", "gate", errno).at(Stage::InitConfine)),
    }
}

/// Reads until the job's process has executed its command (the pipe closes on execution) or has ended.
fn read_evidence(pipe: OwnedFd) -> Result<Evidence, SetupError> {
    let mut bytes = Vec::new();
    File::from(pipe)
        .read_to_end(&mut bytes)
        .during("read", "evidence")
        .map_err(|fault| fault.at(Stage::ReadBack))?;
    match report::last(&bytes) {
        Some(Report::Ready(evidence)) => Ok(*evidence),
        Some(Report::SetupFailed(error)) => Err(error),
        _ => {
            Err(Fault::new("wait", "the job's process ended during set-up", Errno::ECHILD)
                .at(Stage::ReadBack))
        }
    }
}

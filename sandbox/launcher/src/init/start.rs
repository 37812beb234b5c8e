//! Starting the job: a child in its own user namespace, let go in two steps.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::prctl;
use nix::unistd::{Pid, pipe2, write};
use stockade_plan::{Command, Confinement, Evidence, Report, SetupError, Stage};

use super::reap::Started;
use super::{Init, confine};
use crate::credentials::take_ids;
use crate::steps::{During, Fault};
use crate::sys::{self, Cloned};
use crate::uids::HostId;
use crate::{frames, job, orders};

/// The id a job sees itself run as; the only one its user namespace maps.
pub(crate) const INNER_ID: u32 = 1000;

/// Clones the job's process, maps its id, gives up init's own privileges, and waits until both are confined.
///
/// The job's process waits twice at a gate: for its id map, and, confined and checked, for its command, which
/// comes when init has been confined too. The code it executes never runs beside an init that could still be used.
pub(super) fn start_job(init: &mut Init<'_>, confinement: &Confinement) -> Result<Started, SetupError> {
    let pipe = |name| pipe2(OFlag::O_CLOEXEC).during("pipe2", name).map_err(|f| f.at(Stage::UserNamespace));
    let (gate_read, gate) = pipe("gate")?;
    let (evidence, evidence_write) = pipe("evidence")?;
    become_owner(init.host_id).map_err(|fault| fault.at(Stage::UserNamespace))?;
    let clone = |flags| sys::clone3(flags, None).during("clone3", "the job's process");
    let pid = match clone(libc::CLONE_NEWUSER as u64).map_err(|fault| fault.at(Stage::UserNamespace))? {
        Cloned::Child => {
            drop((gate, evidence));
            job::main(init, confinement, gate_read, evidence_write)
        }
        Cloned::Parent { pid, pidfd } => {
            let told = orders::tell_of_job(init.ends.orders.as_fd(), pidfd.as_fd());
            told.during("sendmsg", "orders").map_err(|fault| fault.at(Stage::UserNamespace))?;
            Pid::from_raw(pid)
        }
    };
    drop((gate_read, evidence_write));
    let host_id = init.host_id.raw();
    init.steps.run(Stage::UserNamespace, || map_ids(pid, host_id))?;
    open_gate(&gate)?;
    let keep = kept_to_the_end(init, &gate, &evidence);
    let prepared = init
        .steps
        .run(Stage::InitConfine, || confine::confine(confinement, init.launcher.lifeline.as_fd(), keep))?;
    let mut job = JobProcess { pid, gate, evidence: File::from(evidence) };
    let found = job.found()?;
    Ok(Started { job, prepared, evidence: found })
}

/// The job's process, before it executes its command.
pub(super) struct JobProcess {
    pub(super) pid: Pid,
    gate: OwnedFd,
    evidence: File,
}

impl JobProcess {
    /// What it read back when it was confined.
    fn found(&mut self) -> Result<Box<Evidence>, SetupError> {
        match self.said(Stage::ReadBack)? {
            Some(Report::Ready(evidence)) => Ok(evidence),
            _ => Err(ended(Stage::ReadBack)),
        }
    }

    /// Tells it what to execute and waits until it has: the pipe that it would complain through closes on
    /// execution.
    pub(super) fn execute(mut self, command: &Command) -> Result<Pid, SetupError> {
        frames::send(self.gate.as_fd(), command)
            .during("write", "gate")
            .map_err(|fault| fault.at(Stage::Exec))?;
        match self.said(Stage::Exec)? {
            None => Ok(self.pid),
            Some(_) => Err(ended(Stage::Exec)),
        }
    }

    /// Its next report; a failure of its own is returned as that.
    fn said(&mut self, stage: Stage) -> Result<Option<Report>, SetupError> {
        let report = frames::receive(&mut self.evidence).during("read", "evidence");
        match report.map_err(|fault| fault.at(stage))? {
            Some(Report::SetupFailed(error)) => Err(error),
            said => Ok(said),
        }
    }
}

fn ended(stage: Stage) -> SetupError {
    Fault::new("wait", "the job's process ended during set-up", Errno::ECHILD).at(stage)
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
    let ends = &init.ends;
    let own =
        [launcher.lifeline.as_fd(), launcher.ids.lock().as_fd(), ends.status.as_fd(), ends.task.as_fd()];
    let job = [gate.as_fd(), evidence.as_fd()];
    [0, 1, 2].into_iter().chain(own.into_iter().chain(job).map(|fd| fd.as_raw_fd())).collect()
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

//! Waiting for the job, ending what it left running, and telling what became of it.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use stockade_plan::{Ended, Evidence, Plan, Report, SetupError, Stage};

use super::confine::Prepared;
use super::{Init, collect, report};
use crate::steps::{During, Fault};
use crate::sys;

/// A job that runs.
pub(super) struct Started {
    pid: Pid,
    status: OwnedFd,
    prepared: Prepared,
    evidence: Evidence,
    io_before: Option<Io>,
}

impl Started {
    pub(super) fn new(
        init: &Init<'_>,
        pid: Pid,
        prepared: Prepared,
        evidence: Evidence,
    ) -> Result<Self, SetupError> {
        let status = init.ends.status.try_clone().during("dup", "status").map_err(|f| f.at(Stage::Exec))?;
        // The job's streams must close when the job's last process has gone, so init lets go of them.
        sys::close_all_but(&kept(init, &status, &prepared))
            .during("close_range", "the job's streams")
            .map_err(|fault: Fault| fault.at(Stage::Exec))?;
        let io_before = prepared.io.as_ref().and_then(Io::read);
        Ok(Self { pid, status, prepared, evidence, io_before })
    }
}

/// What init needs to the end: the lock on the host ids among it, which must hold while a process with one of
/// them lives, even when the launcher does not.
fn kept(init: &Init<'_>, status: &OwnedFd, prepared: &Prepared) -> Vec<i32> {
    let lock = init.launcher.ids.lock().as_raw_fd();
    let mut keep = vec![0, 1, 2, lock, status.as_raw_fd(), prepared.work_dir.as_raw_fd()];
    keep.extend(prepared.io.iter().map(AsRawFd::as_raw_fd));
    keep.sort_unstable();
    keep
}

/// Reports that the job runs, waits for its end, ends the rest, collects the outputs.
pub(super) fn supervise(started: Started, plan: &Plan) -> nix::Result<()> {
    let Started { pid, status, prepared, evidence, io_before } = started;
    let status = status.as_fd();
    report::send(status, &Report::Ready(Box::new(evidence)))?;
    let ended = wait_for(pid)?;
    end_all()?;
    let io =
        prepared.io.as_ref().and_then(Io::read).zip(io_before).map(|(after, before)| after.since(before));
    let (read_bytes, written_bytes) = (io.map(|io| io.read), io.map(|io| io.written));
    report::send(status, &Report::Ended { ended, read_bytes, written_bytes })?;
    collect::collect(prepared.work_dir.as_fd(), &plan.outputs, status)?;
    report::send(status, &Report::Done)
}

/// Reaps everything until the job's first process has ended.
fn wait_for(job: Pid) -> nix::Result<Ended> {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == job => return Ok(Ended::Exited(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == job => {
                return Ok(Ended::Signaled(signal as i32));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Kills every other process of the pid namespace until none is left. Each round reaches what was forked
/// during the one before.
fn end_all() -> nix::Result<()> {
    loop {
        match kill(Pid::from_raw(-1), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(errno),
        }
        match waitpid(None, None) {
            Err(Errno::ECHILD) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// `rchar` and `wchar` of `/proc/self/io`, those of reaped children included; proc(5).
#[derive(Clone, Copy)]
struct Io {
    read: u64,
    written: u64,
}

impl Io {
    fn read(file: &File) -> Option<Self> {
        let mut buffer = [0; 512];
        let len = file.read_at(&mut buffer, 0).ok()?;
        let text = str::from_utf8(buffer.get(..len)?).ok()?;
        let field = |name| text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok();
        Some(Self { read: field("rchar:")?, written: field("wchar:")? })
    }

    fn since(self, before: Self) -> Self {
        Self {
            read: self.read.saturating_sub(before.read),
            written: self.written.saturating_sub(before.written),
        }
    }
}

//! Waiting for the job, ending what it left running, and telling what became of it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use stockade_plan::{Ended, Evidence, Plan, Report};

use super::confine::Prepared;
use super::{collect, report};

/// A job that runs.
pub(super) struct Started {
    pid: Pid,
    prepared: Prepared,
    evidence: Evidence,
    io_before: Option<Io>,
}

impl Started {
    pub(super) fn new(pid: Pid, prepared: Prepared, evidence: Evidence) -> Self {
        let io_before = prepared.io.as_ref().and_then(Io::read);
        Self { pid, prepared, evidence, io_before }
    }
}

/// Reports that the job runs, waits for its end, ends the rest, collects the outputs.
pub(super) fn supervise(started: Started, plan: &Plan, status: BorrowedFd<'_>) -> nix::Result<()> {
    let Started { pid, prepared, evidence, io_before } = started;
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

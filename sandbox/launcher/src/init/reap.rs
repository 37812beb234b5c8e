//! Waiting for the job, ending what it left running, and telling what became of it.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use stockade_plan::{Ended, Evidence, Mark, Report};

use super::confine::Prepared;
use super::start::JobProcess;
use super::task;
use super::witness::Witness;
use crate::steps::Steps;
use crate::{frames, sys};

/// Who looks for a program in one directory after the other is at the next one by then. Milliseconds.
const HELD_BACK_MS: u8 = 100;

/// A sandbox that waits for its task.
pub(super) struct Started {
    pub(super) job: JobProcess,
    pub(super) prepared: Prepared,
    pub(super) evidence: Box<Evidence>,
    /// Hears of the job's calls.
    pub(super) witness: Witness,
    /// Tells when a process has ended.
    pub(super) ends: SignalFd,
}

/// Reports that all is in force, begins the task when it comes, waits for its end, ends the rest, collects the
/// outputs.
pub(super) fn supervise(
    started: Started,
    task: File,
    steps: &mut Steps,
    status: BorrowedFd<'_>,
) -> nix::Result<()> {
    let Started { job, prepared, evidence, mut witness, ends } = started;
    frames::send(status, &Report::Ready(evidence))?;
    let begun = match task::begin(task, job, &prepared, steps) {
        Ok(Some(begun)) => begun,
        // Nobody needs this sandbox any more, and its end is all there is to say.
        Ok(None) => return Ok(()),
        Err(error) => return frames::send(status, &Report::SetupFailed(error)),
    };
    let began = Instant::now();
    frames::send(status, &Report::Started)?;
    let io_before = prepared.io.as_ref().and_then(Io::read);
    let ended = wait_for(begun.pid, &ends, &mut witness, status)?;
    let wall_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    end_all()?;
    if let Some(mark) = begun.mark {
        leave(mark);
    }
    let io =
        prepared.io.as_ref().and_then(Io::read).zip(io_before).map(|(after, before)| after.since(before));
    let (read_bytes, written_bytes) = (io.map(|io| io.read), io.map(|io| io.written));
    let rusage = sys::children_usage()?;
    let mut status = frames::Sender::new(status);
    witness.rest().try_for_each(|report| status.push(&report))?;
    status.push(&Report::Ended { ended, read_bytes, written_bytes, rusage, wall_us })?;
    stockade_inside::collect(prepared.work_dir.as_fd(), &begun.outputs, &mut status)?;
    status.push(&Report::Done)?;
    status.flush()
}

/// Reaps everything and hears of calls until the job's first process has ended.
fn wait_for(job: Pid, ends: &SignalFd, witness: &mut Witness, status: BorrowedFd<'_>) -> nix::Result<Ended> {
    loop {
        match wait(ends, witness)? {
            Waited::Question => witness.hear(status)?,
            Waited::NoMoreQuestions => witness.is_over(),
            Waited::InVain => witness.tell_what_is_held_back(status)?,
            Waited::End => {}
        }
        // One signal stands for any number of ends.
        while ends.read_signal()?.is_some() {}
        if let Some(ended) = reap(job)? {
            return Ok(ended);
        }
    }
}

/// What came of waiting.
enum Waited {
    Question,
    /// None will ever come.
    NoMoreQuestions,
    /// A process may have ended.
    End,
    /// Nothing came in time.
    InVain,
}

/// Waits for an end or a question; for ever, unless something is held back.
fn wait(ends: &SignalFd, witness: &Witness) -> nix::Result<Waited> {
    let patience = if witness.holds_back() { PollTimeout::from(HELD_BACK_MS) } else { PollTimeout::NONE };
    let waited_for = std::iter::once(ends.as_fd()).chain(witness.listener());
    let mut fds: Vec<PollFd<'_>> = waited_for.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut fds, patience) {
        Ok(0) => return Ok(Waited::InVain),
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    let found = fds.get(1).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
    Ok(match found {
        found if found.contains(PollFlags::POLLIN) => Waited::Question,
        found if found.is_empty() => Waited::End,
        _ => Waited::NoMoreQuestions,
    })
}

/// Reaps what has ended; how the job's first process did, if it is among it.
fn reap(job: Pid) -> nix::Result<Option<Ended>> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == job => return Ok(Some(Ended::Exited(code))),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == job => {
                return Ok(Some(Ended::Signaled(signal as i32)));
            }
            Ok(WaitStatus::StillAlive) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Kills every other process of the pid namespace until none is left. Each round reaches what was forked
/// during the one before. Orphans are init's: while there is another process, init has a child, pid_namespaces(7).
fn end_all() -> nix::Result<()> {
    let mut how = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
    loop {
        match waitpid(None, Some(how)) {
            Err(Errno::ECHILD) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        // To look for whom to kill the kernel goes through every process of the host: mostly nobody is left.
        match kill(Pid::from_raw(-1), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(errno),
        }
        how = WaitPidFlag::__WALL;
    }
}

/// Has the kernel's audit record a call behind all that the job caused, under a name that shows whose it is: init's filter logs
/// the second of these calls. What becomes of them the supervisor sees.
fn leave(mark: Mark) {
    /// What the kernel calls a process of the launcher's.
    const OWN: &CStr = c"stockade-launch";
    let _named = prctl::set_name(&mark.name());
    let _recorded = prctl::get_name();
    let _named = prctl::set_name(OWN);
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

//! One job, from its control group to the last trace of it removed.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use stockade_plan::{CodecError, Ended, Plan, SetupError};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cgroup::{CgroupError, Leaf, Stats};
use crate::enforcement::Enforcement;
use crate::outcome::{Captured, End, Limit, Outcome};
use crate::sandbox::{Exited, Inner, Launched, borrowed};
use crate::status::{Finished, NotReady, Status};
use crate::streams::{Sink, Stdin, drain, feed};
use crate::usage::{Measured, Usage};
use crate::{denial::Denial, watch};

/// Set-up takes milliseconds. A job that does not run after this time never will.
const SETUP_DEADLINE: Duration = Duration::from_secs(20);
/// Killed processes are gone in milliseconds. After this time something is wrong with the host.
const EXIT_DEADLINE: Duration = Duration::from_secs(20);

/// A job to run.
#[derive(Debug)]
pub struct SandboxJob {
    /// What to run and under what.
    pub plan: Plan,
    /// The bytes of the plan's inputs, in the same order.
    pub inputs: Vec<Vec<u8>>,
    /// What it reads.
    pub stdin: Stdin,
    /// Where its output goes.
    pub stdout: Sink,
    /// Where its error output goes.
    pub stderr: Sink,
    /// Cancelling it ends the job.
    pub cancel: CancellationToken,
}

/// A job did not start, or how it ended cannot be told. Nothing of it is left either way.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A step of set-up failed.
    #[error(transparent)]
    Setup(SetupError),
    /// The memory limit is too small even for the set-up: inputs and work files count.
    #[error(
        "the memory limit of {limit_bytes} bytes was used up during set-up; raise `memory_mb` or pass less input"
    )]
    NoMemoryForSetup {
        /// The limit.
        limit_bytes: u64,
    },
    /// Cancelled before it ran.
    #[error("cancelled before the job started")]
    Cancelled,
    /// Set-up took too long.
    #[error("set-up did not end within {} s; the host is overloaded or the launcher stuck", SETUP_DEADLINE.as_secs())]
    SetupDeadline,
    /// Its control group could not be made or limited.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The launcher is gone.
    #[error("the launcher is gone; restart stockade")]
    LauncherGone,
    /// The plan is too large to send.
    #[error("cannot send the plan: {0}")]
    Frame(CodecError),
    /// Init broke its protocol, and was killed.
    #[error("the sandbox's init broke its protocol: {0}")]
    Protocol(String),
    /// Init was killed by something else than this program.
    #[error("the sandbox's init was killed from outside")]
    InitKilled,
    /// A descriptor could not be made or used.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Runs the job; whatever happens, its group is removed before this returns.
pub(crate) async fn run(
    sandbox: &Inner,
    job: SandboxJob,
    dropped: &CancellationToken,
) -> Result<Outcome, RunError> {
    let began = Instant::now();
    let leaf = sandbox.worker.leaf(&job.plan.limits)?;
    let outcome = run_in(sandbox, &leaf, job, dropped, began).await;
    let removed = leaf.remove().await;
    let outcome = outcome?;
    removed?;
    Ok(outcome)
}

async fn run_in(
    sandbox: &Inner,
    leaf: &Leaf,
    job: SandboxJob,
    dropped: &CancellationToken,
    began: Instant,
) -> Result<Outcome, RunError> {
    let SandboxJob { plan, inputs, stdin, stdout, stderr, cancel } = job;
    let ended_from_outside = Cancellation { cancel, dropped, closing: sandbox.closing() };
    let (launched, exited) = launch(sandbox, leaf, &plan, &inputs).await?;
    let Launched { host_uid, stdin: feed_to, stdout: out, stderr: err, status } = launched;
    let overflow = CancellationToken::new();
    let cap = plan.limits.output_bytes;
    let feeding = tokio::spawn(feed(feed_to, stdin));
    let stdout = tokio::spawn(drain(out, stdout, cap, overflow.clone()));
    let stderr = tokio::spawn(drain(err, stderr, cap, overflow.clone()));
    let pipe = pipe::Receiver::from_owned_fd(status).map_err(io("open the status pipe"))?;
    let mut running =
        Running { leaf, plan: &plan, status: Status(pipe), exited, cancellation: &ended_from_outside };
    let ran = running.run(&overflow, began).await;
    feeding.abort();
    let (ran, exited) = running.end(ran).await?;
    let (stdout, stderr) = (joined(stdout).await?, joined(stderr).await?);
    let stats = leaf.stats()?;
    let end = ran.verdict(&stats, &plan)?;
    let denials = Denial::of(&stats, &plan, &stdout, &stderr, ran.outputs());
    let measured = Measured {
        setup: ran.setup,
        wall: ran.wall,
        stats,
        memory_samples: ran.memory_samples,
        rusage: exited.rusage,
        io: ran.finished.as_ref().map(|finished| (finished.read_bytes, finished.written_bytes)),
        output_bytes: stdout.total_bytes + stderr.total_bytes,
    };
    let enforcement = Enforcement::of(&ran.evidence, &plan, sandbox.facts(), sandbox.controllers());
    let outputs = ran.finished.map(|finished| finished.outputs).unwrap_or_default();
    let stages = ran.evidence.stages.into_vec();
    Ok(Outcome {
        end,
        stdout,
        stderr,
        outputs,
        usage: Usage::of(&measured),
        enforcement,
        denials,
        host_uid,
        stages,
    })
}

async fn launch(
    sandbox: &Inner,
    leaf: &Leaf,
    plan: &Plan,
    inputs: &[Vec<u8>],
) -> Result<(Launched, oneshot::Receiver<Exited>), RunError> {
    let groups = leaf.open()?;
    let v1_groups = groups.v1.len();
    let mut fds = vec![groups.unified];
    fds.extend(groups.v1);
    for bytes in inputs {
        fds.push(in_memory(bytes).map_err(io("pass an input"))?);
    }
    let fds = borrowed(&fds);
    let launching = sandbox.launch(v1_groups, plan.clone(), &fds);
    timeout(SETUP_DEADLINE, launching).await.map_err(|_| RunError::SetupDeadline)?
}

/// An anonymous file with these bytes, read from its start.
fn in_memory(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let memory = memfd_create("input", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory.try_clone()?);
    file.write_all(bytes)?;
    rustix::fs::seek(memory.as_fd(), rustix::fs::SeekFrom::Start(0))?;
    Ok(memory)
}

/// Everybody who may end a job.
struct Cancellation<'a> {
    cancel: CancellationToken,
    dropped: &'a CancellationToken,
    closing: &'a CancellationToken,
}

impl Cancellation<'_> {
    async fn cancelled(&self) {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = self.dropped.cancelled() => {}
            () = self.closing.cancelled() => {}
        }
    }
}

struct Running<'a> {
    leaf: &'a Leaf,
    plan: &'a Plan,
    status: Status<pipe::Receiver>,
    exited: oneshot::Receiver<Exited>,
    cancellation: &'a Cancellation<'a>,
}

/// A job that ran, before its end is judged.
struct Ran {
    evidence: stockade_plan::Evidence,
    setup: Duration,
    wall: Duration,
    /// Why it was ended; `None` if it ended by itself.
    ended_for: Option<End>,
    finished: Option<Finished>,
    memory_samples: Vec<u64>,
}

impl Running<'_> {
    /// From launch to end. On an error the group is still to be killed.
    async fn run(&mut self, overflow: &CancellationToken, began: Instant) -> Result<Ran, RunError> {
        let ready = tokio::select! {
            ready = timeout(SETUP_DEADLINE, self.status.ready()) => ready.map_err(|_| RunError::SetupDeadline)?,
            () = self.cancellation.cancelled() => return Err(RunError::Cancelled),
        };
        let evidence = ready.map_err(|error| self.why_not_ready(error))?;
        let setup = began.elapsed();
        let started = Instant::now();
        let limits = &self.plan.limits;
        let mut watch = watch::Watch::new(self.leaf, limits);
        let mut finished = None;
        let ended_for = tokio::select! {
            done = self.status.finished(&self.plan.outputs) => { finished = done?; None }
            () = tokio::time::sleep(Duration::from_millis(limits.wall_time_ms)) => Some(End::TimedOut),
            () = overflow.cancelled() => Some(End::LimitExceeded(Limit::Output)),
            end = watch.until_exceeded() => Some(end?),
            () = self.cancellation.cancelled() => Some(End::Cancelled),
        };
        let wall = started.elapsed();
        let memory_samples = watch.samples()?;
        Ok(Ran { evidence, setup, wall, ended_for, finished, memory_samples })
    }

    fn why_not_ready(&self, error: NotReady) -> RunError {
        let out_of_memory = self.leaf.oom_kills().is_ok_and(|kills| kills > 0);
        match error {
            NotReady::Setup(_) | NotReady::Ended if out_of_memory => {
                RunError::NoMemoryForSetup { limit_bytes: self.plan.limits.memory_bytes }
            }
            NotReady::Setup(error) => RunError::Setup(error),
            NotReady::Ended => RunError::InitKilled,
            NotReady::Malformed(error) => error,
        }
    }

    /// Kills what is left, of a job that ended as well as of one that did not, and waits until init is reaped.
    async fn end(self, ran: Result<Ran, RunError>) -> Result<(Ran, Exited), RunError> {
        if !matches!(&ran, Ok(Ran { finished: Some(_), .. })) {
            self.leaf.kill()?;
        }
        let exited = match timeout(EXIT_DEADLINE, self.exited).await {
            Ok(Ok(exited)) => exited,
            Ok(Err(_)) => return Err(RunError::LauncherGone),
            Err(_) => return Err(RunError::Internal("killed processes do not end".to_owned())),
        };
        ran.map(|ran| (ran, exited))
    }
}

impl Ran {
    /// One verdict. Memory comes first: a job killed for memory may look as if it had ended by itself.
    fn verdict(&self, stats: &Stats, plan: &Plan) -> Result<End, RunError> {
        if stats.oom_kills > 0 {
            return Ok(End::OutOfMemory);
        }
        if let Some(end) = self.ended_for {
            return Ok(end);
        }
        if (stats.user_us + stats.system_us) / 1000 >= plan.limits.cpu_time_ms {
            return Ok(End::LimitExceeded(Limit::CpuTime));
        }
        match self.finished.as_ref().map(|finished| finished.ended) {
            Some(Ended::Exited(code)) => Ok(End::Exited(code)),
            Some(Ended::Signaled(signal)) => Ok(End::Signaled(signal)),
            // Init ended before it could say how the job did, and none of the reasons above ended it: somebody
            // on the host did. That is not the job's doing.
            None => Err(RunError::InitKilled),
        }
    }

    fn outputs(&self) -> &[crate::Collected] {
        self.finished.as_ref().map_or(&[], |finished| &finished.outputs)
    }
}

async fn joined(task: JoinHandle<std::io::Result<Captured>>) -> Result<Captured, RunError> {
    task.await
        .map_err(|error| RunError::Internal(error.to_string()))?
        .map_err(|source| RunError::Io { what: "read the job's output", source })
}

fn io<E: Into<std::io::Error>>(what: &'static str) -> impl FnOnce(E) -> RunError {
    move |source| RunError::Io { what, source: source.into() }
}

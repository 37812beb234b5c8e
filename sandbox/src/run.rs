//! One job: a sandbox taken or made for it, its task given, its end awaited and judged.

use std::convert::Infallible;
use std::io::{ErrorKind, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use stockade_plan::{CodecError, Confinement, Ended, Plan, Rusage, SetupError, Task, encode};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::audit::Hearing;
use crate::cgroup::{CgroupError, CpuTime, Leaf, Stats};
use crate::denial::{self, Denial};
use crate::enforcement::Enforcement;
use crate::outcome::{Captured, End, Limit, Lost, Outcome};
use crate::sandbox::Inner;
use crate::signals::{Signals, Word};
use crate::slot::{Prepared, Ready, Remains, SETUP_DEADLINE, why_not_ready};
use crate::status::{Finished, Status};
use crate::streams::{self, Bounds, Sink, Stdin, drain, feed};
use crate::usage::{Measured, Usage};
use crate::watch;

/// What a caller has in any case to take what a job has printed. More than that he has while the job's time lasts.
const DELIVERY: Duration = Duration::from_secs(1);

/// A job to run.
#[derive(Debug)]
pub struct SandboxJob {
    /// What to run and under what.
    pub plan: Plan,
    /// The bytes of the task's inputs, in the same order.
    pub inputs: Vec<Vec<u8>>,
    /// What it reads.
    pub stdin: Stdin,
    /// Where its output goes.
    pub stdout: Sink,
    /// Where its error output goes.
    pub stderr: Sink,
    /// Where it hears what its caller says.
    pub signals: Signals,
    /// Cancelling it ends the job.
    pub cancel: CancellationToken,
    /// Who serves its network: gets the sockets that listen in its namespace, in the order of the plan, before the
    /// job starts. Needed where the plan has such.
    pub network: Option<oneshot::Sender<Vec<TcpListener>>>,
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
    /// The inputs are not those of the plan.
    #[error("the inputs do not match the plan: {0}")]
    Inputs(String),
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

/// Runs the job, when it is cleared; whatever happens, no process of it is left when this returns.
pub(crate) async fn run<E>(
    sandbox: &Inner,
    job: SandboxJob,
    cleared: impl Future<Output = Result<(), E>>,
) -> Result<Result<Outcome, RunError>, E> {
    let began = Instant::now();
    let cancellation = Cancellation { cancel: job.cancel.clone(), closing: sandbox.closing().clone() };
    let found = async {
        check_inputs(&job.plan.task, &job.inputs)?;
        cancellation.or(find(sandbox, &job.plan.confinement)).await
    };
    let found = found.await;
    let obtained = async {
        match found? {
            Found::Ready(ready) => Ok(Obtained { ready: *ready, made_ahead: true }),
            Found::Prepared(prepared) => {
                let ready = cancellation.or(prepared.build(sandbox, &job.plan.confinement)).await?;
                Ok(Obtained { ready, made_ahead: false })
            }
        }
    };
    // In this order: the first is on its way when the other one begins, which may take its time.
    let (obtained, cleared) = tokio::join!(biased; obtained, cleared);
    cleared?;
    match obtained {
        Ok(obtained) => Ok(run_in(sandbox, obtained, job, &cancellation, began).await),
        Err(error) => Ok(Err(error)),
    }
}

async fn run_in(
    sandbox: &Inner,
    obtained: Obtained,
    job: SandboxJob,
    cancellation: &Cancellation,
    began: Instant,
) -> Result<Outcome, RunError> {
    let plan = job.plan;
    let Obtained { ready, made_ahead } = obtained;
    let Ready { mut remains, ends, mut status, evidence, spent, listeners } = ready;
    hand_on(listeners, job.network)?;
    let (id, host_uid) = (ends.id, ends.host_uid);
    let mut hearing = sandbox.audit.begin(host_uid);
    let bounds = Bounds {
        limit: plan.confinement.limits.output_bytes,
        overflow: CancellationToken::new(),
        give_up: CancellationToken::new(),
    };
    let ours = streams::Ends::open(ends.stdin, ends.stdout, ends.stderr, &job.stdin);
    let ours = ours.map_err(|source| RunError::Io { what: "open the job's streams", source })?;
    let delivery = Delivery::begun(ends.task, &plan.task)?;
    let streams = Streams {
        feeding: feed(ours.input, job.stdin),
        stdout: drain(ours.output, job.stdout, bounds.clone()),
        stderr: drain(ours.error, job.stderr, bounds.clone()),
        bounds,
    };
    let deliver = delivery.done(job.inputs);
    let mut running = Running {
        sandbox,
        id,
        remains: &mut remains,
        plan: &plan,
        status: &mut status,
        spent,
        signals: job.signals,
        hearing: &mut hearing,
    };
    let Judged { end, ran, stdout, stderr, stats } =
        running.finish(deliver, streams, cancellation, began).await?;
    // Nothing but an init on its way out is left, if that.
    drop(remains);
    let watched = &plan.confinement.filter.watched;
    let seen = status.refusals.denials(watched, ran.finished.is_some()).collect();
    let mut denials = denial::merged(seen, sandbox.audit.settle(hearing, end).await);
    denials.extend(Denial::of(&stats, &plan, &stdout, &stderr, ran.outputs()));
    let measured = Measured {
        setup: ran.setup,
        wall: ran.wall,
        stats,
        memory_samples: ran.memory_samples,
        rusage: ran.rusage,
        io: ran.finished.as_ref().map(|finished| (finished.read_bytes, finished.written_bytes)),
        output_bytes: stdout.total_bytes + stderr.total_bytes,
    };
    Ok(Outcome {
        end,
        stdout,
        stderr,
        outputs: ran.finished.map(|finished| finished.outputs).unwrap_or_default(),
        usage: Usage::of(&measured),
        enforcement: Enforcement::of(
            &evidence,
            &plan,
            sandbox.facts(),
            sandbox.controllers(),
            sandbox.audit.state(),
        ),
        denials,
        host_uid,
        made_ahead,
        stages: evidence.stages.into_vec(),
    })
}

/// The job's standard streams, fed and drained by whoever drives these futures.
struct Streams<F, D> {
    feeding: F,
    stdout: D,
    stderr: D,
    bounds: Bounds,
}

/// The plan's digest covers the inputs by their sizes, so those must hold.
fn check_inputs(task: &Task, inputs: &[Vec<u8>]) -> Result<(), RunError> {
    if task.inputs.len() != inputs.len() {
        return Err(RunError::Inputs(format!("{} are named, {} given", task.inputs.len(), inputs.len())));
    }
    let wrong = task.inputs.iter().zip(inputs).find(|(input, bytes)| input.size != bytes.len() as u64);
    wrong.map_or(Ok(()), |(input, bytes)| {
        let (name, size) = (&input.name, input.size);
        Err(RunError::Inputs(format!("`{name}` has {} bytes instead of {size}", bytes.len())))
    })
}

/// Gives the listeners to whoever serves them. A job whose network nobody serves does not start.
fn hand_on(
    listeners: Vec<TcpListener>,
    network: Option<oneshot::Sender<Vec<TcpListener>>>,
) -> Result<(), RunError> {
    if listeners.is_empty() {
        return Ok(());
    }
    let served = network.map(|network| network.send(listeners));
    match served {
        Some(Ok(())) => Ok(()),
        _ => Err(RunError::Internal("nobody serves the job's network".to_owned())),
    }
}

/// A sandbox for a job.
struct Obtained {
    ready: Ready,
    /// Whether it was there before the job came.
    made_ahead: bool,
}

/// What there is for a job at once.
enum Found {
    Ready(Box<Ready>),
    Prepared(Prepared),
}

/// A sandbox that was built ahead, or one that is still to be built.
async fn find(sandbox: &Inner, confinement: &Confinement) -> Result<Found, RunError> {
    while let Some(mut ready) = sandbox.ahead.take_ready(confinement) {
        if !ready.is_dead() {
            return Ok(Found::Ready(Box::new(ready)));
        }
    }
    while Prepared::any_suits(sandbox, confinement)
        && let Some(mut spare) = sandbox.ahead.take_spare()
    {
        if !spare.is_dead() {
            return Ok(Found::Prepared(spare));
        }
    }
    Prepared::suited(sandbox, confinement).await.map(Found::Prepared)
}

/// A task on its way to init, and behind it the bytes of the inputs.
struct Delivery {
    socket: std::os::unix::net::UnixStream,
    /// What the socket has not taken yet.
    rest: Vec<u8>,
}

impl Delivery {
    /// Gives init as much of its task as the socket takes, which is nearly always all: init goes on with that while the job's
    /// streams are made ready.
    fn begun(socket: OwnedFd, task: &Task) -> Result<Self, RunError> {
        let frame = encode(task).map_err(RunError::Frame)?;
        let len = u32::try_from(frame.len()).map_err(|_| RunError::Internal("a task of 4 GiB".to_owned()))?;
        let mut rest = len.to_le_bytes().to_vec();
        rest.extend_from_slice(&frame);
        let mut socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true).map_err(undelivered)?;
        // If it takes nothing, why not is seen when the rest is given.
        let taken = socket.write(&rest).unwrap_or_default();
        rest.drain(..taken);
        Ok(Self { socket, rest })
    }

    /// Gives it the rest.
    async fn done(self, inputs: Vec<Vec<u8>>) -> Result<(), RunError> {
        let parts = || std::iter::once(&self.rest).chain(&inputs).filter(|part| !part.is_empty());
        if parts().next().is_none() {
            return Ok(());
        }
        let mut socket = UnixStream::from_std(self.socket).map_err(undelivered)?;
        for part in parts() {
            match socket.write_all(part).await {
                // Init has given up, and says why on its status pipe.
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    return Ok(());
                }
                written => written.map_err(undelivered)?,
            }
        }
        Ok(())
    }
}

fn undelivered(source: std::io::Error) -> RunError {
    RunError::Io { what: "give the sandbox its task", source }
}

/// Everybody who may end a job.
struct Cancellation {
    cancel: CancellationToken,
    closing: CancellationToken,
}

impl Cancellation {
    async fn cancelled(&self) {
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = self.closing.cancelled() => {}
        }
    }

    /// Does this unless it is cancelled before it is done.
    async fn or<T>(&self, work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
        tokio::select! {
            done = work => done,
            () = self.cancelled() => Err(RunError::Cancelled),
        }
    }
}

struct Running<'a> {
    sandbox: &'a Inner,
    id: u64,
    signals: Signals,
    remains: &'a mut Remains,
    plan: &'a Plan,
    status: &'a mut Status<pipe::Receiver>,
    spent: CpuTime,
    hearing: &'a mut Hearing,
}

/// A job that ran, before its end is judged.
struct Ran {
    setup: Duration,
    wall: Duration,
    /// Why it was ended; `None` if it ended by itself.
    ended_for: Option<End>,
    finished: Option<Finished>,
    memory_samples: Vec<u64>,
    rusage: Rusage,
}

/// How a job ended, with all that was read for it.
struct Judged {
    end: End,
    ran: Ran,
    stdout: Captured,
    stderr: Captured,
    stats: Stats,
}

impl Running<'_> {
    /// From the task given to the verdict; no process of the job is left then.
    async fn finish<F, D>(
        &mut self,
        deliver: impl Future<Output = Result<(), RunError>>,
        streams: Streams<F, D>,
        cancellation: &Cancellation,
        began: Instant,
    ) -> Result<Judged, RunError>
    where
        F: Future<Output = std::io::Result<()>>,
        D: Future<Output = std::io::Result<Captured>>,
    {
        let Streams { feeding, stdout, stderr, bounds } = streams;
        let wall = Duration::from_millis(self.plan.confinement.limits.wall_time_ms);
        let drained = async { tokio::try_join!(stdout, stderr) };
        let ran = async {
            let ran = tokio::select! {
                ran = self.run(deliver, cancellation, &bounds.overflow, began) => ran,
                never = fed(feeding) => match never {},
            };
            self.end(ran, began).await
        };
        let (mut ran, drained) = beside(ran, drained, |ran| {
            let left = wall.saturating_sub(ran.wall).max(DELIVERY);
            let give_up = bounds.give_up.clone();
            async move {
                tokio::time::sleep(left).await;
                give_up.cancel();
            }
        })
        .await?;
        let (stdout, stderr) =
            drained.map_err(|source| RunError::Io { what: "read the job's output", source })?;
        if [&stdout, &stderr].iter().any(|stream| stream.lost == Some(Lost::NotTaken)) {
            // A job has ended when its output has been taken.
            ran.ended_for.get_or_insert(End::TimedOut);
        }
        let mut stats = self.remains.leaf.stats()?;
        stats.cpu = stats.cpu.since(self.spent);
        ran.memory_samples.push(stats.memory_bytes);
        let end = ran.verdict(&stats, self.plan)?;
        Ok(Judged { end, ran, stdout, stderr, stats })
    }

    /// From the task given to the job's end. On an error what runs is still to be killed.
    async fn run(
        &mut self,
        deliver: impl Future<Output = Result<(), RunError>>,
        cancellation: &Cancellation,
        overflow: &CancellationToken,
        began: Instant,
    ) -> Result<Ran, RunError> {
        self.start(deliver, cancellation).await?;
        let setup = began.elapsed();
        let started = Instant::now();
        let limits = &self.plan.confinement.limits;
        let mut watch = watch::Watch::new(&self.remains.leaf, limits, self.spent);
        let mut finished = None;
        let ended_for = tokio::select! {
            done = self.status.finished(&self.plan.task.outputs) => { finished = done?; None }
            () = tokio::time::sleep(Duration::from_millis(limits.wall_time_ms)) => Some(End::TimedOut),
            () = overflow.cancelled() => Some(End::LimitExceeded(Limit::Output)),
            end = watch.until_exceeded() => Some(end?),
            () = cancellation.cancelled() => Some(End::Cancelled),
            failed = heard(self.sandbox, self.id, &self.remains.leaf, &mut self.signals) => return Err(failed),
        };
        let told = finished.as_ref().map(|finished| finished.wall);
        let (setup, wall) = apart(began.elapsed(), setup, started.elapsed(), told);
        let memory_samples = watch.samples();
        let rusage = finished.as_ref().map(|finished| finished.rusage).unwrap_or_default();
        Ok(Ran { setup, wall, ended_for, finished, memory_samples, rusage })
    }

    /// Gives the task and waits until its command has been executed.
    async fn start(
        &mut self,
        deliver: impl Future<Output = Result<(), RunError>>,
        cancellation: &Cancellation,
    ) -> Result<(), RunError> {
        let begun = async { tokio::join!(deliver, self.status.started()) };
        let (delivered, started) = tokio::select! {
            // A job that is known to have started is cancelled as one that ran.
            biased;
            begun = timeout(SETUP_DEADLINE, begun) => begun.map_err(|_| RunError::SetupDeadline)?,
            () = cancellation.cancelled() => return Err(RunError::Cancelled),
        };
        started.map_err(|error| why_not_ready(error, &self.remains.leaf, &self.plan.confinement))?;
        delivered
    }

    /// Kills what is left of a job that did not end by itself, and waits until all of it is reaped.
    async fn end(&mut self, ran: Result<Ran, RunError>, began: Instant) -> Result<Ran, RunError> {
        match ran {
            Ok(ran) if ran.finished.is_some() => {
                self.sandbox.audit.mark(self.hearing);
                Ok(ran)
            }
            ran => {
                let exited = self.remains.kill().await?;
                self.sandbox.audit.mark(self.hearing);
                let ran = match (ran, self.status.rest().await) {
                    // It ran when it was cancelled, and that had not been heard yet.
                    (Err(RunError::Cancelled), true) => Ok(Ran::cancelled(began.elapsed())),
                    (ran, _) => ran,
                };
                ran.map(|ran| Ran { rusage: exited.rusage, ..ran })
            }
        }
    }
}

impl Ran {
    /// Of a job that was cancelled as soon as it ran.
    fn cancelled(setup: Duration) -> Self {
        Self {
            setup,
            wall: Duration::ZERO,
            ended_for: Some(End::Cancelled),
            finished: None,
            memory_samples: Vec::new(),
            rusage: Rusage::default(),
        }
    }

    /// One verdict. Memory comes first: a job killed for memory may look as if it had ended by itself.
    fn verdict(&self, stats: &Stats, plan: &Plan) -> Result<End, RunError> {
        if stats.oom_kills > 0 {
            return Ok(End::OutOfMemory);
        }
        if let Some(end) = self.ended_for {
            return Ok(end);
        }
        if stats.cpu.millis() >= plan.confinement.limits.cpu_time_ms {
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

/// Set-up and run of a job that took so long in all. On a busy host its start is seen late, perhaps only when it has ended: what
/// init has `told` of the run is then the better measure. No word of init's makes a run longer than all of it was.
fn apart(all: Duration, setup: Duration, run: Duration, told: Option<Duration>) -> (Duration, Duration) {
    let run = told.map_or(run, |told| run.max(told.min(all)));
    (setup.min(all.saturating_sub(run)), run)
}

/// Does what the caller says for as long as somebody drives it; returns only if it cannot.
async fn heard(sandbox: &Inner, id: u64, leaf: &Leaf, signals: &mut Signals) -> RunError {
    loop {
        let done = match signals.next().await {
            Word::Signal(signal) => sandbox.signal(id, signal).await,
            Word::Pause(done) => {
                let frozen = leaf.freeze(true).map_err(RunError::from);
                // Whoever no longer waits need not know.
                let _not_waiting = done.send(());
                frozen
            }
            Word::Resume => leaf.freeze(false).map_err(RunError::from),
        };
        if let Err(error) = done {
            return error;
        }
    }
}

/// Feeds for as long as somebody drives it: how much of its input a job has read is no reason to end it.
async fn fed(feeding: impl Future<Output = std::io::Result<()>>) -> Infallible {
    // A job that is not fed to the end has its pipe closed, and sees that.
    let _fed = feeding.await;
    std::future::pending().await
}

/// Drives both. If the first fails the other is not waited for: streams end only when the job does. When the first is
/// done, `patience` is driven beside the other.
async fn beside<T, U, P: Future<Output = ()>>(
    first: impl Future<Output = Result<T, RunError>>,
    other: impl Future<Output = U>,
    patience: impl FnOnce(&T) -> P,
) -> Result<(T, U), RunError> {
    tokio::pin!(first, other);
    tokio::select! {
        biased;
        done = &mut first => {
            let done = done?;
            let patience = patience(&done);
            let other = tokio::select! {
                biased;
                other = &mut other => other,
                () = patience => other.await,
            };
            Ok((done, other))
        }
        ended = &mut other => Ok((first.await?, ended)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_was_seen_late_is_no_set_up() {
        let ms = Duration::from_millis;
        assert_eq!(apart(ms(75), ms(70), ms(5), Some(ms(60))), (ms(15), ms(60)));
        assert_eq!(apart(ms(75), ms(15), ms(60), Some(ms(59))), (ms(15), ms(60)));
        assert_eq!(apart(ms(75), ms(15), ms(60), None), (ms(15), ms(60)));
        assert_eq!(apart(ms(75), ms(15), ms(60), Some(Duration::MAX)), (Duration::ZERO, ms(75)));
    }
}

//! One job: a sandbox taken or made for it, its task given, its end awaited and judged.

mod cancellation;
mod delivery;
mod error;
mod obtain;
mod ran;
mod running;

use std::net::TcpListener;
use std::time::Instant;

use stockade_plan::Plan;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use self::error::{NotRun, RunError};

use self::cancellation::Cancellation;
use self::delivery::{Delivery, check_inputs};
use self::obtain::{Found, Obtained, find};
use self::running::{Running, Streams};
use crate::enforcement::Enforcement;
use crate::outcome::Outcome;
use crate::sandbox::Inner;
use crate::signals::Signals;
use crate::slot::{Built, Ready};
use crate::streams::{Bounds, Sink, Stdin, drain, feed};

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

/// Runs the job, when it is cleared; whatever happens, no process of it is left when this returns.
pub(crate) async fn run<E>(
    sandbox: &Inner,
    job: SandboxJob,
    cleared: impl Future<Output = Result<(), E>>,
) -> Result<Result<Outcome, NotRun>, E> {
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
            Found::Prepared(mut prepared) => {
                match cancellation.or(prepared.build(sandbox, &job.plan.confinement)).await {
                    Ok(built) => Ok(Obtained { ready: prepared.ready(built), made_ahead: false }),
                    Err(error) => Err(NotRun { host_uid: prepared.host_uid(), ..error.into() }),
                }
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
) -> Result<Outcome, NotRun> {
    let Obtained { ready: Ready { remains, built }, made_ahead } = obtained;
    let Built { id, host_uid, pipes, status, task, evidence, gauges, spent, listeners } = built;
    let SandboxJob { plan, inputs, stdin, stdout, stderr, signals, network, cancel: _ } = job;
    let hearing = sandbox.audit.begin(host_uid);
    // With its task it is let go: from then on only init knows whether it has begun. So all that may fail here comes before.
    let begun = hand_on(listeners, network)
        .and_then(|()| {
            pipes.ends(&stdin).map_err(|source| RunError::Io { what: "open the job's streams", source })
        })
        .and_then(|ours| cancellation.check().map(|()| ours))
        .and_then(|ours| Ok((ours, Delivery::begun(task, &plan.task, hearing.promised())?)));
    // Here, where nobody waits for it.
    let mut enforcement = Enforcement::of(&evidence, &plan, sandbox.facts(), sandbox.controllers());
    let work = async {
        let (ours, delivery) = begun?;
        let bounds = Bounds {
            limit: plan.confinement.limits.output_bytes,
            overflow: CancellationToken::new(),
            give_up: CancellationToken::new(),
        };
        let streams = Streams {
            feeding: feed(ours.input, stdin),
            stdout: drain(ours.output, stdout, bounds.clone()),
            stderr: drain(ours.error, stderr, bounds.clone()),
            bounds,
        };
        let running = Running { sandbox, id, remains, plan: &plan, status, gauges, spent, signals, hearing };
        running.finish(delivery.done(inputs), streams, cancellation, began).await
    };
    let work = work.await;
    enforcement.told_by(&plan, sandbox.audit.state());
    match work {
        Ok(judged) => Ok(Outcome {
            end: judged.end,
            usage: judged.usage(),
            stdout: judged.stdout,
            stderr: judged.stderr,
            outputs: judged.ran.finished.map(|finished| finished.outputs).unwrap_or_default(),
            enforcement,
            denials: judged.denials,
            host_uid,
            made_ahead,
            stages: evidence.stages.into_vec(),
        }),
        Err(error) => Err(NotRun { error, host_uid: Some(host_uid), enforcement: Some(enforcement) }),
    }
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

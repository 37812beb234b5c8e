//! One job in one container, from the image to the end of the last process.

use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, ContainerState};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use stockade_egress::{Proxy, Traffic};
use stockade_plan::{
    AbsPath, Account, Arg, Cause, ContainerMessage, Ended, EnvName, EnvVar, Errand, Found, OutOfBounds,
};
use stockade_policies::{ContainerPlan, Egress};
use stockade_sandbox::{Captured, Collected, End, Limit, OutputState};
use tokio::time::{Instant as Deadline, timeout};
use tokio_util::sync::CancellationToken;

use super::container::{Identity, body, parts};
use super::engine::{Engine, EngineError, PATIENCE, told};
use super::image::{self, ImageError};
use super::kept::Kept;
use super::known::Known;
use super::network::{Handover, Handovers};
use super::profile::Profiles;
use super::reaper::Reaper;
use super::wire::{self, Reader, WireError, Writer};
use super::{evidence, podman};
use crate::secret::Secret;

/// Init keeps the wall clock. What it has not ended by then is killed from outside.
const OVERTIME: Duration = Duration::from_secs(3);
/// So long a container that is told to stop has to say what it used.
const LAST_WORDS: Duration = Duration::from_millis(400);

/// One job for an engine.
#[derive(Debug)]
pub struct Order {
    /// What is asked for.
    pub plan: ContainerPlan,
    /// The bytes of its inputs, in the plan's order.
    pub inputs: Vec<Vec<u8>>,
    /// Where it may connect to.
    pub egress: Option<Egress>,
    /// Who it is.
    pub identity: Identity,
    /// Variables that it is given besides those of the plan.
    pub secrets: Vec<(EnvName, Secret)>,
    /// Ends it.
    pub cancel: CancellationToken,
}

impl Order {
    /// What init is told: the plan's errand, and the secrets, which nobody else is. No engine has them, as it would if they were
    /// variables of the container.
    fn errand(&self) -> Result<Errand, NotRun> {
        let mut errand = self.plan.errand.clone();
        let mut environment = errand.environment.into_vec();
        for (name, secret) in &self.secrets {
            let unfit = |why: String| NotRun::Secret(format!("`{name}` cannot be set: {why}"));
            // What it is not is in the error, and no part of it.
            let value = Arg::new(secret.reveal()).map_err(|error| unfit(error.to_string()))?;
            environment.retain(|variable| variable.name != *name);
            environment.push(EnvVar { name: name.clone(), value });
        }
        let bounded = environment.try_into();
        errand.environment = bounded.map_err(|error: OutOfBounds| NotRun::Secret(error.to_string()))?;
        Ok(errand)
    }
}

/// A job did not start.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// Its image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its container is not what was asked for.
    #[error(
        "the container is not confined as the policy says: it does not hold that {0}. Nothing has run in it; see what \
         `docker info` says of limits, runtime and security options"
    )]
    Unconfined(String),
    /// Its secrets.
    #[error("the job cannot be given its secrets: {0}")]
    Secret(String),
    /// The file with its seccomp profile.
    #[error("cannot write the container's seccomp profile for the engine: {0}")]
    Profile(std::io::Error),
    /// The engine cannot be asked for it.
    #[error("{0}")]
    Inexpressible(String),
    /// The engine leaves away what was asked for.
    #[error(
        "the container would not be confined as the policy says: {0}; see `docker info` for what the engine lacks. Nothing has run in it"
    )]
    LeftAway(String),
    /// Its network.
    #[error("the container cannot have the network that its policy says: cannot {what}: {source}")]
    Network {
        /// What was being done.
        what: String,
        /// Why it was not.
        source: std::io::Error,
    },
    /// Its runtime and its network do not go together.
    #[error(
        "sockets in a container of the runtime `{0}` are its own and not the host's, so that the egress proxy cannot serve them: choose \
         another `runtime`, or a policy without `network`"
    )]
    OwnNetwork(String),
    /// Its program.
    #[error("cannot {what} in the container: {error}")]
    Program {
        /// What was being done.
        what: String,
        /// What the kernel answered.
        error: std::io::Error,
    },
    /// Init did not come up.
    #[error("the container's first process did not come up: {0}")]
    Init(String),
    /// It was cancelled before it ran.
    #[error("cancelled before it ran")]
    Cancelled,
}

/// A job that ran.
#[derive(Debug)]
pub struct Ran {
    /// How it ended; `Err` if that cannot be known, and why.
    pub end: Result<End, String>,
    /// Its standard output.
    pub stdout: Captured,
    /// Its standard error.
    pub stderr: Captured,
    /// Its outputs.
    pub outputs: Vec<Collected>,
    /// What init counted, if it came to that.
    pub account: Option<Box<Account>>,
    /// From the request to the job's first instruction.
    pub setup: Duration,
    /// From there to the end.
    pub lived: Duration,
    /// The engine's own times and exit code.
    pub state: Option<ContainerState>,
    /// Its connections, if it had a network.
    pub traffic: Option<Traffic>,
}

/// What it takes to run jobs.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The engine.
    pub engine: Engine,
    /// Our init.
    pub init: AbsPath,
    /// Where Podman finds its profiles.
    pub profiles: Profiles,
    /// Who removes containers.
    pub reaper: Reaper,
    /// Where containers hand over their sockets.
    pub handovers: Handovers,
}

/// A container that was made: whatever comes, it is removed.
struct Made<'r> {
    runs: &'r Runs,
    name: String,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.runs.reaper.remove(self.runs.engine.clone(), std::mem::take(&mut self.name));
    }
}

impl Runs {
    /// Runs a job to its end, and notes what is known of it on the way.
    ///
    /// # Errors
    /// [`NotRun`]: nothing of the job has run, unless it was let go by then, and nobody heard of its start.
    pub async fn run(&self, order: &mut Order, known: &mut Known) -> Result<Ran, NotRun> {
        let began = Instant::now();
        let cancel = order.cancel.clone();
        if order.identity.attempt > 1 {
            // Whoever had the job before has lost it.
            self.reaper.sweep_job(&self.engine, &order.identity.job).await?;
        }
        let image = tokio::select! {
            () = cancel.cancelled() => return Err(NotRun::Cancelled),
            image = image::look(&self.engine, &order.plan.image) => image?,
        };
        known.image_id = Some(image.id.clone());
        if order.plan.errand.arguments.is_empty() {
            order.plan.errand.arguments = own_command(&image)?;
        }
        let made = Made { runs: self, name: order.identity.name() };
        let begun = tokio::select! {
            () = cancel.cancelled() => return Err(NotRun::Cancelled),
            begun = self.begin(order, &image, &made.name, known) => begun?,
        };
        let setup = began.elapsed();
        let running = Instant::now();
        let mut watched = Watched::new(order);
        let cause = watched.follow(begun.reader, begun.writer, &cancel).await;
        let state = self.stopped(&made.name, cause.is_err()).await;
        let traffic = match begun.proxy {
            Some(proxy) => Some(proxy.end().await),
            None => None,
        };
        let lived = running.elapsed();
        let end = match (&state, cause) {
            (Err(error), _) => Err(format!("whether the container has ended is not known: {error}")),
            (Ok(_), Err(why)) => Err(why),
            (Ok(state), Ok(cause)) => watched.end(cause, state),
        };
        Ok(Ran {
            end,
            stdout: watched.stdout,
            stderr: watched.stderr,
            outputs: watched.outputs,
            account: watched.account,
            setup,
            lived,
            state: state.ok(),
            traffic,
        })
    }

    /// What the engine is asked for to run a job.
    ///
    /// # Errors
    /// [`NotRun`] by its image.
    pub async fn asked_for(&self, order: &Order) -> Result<ContainerCreateBody, NotRun> {
        let image = image::look(&self.engine, &order.plan.image).await?;
        self.worded(order, &image)
    }

    /// In the words of this engine.
    fn worded(&self, order: &Order, image: &image::Image) -> Result<ContainerCreateBody, NotRun> {
        let Order { plan, identity, .. } = order;
        let asked = body(plan, image, identity, &self.init, &self.engine.facts);
        if !self.engine.facts.podman {
            return Ok(asked);
        }
        podman::expressible(plan, &self.engine.facts)?;
        let profile = self.profiles.place(&plan.seccomp).map_err(NotRun::Profile)?;
        Ok(podman::reworded(asked, &parts(plan, image), plan.errand.limits.pids, &identity.name(), &profile))
    }

    /// Makes the container, starts it, and lets the job go when everything is found in force.
    async fn begin(
        &self,
        order: &Order,
        image: &image::Image,
        name: &str,
        known: &mut Known,
    ) -> Result<Begun, NotRun> {
        let engine = &self.engine;
        let docker = &engine.docker;
        let errand = order.errand()?;
        let handover = self.handovers.open(order, &engine.facts)?;
        let mut asked = self.worded(order, image)?;
        if engine.facts.podman {
            let uid = order.identity.uid(&engine.facts);
            let volumes = podman::volumes(&parts(&order.plan, image), &order.identity, uid);
            podman::make_volumes(engine, volumes).await?;
        }
        if let Some(handover) = &handover {
            handover.join(&mut asked, &order.identity);
        }
        let kept = Kept::of(asked.host_config.get_or_insert_default());
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let made = engine.ask("make a container", docker.create_container(Some(options), asked)).await?;
        let uid = order.identity.uid(&engine.facts);
        known.uid = Some(uid);
        known.warnings = made.warnings;
        let options =
            AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stderr(true).stream(true).build();
        let (attached, found) = tokio::join!(
            engine.ask("attach to a container", docker.attach_container(name, Some(options))),
            engine.ask("look at a container", docker.inspect_container(name, None)),
        );
        if let Some(lacking) = kept.lacking(name, &found?) {
            return Err(NotRun::LeftAway(lacking));
        }
        let attached = attached?;
        engine.ask("start a container", docker.start_container(name, None)).await?;
        let (mut reader, mut writer) = wire::split(attached);
        let ready = async {
            let sent = wire::send_errand(&mut writer, &errand, &order.inputs).await;
            // If it could not be told, it may have said why.
            (reader.receive().await, sent)
        };
        let (received, sent) =
            timeout(PATIENCE, ready).await.map_err(|_| NotRun::Init("it said nothing".to_owned()))?;
        let evidence = match received {
            Ok(Some(ContainerMessage::Ready(evidence))) => evidence,
            received => return Err(not_ready(received, sent, &reader)),
        };
        if let Some(lacking) = evidence::lacking(&evidence, &order.plan, image, &engine.facts, uid) {
            return Err(NotRun::Unconfined(lacking));
        }
        known.evidence = Some(evidence);
        let proxy = self.served(handover, order).await?;
        known.let_go = true;
        wire::send_byte(&mut writer).await.map_err(|error| NotRun::Init(error.to_string()))?;
        match timeout(PATIENCE, reader.receive()).await {
            Ok(Ok(Some(ContainerMessage::Started))) => Ok(Begun { reader, writer, proxy }),
            Ok(received) => Err(not_ready(received, Ok(()), &reader)),
            Err(_) => Err(NotRun::Init("it said nothing".to_owned())),
        }
    }

    /// Whoever serves the network of a job that has one.
    async fn served(&self, handover: Option<Handover>, order: &Order) -> Result<Option<Proxy>, NotRun> {
        let (Some(handover), Some(egress)) = (handover, order.egress.clone()) else { return Ok(None) };
        let facts = &self.engine.facts;
        let uid = (!facts.own_ids).then(|| order.identity.uid(facts));
        handover.serve(&order.plan.errand.network, egress, uid).await.map(Some)
    }

    /// Waits for the container's end, and kills it if it does not come, or at once.
    async fn stopped(&self, name: &str, kill: bool) -> Result<ContainerState, EngineError> {
        if kill || timeout(OVERTIME, self.wait(name)).await.is_err() {
            self.kill(name).await?;
            self.wait(name).await;
        }
        let docker = &self.engine.docker;
        let found = self.engine.ask("look at a container", docker.inspect_container(name, None)).await?;
        let state = found.state.unwrap_or_default();
        match state.running {
            Some(false) => Ok(state),
            _ => Err(EngineError::Refused {
                what: "kill a container",
                status: 500,
                message: "it still runs".to_owned(),
            }),
        }
    }

    async fn wait(&self, name: &str) {
        let mut ends = std::pin::pin!(self.engine.docker.wait_container(name, None));
        // Whatever is answered, the container is looked at next.
        let _looked_at_next = timeout(PATIENCE, ends.next()).await;
    }

    async fn kill(&self, name: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        match timeout(PATIENCE, self.engine.docker.kill_container(name, Some(options))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => match told("kill a container", error) {
                // It has ended by itself.
                EngineError::Refused { status: 404 | 409, .. } => Ok(()),
                error => Err(error),
            },
            Err(_) => {
                Err(EngineError::Silent { what: "kill a container", reason: "no answer in time".to_owned() })
            }
        }
    }
}

/// A job that has been let go.
struct Begun {
    reader: Reader,
    writer: Writer,
    proxy: Option<Proxy>,
}

fn own_command(image: &image::Image) -> Result<stockade_plan::List<stockade_plan::Arg, 4096>, NotRun> {
    let unusable = |why: String| NotRun::Program {
        what: format!("run the image's own command: {why}"),
        error: std::io::ErrorKind::InvalidInput.into(),
    };
    if image.command.is_empty() {
        return Err(unusable("it has none".to_owned()));
    }
    let arguments = image.command.iter().map(|text| stockade_plan::Arg::new(text.as_str()));
    let arguments: Vec<_> =
        arguments.collect::<Result<_, _>>().map_err(|error| unusable(error.to_string()))?;
    arguments.try_into().map_err(|error: stockade_plan::OutOfBounds| unusable(error.to_string()))
}

fn not_ready(
    received: Result<Option<ContainerMessage>, WireError>,
    sent: Result<(), WireError>,
    reader: &Reader,
) -> NotRun {
    match (received, sent) {
        (Ok(Some(ContainerMessage::NotStarted { what, errno })), _) => {
            NotRun::Program { what, error: std::io::Error::from_raw_os_error(errno) }
        }
        (Ok(None), _) if !reader.complaint.is_empty() => {
            NotRun::Init(String::from_utf8_lossy(&reader.complaint).trim().to_owned())
        }
        (Err(error), _) | (_, Err(error)) => NotRun::Init(error.to_string()),
        (Ok(_), Ok(())) => NotRun::Init("it ended, or said something else than that it is ready".to_owned()),
    }
}

/// What is received of a job while it runs.
struct Watched<'o> {
    order: &'o Order,
    stdout: Captured,
    stderr: Captured,
    outputs: Vec<Collected>,
    account: Option<Box<Account>>,
}

/// Why nothing more is received.
enum Stopped {
    /// Init has said everything.
    Done,
    /// It was told to stop, or killed.
    Cancelled,
    /// The time was up.
    TimedOut,
}

impl<'o> Watched<'o> {
    fn new(order: &'o Order) -> Self {
        // Until init's account says how much there was, there may be more.
        let empty = || Captured { truncated: true, ..Captured::default() };
        Self { order, stdout: empty(), stderr: empty(), outputs: Vec::new(), account: None }
    }

    /// Listens until init has said everything, the job is cancelled, or its time is up. `Err` if the connection ended first.
    async fn follow(
        &mut self,
        mut reader: Reader,
        mut writer: Writer,
        cancel: &CancellationToken,
    ) -> Result<Stopped, String> {
        let wall = Duration::from_millis(self.order.plan.errand.limits.wall_time_ms);
        let deadline = Deadline::now() + wall + OVERTIME;
        let stopped = tokio::select! {
            received = self.read_all(&mut reader) => return received.map(|()| Stopped::Done),
            () = cancel.cancelled() => Stopped::Cancelled,
            () = tokio::time::sleep_until(deadline) => Stopped::TimedOut,
        };
        // What it used is worth a moment. Then it is killed.
        if wire::send_byte(&mut writer).await.is_ok() {
            let _said_or_not = timeout(LAST_WORDS, self.read_all(&mut reader)).await;
        }
        Ok(stopped)
    }

    async fn read_all(&mut self, reader: &mut Reader) -> Result<(), String> {
        loop {
            match reader.receive().await {
                Ok(Some(ContainerMessage::Done)) => return Ok(()),
                Ok(Some(message)) => self.note(message),
                Ok(None) if self.account.is_some() => return Ok(()),
                Ok(None) => {
                    return Err(
                        "the container ended, or the engine, before the job was accounted for".to_owned()
                    );
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn note(&mut self, message: ContainerMessage) {
        let max = usize::try_from(self.order.plan.errand.limits.output_bytes).unwrap_or(usize::MAX);
        match message {
            ContainerMessage::Printed { error, bytes } => {
                let stream = if error { &mut self.stderr } else { &mut self.stdout };
                let room = max.saturating_sub(stream.bytes.len());
                stream.total_bytes += u64::try_from(bytes.len()).unwrap_or(0);
                stream.bytes.extend(bytes.iter().take(room));
            }
            ContainerMessage::Ended(account) => {
                for (stream, total) in [&mut self.stdout, &mut self.stderr].into_iter().zip(account.printed) {
                    stream.total_bytes = total;
                    stream.truncated = total > u64::try_from(stream.bytes.len()).unwrap_or(u64::MAX);
                }
                self.account = Some(account);
            }
            ContainerMessage::Output { index, found } => self.output(index, &found),
            ContainerMessage::Chunk(bytes) => {
                if let Some(Collected { state: OutputState::File(file), .. }) = self.outputs.last_mut() {
                    let room = max.saturating_sub(file.len());
                    file.extend(bytes.iter().take(room));
                }
            }
            // Not after the start.
            ContainerMessage::Ready(_)
            | ContainerMessage::NotStarted { .. }
            | ContainerMessage::Started
            | ContainerMessage::Done => {}
        }
    }

    fn output(&mut self, index: u32, found: &Found) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let Some(output) = self.order.plan.errand.outputs.get(index) else { return };
        let state = match found {
            Found::File { .. } => OutputState::File(Vec::new()),
            Found::Not(not) => OutputState::Not(*not),
        };
        self.outputs.push(Collected { path: output.path.clone(), state });
    }

    fn end(&self, stopped: Stopped, state: &ContainerState) -> Result<End, String> {
        match stopped {
            Stopped::Cancelled => return Ok(End::Cancelled),
            Stopped::TimedOut => return Ok(End::TimedOut),
            Stopped::Done => {}
        }
        let Some(account) = &self.account else {
            return match state.oom_killed {
                Some(true) => Ok(End::OutOfMemory),
                _ => Err("the container ended without an account of the job".to_owned()),
            };
        };
        Ok(match (account.cause, account.ended) {
            (Cause::WallTime, _) => End::TimedOut,
            (Cause::CpuTime, _) => End::LimitExceeded(Limit::CpuTime),
            (Cause::Output, _) => End::LimitExceeded(Limit::Output),
            (Cause::Told, _) => End::Cancelled,
            _ if account.counted.oom_kills.is_some_and(|kills| kills > 0)
                || state.oom_killed == Some(true) =>
            {
                End::OutOfMemory
            }
            (Cause::Itself, Ended::Exited(code)) => End::Exited(code),
            (Cause::Itself, Ended::Signaled(signal)) => End::Signaled(signal),
        })
    }
}

//! The Docker runner: a job in a container of an engine that this host has.
//!
//! 1. The policy becomes a [`ContainerPlan`], and that what the engine is asked for (`container`).
//! 2. The image must be there, and be the one that the policy names by its digest (`image`).
//! 3. The container's first process is our own init: it says what it finds in force, and the job starts only if that is
//!    what was asked for (`evidence`).
//! 4. Where the policy names destinations, init has handed over the sockets of the container's loopback, and the job's own proxy
//!    serves them (`network`).
//! 5. Init passes on what the job prints, counts, and collects; nobody resolves a name in the container (`run`).
//! 6. The container is removed, whatever comes (`reaper`); one whose worker is gone ends by itself.

mod account;
mod container;
mod engine;
mod evidence;
mod image;
mod kept;
mod known;
mod network;
mod outcome;
mod podman;
mod profile;
mod reaper;
mod run;
mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use stockade_plan::{AbsPath, EnvName};
use stockade_policies::{
    ContainerPlan, DOCKER_ENFORCES, Egress, Enforces, Host, HostError, Runner, SecretRef, compile_container,
};
use uuid::Uuid;

pub use container::Identity;
pub use engine::{Engine, EngineError, EngineFacts, socket_path};
pub use image::ImageError;
pub use known::Known;
pub use network::Handovers;
pub use profile::Profiles;
pub use reaper::Reaper;
pub use run::{NotRun, Order, Ran, Runs};

use super::{Boxed, Finished, JobRunner, Refusal, Request, RunnerError, Running, Work, WorkFacts};
use crate::secret::{self, Redactor, Secret, SecretError};
use crate::store::AttemptId;

/// The program that is the first in every container, beside this one.
const INIT: &str = "stockade-container-init";

/// Runs jobs in containers.
#[derive(Debug, Clone)]
pub struct DockerRunner {
    engines: Engines,
    init: AbsPath,
    profiles: Profiles,
    reaper: Reaper,
    handovers: Handovers,
    /// Of the worker, the same in every incarnation.
    worker: Arc<str>,
    running: Running,
}

/// The runner cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What is first in every container is not there.
    #[error("cannot use `{path}`, which is the first process of every container: {reason}")]
    Init {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// The engine: asked again what it is after it has been away.
#[derive(Debug, Clone)]
struct Engines {
    socket: Arc<Path>,
    known: Arc<Mutex<Option<Engine>>>,
}

impl Engines {
    async fn engine(&self) -> Result<Engine, EngineError> {
        if let Some(engine) = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(engine);
        }
        let engine = Engine::connect(&self.socket).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
        Ok(engine)
    }

    /// It did not answer: whoever answers next may be another.
    fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl DockerRunner {
    /// A runner on the engine that listens at `address`, for the worker of this name, which keeps in `state_dir` what the engine
    /// takes only as a file. Containers hand over their sockets at `handovers`.
    ///
    /// # Errors
    /// [`DockerError`] if the engine does not answer, or is not to be worked with.
    pub async fn connect(
        address: &str,
        worker: &str,
        handovers: Handovers,
        host: &Host,
        state_dir: &Path,
    ) -> Result<Self, DockerError> {
        let socket = socket_path(address)?;
        let init = init(host)?;
        let engines = Engines { socket: socket.into(), known: Arc::default() };
        let facts = engines.engine().await?.facts;
        tracing::info!(
            engine = facts.name,
            version = facts.version,
            runtime = facts.runtime,
            "a container engine answers"
        );
        if engine::has_known_escapes(&facts.runtime) {
            tracing::warn!(
                runtime = facts.runtime,
                "this release of the engine's runtime has known ways out of a container: install runc 1.2.8 or 1.3.3, or newer"
            );
        }
        Ok(Self {
            engines,
            init,
            profiles: Profiles::beneath(state_dir),
            reaper: Reaper::default(),
            handovers,
            worker: worker.into(),
            running: Running::default(),
        })
    }

    /// Who removes its containers.
    pub fn reaper(&self) -> &Reaper {
        &self.reaper
    }
}

/// Our init, which runs where nothing of this host is.
///
/// # Errors
/// If it is not beside this program, or needs more than itself: a loader would take what to load from the image, ld.so(8).
pub fn init(host: &Host) -> Result<AbsPath, DockerError> {
    let own = std::env::current_exe().unwrap_or_default();
    let mut directories = own.ancestors().skip(1).take(2);
    let beside = directories.find(|directory| std::fs::symlink_metadata(directory.join(INIT)).is_ok());
    let path = beside.map_or_else(|| own.with_file_name(INIT), |directory| directory.join(INIT));
    let unusable = |reason: String| DockerError::Init { path: path.clone(), reason };
    let name = path.to_str().ok_or_else(|| unusable("its path is not UTF-8".to_owned()))?;
    let name = AbsPath::new(name).map_err(|error| unusable(error.to_string()))?;
    needs_nothing(host, &name).map_err(unusable)
}

/// The program of that name, if there is no more to it.
fn needs_nothing(host: &Host, name: &AbsPath) -> Result<AbsPath, String> {
    let files = host.files_of(name).map_err(|error: HostError| error.to_string())?;
    match files.loader {
        None => Ok(files.program),
        Some(loader) => Err(format!(
            "it is started by `{loader}`, which loads what an image says; build it within the repository, whose `.cargo/config.toml` has it \
             linked statically"
        )),
    }
}

impl JobRunner for DockerRunner {
    fn execution_type(&self) -> &'static str {
        "docker"
    }

    fn enforces(&self) -> Enforces {
        DOCKER_ENFORCES
    }

    fn validate(&self, request: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
        let operation = request.operation;
        let Runner::Docker(action) = operation.runner() else {
            return Err(Refusal::none_of("docker", operation));
        };
        let prepared = action
            .prepare(request.input, &request.proposal)
            .map_err(|refusal| Refusal::Refused(refusal.to_string()))?;
        let plan = compile_container(&prepared.policy, &prepared.job)?;
        let egress = Egress::of(&prepared.policy);
        let facts = WorkFacts {
            plan_sha256: Some(plan.digest()),
            // What a container without a network has done is gone with it.
            idempotent: action.idempotent().unwrap_or(egress.is_none()),
            ..WorkFacts::of(&prepared.policy)
        };
        let (inputs, secrets) = (prepared.files, prepared.secrets);
        Ok(Box::new(DockerWork { facts, plan, egress, inputs, secrets, runner: self.clone() }))
    }

    fn cancel(&self, attempt: &AttemptId) {
        self.running.cancel(attempt);
    }

    /// No other incarnation of this worker lives: what bears its name was left behind.
    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
        Box::pin(async move {
            let unfit =
                |error: EngineError| RunnerError::Unfit { runner: "docker", reason: error.to_string() };
            let engine = self.engines.engine().await.map_err(unfit)?;
            self.handovers.sweep().map_err(|error| {
                let reason = format!("cannot remove what an earlier run of this worker left: {error}");
                RunnerError::Unfit { runner: "docker", reason }
            })?;
            match self.reaper.sweep_worker(&engine, &self.worker).await.map_err(unfit)? {
                0 => {}
                left => tracing::warn!(
                    containers = left,
                    "an earlier run of this worker left containers; they are removed"
                ),
            }
            Ok(())
        })
    }

    fn reclaim(&self, lost: AttemptId) -> Boxed<'_, ()> {
        Box::pin(async move {
            let Ok(engine) = self.engines.engine().await else { return };
            let swept = self.reaper.sweep_attempt(&engine, &lost.job.to_string(), lost.attempt).await;
            match swept {
                Ok(0) => {}
                Ok(left) => {
                    tracing::warn!(job = %lost.job, containers = left, "a lost attempt left containers; they are removed")
                }
                Err(error) => {
                    tracing::warn!(job = %lost.job, %error, "cannot look for what a lost attempt left")
                }
            }
        })
    }
}

#[derive(Debug)]
struct DockerWork {
    facts: WorkFacts,
    plan: ContainerPlan,
    egress: Option<Egress>,
    inputs: Vec<Vec<u8>>,
    secrets: BTreeMap<EnvName, SecretRef>,
    runner: DockerRunner,
}

fn resolved(named: BTreeMap<EnvName, SecretRef>) -> Result<Vec<(EnvName, Secret)>, NotRun> {
    let found = named.into_iter().map(|(name, named)| Ok((name, secret::resolve(&named)?)));
    found.collect::<Result<_, SecretError>>().map_err(|error| NotRun::Secret(error.to_string()))
}

impl Work for DockerWork {
    fn facts(&self) -> &WorkFacts {
        &self.facts
    }

    fn execute(self: Box<Self>, attempt: AttemptId) -> Boxed<'static, Finished> {
        // Before the future is polled for the first time: `cancel` must find the attempt from now on.
        let place = self.runner.running.enter(attempt);
        Box::pin(async move {
            let Self { facts, plan, egress, inputs, secrets, runner } = *self;
            let engine = match runner.engines.engine().await {
                Ok(engine) => engine,
                Err(error) => return outcome::not_run(&error.into()),
            };
            let identity = Identity {
                worker: runner.worker.to_string(),
                job: attempt.job.to_string(),
                attempt: i64::from(attempt.attempt),
                nonce: Uuid::new_v4().simple().to_string(),
            };
            let secrets = match resolved(secrets) {
                Ok(secrets) => secrets,
                Err(error) => return outcome::not_run(&error),
            };
            let redactor = Redactor::new(secrets.iter().map(|(_, secret)| secret));
            let mut order = Order { plan, inputs, egress, identity, secrets, cancel: place.token() };
            let runs = Runs {
                engine,
                init: runner.init.clone(),
                profiles: runner.profiles.clone(),
                reaper: runner.reaper.clone(),
                handovers: runner.handovers.clone(),
            };
            let mut known = Known::default();
            let finished = match runs.run(&mut order, &mut known).await {
                Ok(ran) => {
                    if ran.end.is_err() {
                        runner.engines.forget();
                    }
                    outcome::finished(ran, &known, &order.plan, &runs.engine.facts, facts.idempotent)
                }
                Err(error) => {
                    if matches!(error, NotRun::Engine(EngineError::Gone { .. } | EngineError::Silent { .. }))
                    {
                        runner.engines.forget();
                    }
                    outcome::not_started(&error, &known, &order.plan, &runs.engine.facts, facts.idempotent)
                }
            };
            outcome::redacted(finished, &redactor)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_first_process_into_which_an_image_could_have_something_loaded_is_refused() {
        let found = |name: &str| needs_nothing(&Host::new(), &AbsPath::new(name).unwrap());
        let said = found("/usr/bin/env").unwrap_err();
        assert!(said.contains("/ld-linux") && said.contains("linked statically"), "{said}");
        // A header alone, of a program that names no loader; elf(5).
        let file = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempfile().unwrap();
        let mut header = [0; 64];
        header[..18].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0");
        for (at, value) in [(18, 62), (20, 1), (52, 64), (54, 56), (58, 64)] {
            header[at] = value;
        }
        std::fs::write(file.path(), header).unwrap();
        let name = file.path().to_str().unwrap();
        assert_eq!(found(name).unwrap().as_str(), name);
    }
}

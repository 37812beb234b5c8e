//! A supervisor put together: sandbox, runners, registry, worker.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stockade_sandbox::{LaunchError, Sandbox, Warm};

use crate::host::{HostFacts, mechanisms};
use crate::rules::{Loader, Rulebook, Rules, RulesError};
use crate::runner::docker::{DockerError, Handovers, Reaper};
use crate::runner::http::{Authorities, OfHost};
use crate::runner::serverless::Endpoints;
use crate::runner::{DockerRunner, HttpRunner, RegistryError, RunnerRegistry, ServerlessRunner, ShellRunner};
use crate::start::Confinement;
use crate::store::Database;
use crate::worker::{Settings, Shutdown, Worker, WorkerError};

/// How much is done at a time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Jobs at the same time.
    pub concurrency: usize,
    /// How long a job stays ours without a heartbeat.
    pub lease: Duration,
    /// What running jobs are given when we are told to stop.
    pub grace: Duration,
}

/// Where jobs run that do not run in a sandbox of ours. What is not said, there is no runner for.
#[derive(Debug, Clone, Default)]
pub struct Remotes {
    /// Who vouches for the servers of HTTP calls, in place of the host's authorities.
    pub http_authorities: Option<PathBuf>,
    /// Where functions are called, if not in their cloud.
    pub functions: Endpoints,
    /// The socket of a container engine.
    pub docker: Option<String>,
}

/// A supervisor cannot be put together, or ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// Policies or registry do not hold.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// The launcher is not there, or did not go as it should.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The container engine that was named.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// Two runners for one execution type.
    #[error(transparent)]
    Runners(#[from] RegistryError),
    /// Another worker uses the state directory.
    #[error("another worker runs with the state directory `{0}`; give each its own with `--state-dir`")]
    InUse(PathBuf),
    /// The state directory cannot be locked.
    #[error("cannot lock `{path}`: {source}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

/// A supervisor that is ready to take jobs.
#[derive(Debug)]
pub struct Supervisor {
    name: String,
    sandbox: Sandbox,
    runners: RunnerRegistry,
    rules: Rulebook,
    /// Who removes containers, if there is an engine.
    containers: Option<Reaper>,
    /// Held as long as this lives: a worker's name is its state directory's.
    _lock: File,
}

impl Supervisor {
    /// Starts the sandbox, loads the rules and checks them on this host. So much as `warm` says is made ahead of its job.
    ///
    /// # Errors
    /// [`SupervisorError`].
    pub async fn assemble(
        confinement: Confinement,
        state_dir: &Path,
        rules: &Rules,
        warm: Warm,
        remotes: &Remotes,
    ) -> Result<Self, SupervisorError> {
        let sandbox = Sandbox::start(confinement.launcher, confinement.cgroups, warm).await?;
        match Self::around(sandbox.clone(), state_dir, rules, remotes).await {
            Ok(supervisor) => Ok(supervisor),
            Err(error) => {
                sandbox.close().await?;
                Err(error)
            }
        }
    }

    async fn around(
        sandbox: Sandbox,
        state_dir: &Path,
        rules: &Rules,
        remotes: &Remotes,
    ) -> Result<Self, SupervisorError> {
        let lock = lock(state_dir)?;
        let name = format!("{}:{}", HostFacts::here().name, state_dir.display());
        let host = Arc::new(mechanisms().host());
        let shell = ShellRunner::new(sandbox.clone(), Arc::clone(&host), rules.environment);
        let http = HttpRunner::new(OfHost, Authorities::read(remotes.http_authorities.as_deref()));
        let functions = ServerlessRunner::new(remotes.functions.clone());
        let mut runners = RunnerRegistry::default().with(shell)?.with(http)?.with(functions)?;
        let mut containers = None;
        if let Some(address) = &remotes.docker {
            let handovers = Handovers::in_directory(state_dir.join("containers"));
            let docker = DockerRunner::connect(address, &name, handovers, &host, state_dir).await?;
            containers = Some(docker.reaper().clone());
            runners = runners.with(docker)?;
        }
        let loader = Loader::new(rules.clone(), runners.capabilities());
        let rules = Rulebook::open(loader.checked_on(host, sandbox.facts().landlock_abi))?;
        Ok(Self { name, sandbox, runners, rules, containers, _lock: lock })
    }

    /// Works the queue of `database` until it is told to stop, and lets the launcher go.
    ///
    /// # Errors
    /// [`SupervisorError`].
    pub async fn work(
        self,
        database: &Database,
        pace: Pace,
        shutdown: &Shutdown,
    ) -> Result<(), SupervisorError> {
        let settings =
            Settings { name: self.name, concurrency: pace.concurrency, lease: pace.lease, grace: pace.grace };
        let services = self.rules.current().registry().services().count();
        let registered = Worker::register(settings, database, self.runners, self.rules).await;
        let worked = match registered {
            Ok(worker) => {
                let takes = worker.takes().join(", ");
                tracing::info!(worker = %worker.id(), services, takes, concurrency = pace.concurrency, "taking jobs");
                worker.run(shutdown, self.sandbox.gone()).await
            }
            Err(error) => Err(error),
        };
        if let Some(containers) = self.containers {
            containers.close().await;
        }
        let closed = self.sandbox.close().await;
        worked?;
        Ok(closed?)
    }

    /// Lets the launcher go, for a supervisor that will not work.
    ///
    /// # Errors
    /// If it does not go as it should.
    pub async fn close(self) -> Result<(), SupervisorError> {
        Ok(self.sandbox.close().await?)
    }
}

/// Two workers of one name would take each other for dead.
fn lock(state_dir: &Path) -> Result<File, SupervisorError> {
    let path = state_dir.join("worker.lock");
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC)
        .open(&path);
    let file = match opened {
        Ok(file) => file,
        Err(source) => return Err(SupervisorError::Lock { path, source }),
    };
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SupervisorError::InUse(state_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(SupervisorError::Lock { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_state_directory_has_one_worker() {
        let directory = tempfile::tempdir().unwrap();
        let first = lock(directory.path()).unwrap();
        assert!(matches!(lock(directory.path()), Err(SupervisorError::InUse(_))));
        drop(first);
        assert!(lock(directory.path()).is_ok());
    }
}

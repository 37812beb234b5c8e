//! The worker: takes jobs from the queue and has them run.
//!
//! 1. It claims as many due jobs as it has free slots, of the execution types that it has runners for; NOTIFY says when to look, polling is the truth.
//! 2. Each claimed job is checked against the registry. What may not run is refused, on record, without having run.
//! 3. The attempt's beginning is recorded. If that fails, nothing runs.
//! 4. The runner executes it. A cancelled job is killed, and so is one whose lease was lost.
//! 5. Its end is recorded, as often as it takes; until then no new jobs are claimed.
//!
//! Rules that change are read again meanwhile; an attempt keeps to the end those that it began under.
//!
//! A heartbeat on a connection of its own extends the leases, hears of cancelled and lost jobs, and takes back what dead
//! workers left. A worker that cannot reach the database for the length of a lease must suppose that others have its jobs
//! by then, and ends them.

mod attempt;
mod claim;
mod execute;
mod heartbeat;
mod pause;
mod persist;
mod reload;
mod shutdown;
mod table;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Map, json};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::HostFacts;
use crate::rules::{Rulebook, RulesReader};
use crate::runner::{RunnerError, RunnerRegistry};
use crate::store::{Access, Database, Event, NewWorker, Store, StoreError, WorkerId};
pub use shutdown::Shutdown;
use table::{Stop, Table};

/// More connections do not make the database faster.
const CONNECTIONS_MAX: usize = 16;
/// What is left to be recorded when the worker stops is tried for so long.
const LAST_TRY: Duration = Duration::from_secs(5);

/// How a worker works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The same for every incarnation of this worker, and of no other.
    pub name: String,
    /// Jobs at the same time.
    pub concurrency: usize,
    /// How long a job stays its own without a heartbeat.
    pub lease: Duration,
    /// What running jobs are given when the worker is told to stop.
    pub grace: Duration,
}

/// The worker ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A runner cannot work here.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// What confines jobs is gone. Nothing can run any more, and root, which could start it again, was given up.
    #[error("the launcher is gone, so no job can run any more: start stockade again")]
    LauncherGone,
}

/// A registered worker.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    rules: Rulebook,
}

/// What all its tasks share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    store: Store,
    /// For heartbeats: they must not wait until another call gives back its connection.
    pulse: Store,
    runners: RunnerRegistry,
    rules: RulesReader,
    host: HostFacts,
    id: RwLock<WorkerId>,
    table: Table,
    slots: Arc<Semaphore>,
    attempts: TaskTracker,
    /// Calls that wait for the database to come back.
    waiting: AtomicUsize,
    /// Cancelled when they are no longer to wait.
    give_up: CancellationToken,
}

impl Worker {
    /// Prepares the runners, connects and registers. What an earlier incarnation held is dealt with by that.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn register(
        settings: Settings,
        database: &Database,
        runners: RunnerRegistry,
        rules: Rulebook,
    ) -> Result<Self, WorkerError> {
        runners.recover().await?;
        let connections = u32::try_from(settings.concurrency.clamp(4, CONNECTIONS_MAX)).unwrap_or(4);
        let store = Store::connect(database, Access::Worker, connections).await?;
        let pulse = Store::connect(database, Access::Worker, 1).await?;
        let host = HostFacts::here();
        let id = store.register_worker(&new_worker(&settings, &host, &runners)).await?;
        let shared = Shared {
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            settings,
            store,
            pulse,
            runners,
            rules: rules.reader(),
            host,
            id: RwLock::new(id),
            table: Table::default(),
            attempts: TaskTracker::new(),
            waiting: AtomicUsize::new(0),
            give_up: CancellationToken::new(),
        };
        shared.record_start(id).await?;
        Ok(Self { shared: Arc::new(shared), rules })
    }

    /// The execution types that it takes.
    pub fn takes(&self) -> Vec<&'static str> {
        self.shared.runners.execution_types()
    }

    /// Its id.
    pub fn id(&self) -> WorkerId {
        self.shared.id()
    }

    /// Works until it is told to stop, or until `broken` resolves: then no job can be confined any more.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn run(self, shutdown: &Shutdown, broken: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let Self { shared, rules } = self;
        let heartbeat = tokio::spawn(heartbeat::run(Arc::clone(&shared)));
        let reload = tokio::spawn(reload::run(Arc::clone(&shared), rules));
        let worked = claim::until_told(&shared, shutdown, broken).await;
        tracing::info!(running = shared.attempts.len(), "no more jobs are taken");
        shared.drain(shutdown).await;
        reload.abort();
        heartbeat.abort();
        let signed_off = shared.store.shutdown_worker(shared.id()).await;
        shared.store.close().await;
        shared.pulse.close().await;
        worked?;
        Ok(signed_off?)
    }
}

impl Shared {
    fn id(&self) -> WorkerId {
        *self.id.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers again after others have declared this worker dead.
    async fn register_again(&self) -> Result<(), StoreError> {
        let id = self.pulse.register_worker(&new_worker(&self.settings, &self.host, &self.runners)).await?;
        *self.id.write().unwrap_or_else(PoisonError::into_inner) = id;
        Ok(())
    }

    async fn record_start(&self, id: WorkerId) -> Result<(), StoreError> {
        let runners: Map<_, _> = self
            .runners
            .iter()
            .map(|runner| (runner.execution_type().to_owned(), json!(runner.enforces())))
            .collect();
        let body = json!({
            "host": self.host, "runners": runners, "rules": self.rules.current().facts(),
            "concurrency": self.settings.concurrency, "lease_seconds": self.settings.lease.as_secs(),
        });
        let event = Event {
            kind: "worker.started".to_owned(),
            worker: Some(id),
            job: None,
            attempt: None,
            tenant: None,
            body,
        };
        self.store.record(&event).await
    }

    /// Lets running jobs finish for the time of grace, ends those that do not, and sees that all of it is recorded.
    async fn drain(&self, shutdown: &Shutdown) {
        self.attempts.close();
        tokio::select! {
            () = self.attempts.wait() => return,
            () = tokio::time::sleep(self.settings.grace) => {}
            () = shutdown.at_once() => {}
        }
        tracing::warn!(
            running = self.attempts.len(),
            "ending jobs that still run; they go back to the queue"
        );
        self.table.stop_all(Stop::Shutdown);
        tokio::select! {
            () = self.attempts.wait() => return,
            () = self.nothing_left_to_record() => {}
        }
        self.give_up.cancel();
        self.attempts.wait().await;
    }

    /// Resolves when the last tries at recording have had their time.
    async fn nothing_left_to_record(&self) {
        self.table.until_none_executes().await;
        tokio::time::sleep(LAST_TRY).await;
    }
}

fn new_worker(settings: &Settings, host: &HostFacts, runners: &RunnerRegistry) -> NewWorker {
    NewWorker {
        name: settings.name.clone(),
        host: host.name.clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lease: settings.lease,
        execution_types: runners.execution_types().into_iter().map(str::to_owned).collect(),
    }
}

//! A server, a worker on it, and what the tests ask of both.

use std::fs;
use std::path::PathBuf;
use std::sync::Once;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use stockade::postgres::EmbeddedPostgres;
use stockade::rules::{Loader, Rulebook, Rules};
use stockade::runner::http::{Authorities, OfHost};
use stockade::runner::{HttpRunner, RunnerRegistry};
use stockade::store::{Access, Database, Job, JobId, JobStatus, NewJob, Store, migrate};
use stockade::worker::{Settings, Shutdown, Worker, WorkerError};
use stockade_policies::Environment;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::steps::{Counts, StepsRunner};

const SERVICES: &str =
    "services: [{name: steps, execution_type: steps, operations: [{name: run, max_retries: 1}]}]";

/// Postgres refuses root, and tests may be run by it: then the whole test process becomes `nobody`, for good.
fn become_unprivileged() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if nix::unistd::geteuid().is_root() {
            let nobody = nix::unistd::User::from_name("nobody").unwrap().expect("the user `nobody` exists");
            nix::unistd::setgroups(&[]).unwrap();
            nix::unistd::setresgid(nobody.gid, nobody.gid, nobody.gid).unwrap();
            nix::unistd::setresuid(nobody.uid, nobody.uid, nobody.uid).unwrap();
        }
    });
}

/// A server of the test's own.
pub(crate) struct Rig {
    server: Option<EmbeddedPostgres>,
    pub(crate) store: Store,
    database: Database,
    directory: TempDir,
}

/// Puts `text` where `path` is, in one step.
pub(crate) fn replace(path: PathBuf, text: &str) {
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// A worker at work.
pub(crate) struct AtWork {
    pub(crate) shutdown: Shutdown,
    pub(crate) counts: Counts,
    /// Dropping it takes away what confines jobs.
    pub(crate) confined: oneshot::Sender<()>,
    pub(crate) task: JoinHandle<Result<(), WorkerError>>,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        become_unprivileged();
        let directory = tempfile::Builder::new().prefix("stockade-test-").tempdir_in("/tmp").unwrap();
        let server = EmbeddedPostgres::start(directory.path()).await.unwrap();
        let database = server.database();
        migrate(&database).await.unwrap();
        fs::create_dir(directory.path().join("policies")).unwrap();
        let store = Store::connect(&database, Access::Owner, 2).await.unwrap();
        // Tests hand in jobs before a worker with that runner has started.
        store.register_execution_types(&["steps"]).await.unwrap();
        Self { server: Some(server), store, database, directory }
    }

    /// Stops the server. It stays away until [`Rig::start_server`].
    pub(crate) async fn stop_server(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    pub(crate) async fn start_server(&mut self) {
        self.server = Some(EmbeddedPostgres::start(self.directory.path()).await.unwrap());
    }

    /// The files that workers here go by.
    pub(crate) fn rules(&self) -> Rules {
        let at = |name| self.directory.path().join(name);
        Rules {
            services: at("services.yaml"),
            policies: Some(at("policies")),
            environment: Environment::Production,
        }
    }

    /// Replaces the registry as a careful editor does.
    pub(crate) fn write_services(&self, text: &str) {
        replace(self.rules().services, text);
    }

    pub(crate) fn settings() -> Settings {
        Settings {
            name: "worker of the test".to_owned(),
            concurrency: 3,
            lease: Duration::from_secs(3),
            grace: Duration::from_millis(200),
        }
    }

    pub(crate) async fn worker(&self, settings: Settings) -> AtWork {
        let runner = StepsRunner::default();
        let counts = runner.counts.clone();
        // Takes rows of that type as well.
        let http = HttpRunner::new(OfHost, Authorities::read(None));
        let runners = RunnerRegistry::default().with(runner).unwrap().with(http).unwrap();
        if fs::symlink_metadata(self.rules().services).is_err() {
            self.write_services(SERVICES);
        }
        let rulebook = Rulebook::open(Loader::new(self.rules(), runners.capabilities())).unwrap();
        let worker = Worker::register(settings, &self.database, runners, rulebook).await.unwrap();
        let shutdown = Shutdown::default();
        let (confined, gone) = oneshot::channel::<()>();
        let told = shutdown.clone();
        let task = tokio::spawn(async move {
            let gone = async move { drop(gone.await) };
            worker.run(&told, gone).await
        });
        AtWork { shutdown, counts, confined, task }
    }

    pub(crate) async fn submit(&self, operation: &str, input: Value) -> JobId {
        self.store.submit(&NewJob::new("steps", operation, "steps", input)).await.unwrap()
    }

    /// Hands in a job that takes so long.
    pub(crate) async fn job(&self, milliseconds: u64) -> JobId {
        self.submit("run", json!({"milliseconds": milliseconds})).await
    }

    pub(crate) async fn ended(&self, id: JobId) -> Job {
        let job = self.store.wait(id, Duration::from_secs(20)).await.unwrap().unwrap();
        assert!(job.is_final(), "the job has not ended: {job:?}");
        job
    }

    pub(crate) async fn until_running(&self, id: JobId) {
        self.until(id, JobStatus::Running).await;
    }

    pub(crate) async fn until(&self, id: JobId, status: JobStatus) {
        for _ in 0..500 {
            if self.store.job(id).await.unwrap().unwrap().status == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("job {id} is not {status:?}");
    }

    /// Changes the database under the worker's feet.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let Database::Socket { directory, user, name } = &self.database else { panic!("an embedded server") };
        let options = PgConnectOptions::new_without_pgpass().socket(directory).username(user).database(name);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }

    /// What a query says, as JSON: one value for each row.
    pub(crate) async fn query(&self, query: &'static str) -> Vec<Value> {
        let Database::Socket { directory, user, name } = &self.database else { panic!("an embedded server") };
        let options = PgConnectOptions::new_without_pgpass().socket(directory).username(user).database(name);
        let mut connection = options.connect().await.unwrap();
        sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap()
    }

    /// What was in force for a job.
    pub(crate) async fn context(&self, id: JobId) -> Value {
        let job = self.store.job(id).await.unwrap().unwrap();
        job.security_context.unwrap().value().unwrap().clone()
    }

    /// The states of the attempts at a job.
    pub(crate) async fn attempts(&self, id: JobId) -> Vec<String> {
        self.store.attempts(id).await.unwrap().into_iter().map(|attempt| attempt.status).collect()
    }
}

impl AtWork {
    /// Tells the worker to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.tell();
        self.task.await.unwrap().unwrap();
    }
}

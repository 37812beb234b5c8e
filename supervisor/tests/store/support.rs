//! What the tests share: one private server for all tests of a binary, one migrated database for each test.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Once, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{AssertSqlSafe, PgPool, postgres::PgConnectOptions, postgres::PgPoolOptions};
use stockade::{
    postgres::EmbeddedPostgres,
    store::{
        Access, AttemptEnd, AttemptId, AttemptStart, Begun, Database, JobId, NewJob, NewWorker, Store,
        Verdict, WorkerId, migrate,
    },
};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Postgres refuses root, and tests may be run by it: then the whole test process becomes `nobody`, for good.
pub(crate) fn become_unprivileged() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let nobody = nix::unistd::User::from_name("nobody").unwrap().expect("the user `nobody` exists");
        nix::unistd::setgroups(&[]).unwrap();
        nix::unistd::setresgid(nobody.gid, nobody.gid, nobody.gid).unwrap();
        nix::unistd::setresuid(nobody.uid, nobody.uid, nobody.uid).unwrap();
    });
}

/// A directory that the unprivileged user may fill, with a path short enough for a socket.
pub(crate) fn scratch() -> TempDir {
    become_unprivileged();
    tempfile::Builder::new().prefix("stockade-test-").tempdir_in("/tmp").unwrap()
}

struct Cluster {
    server: Option<EmbeddedPostgres>,
    _directory: TempDir,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        let stop = move || tokio::runtime::Runtime::new().unwrap().block_on(server.stop());
        std::thread::spawn(stop).join().unwrap();
    }
}

static SHARED: Mutex<Weak<Cluster>> = Mutex::const_new(Weak::new());

async fn cluster() -> Arc<Cluster> {
    let mut shared = SHARED.lock().await;
    if let Some(cluster) = shared.upgrade() {
        return cluster;
    }
    let directory = scratch();
    let server = EmbeddedPostgres::start(directory.path()).await.unwrap();
    let admin = superuser(&server.database()).await;
    sqlx::query("CREATE DATABASE migrated").execute(&admin).await.unwrap();
    migrate(&named(server.database(), "migrated")).await.unwrap();
    let cluster = Arc::new(Cluster { server: Some(server), _directory: directory });
    *shared = Arc::downgrade(&cluster);
    cluster
}

/// A database of its own, and a superuser's connection to it.
pub(crate) struct TestDatabase {
    pub(crate) database: Database,
    pub(crate) sql: PgPool,
    _cluster: Arc<Cluster>,
}

impl TestDatabase {
    /// An empty database.
    pub(crate) async fn empty() -> Self {
        Self::copy_of("template1").await
    }

    /// A migrated database.
    pub(crate) async fn new() -> Self {
        Self::copy_of("migrated").await
    }

    async fn copy_of(template: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let cluster = cluster().await;
        let server = cluster.server.as_ref().unwrap().database();
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}"));
        sqlx::query(create).execute(&superuser(&server).await).await.unwrap();
        let database = named(server, &name);
        Self { sql: superuser(&database).await, database, _cluster: cluster }
    }

    pub(crate) async fn store(&self, access: Access) -> Store {
        Store::connect(&self.database, access, 4).await.unwrap()
    }

    /// Runs statements as superuser.
    pub(crate) async fn run(&self, statements: &'static str) {
        sqlx::raw_sql(statements).execute(&self.sql).await.unwrap();
    }

    /// Runs statements as superuser and returns what the server says against them.
    pub(crate) async fn refusal(&self, statements: &'static str) -> String {
        sqlx::raw_sql(statements).execute(&self.sql).await.expect_err(statements).to_string()
    }

    /// One value, as text.
    pub(crate) async fn text(&self, query: &'static str) -> String {
        sqlx::query_scalar::<_, Option<String>>(query)
            .fetch_one(&self.sql)
            .await
            .unwrap()
            .unwrap_or("NULL".into())
    }

    /// One number.
    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.sql).await.unwrap()
    }
}

fn named(server: Database, name: &str) -> Database {
    match server {
        Database::Socket { directory, user, .. } => Database::Socket { directory, user, name: name.into() },
        Database::Url(_) => unreachable!("an embedded server has a socket"),
    }
}

/// Connects as the superuser of the server.
pub(crate) async fn superuser(database: &Database) -> PgPool {
    let Database::Socket { directory, user, name } = database else {
        unreachable!("an embedded server has a socket")
    };
    let options = PgConnectOptions::new_without_pgpass().socket(directory).username(user).database(name);
    PgPoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

/// A registered worker whose lease is `lease`.
pub(crate) async fn worker_with_lease(store: &Store, name: &str, lease: Duration) -> WorkerId {
    let worker = NewWorker {
        name: name.into(),
        host: "host".into(),
        pid: 1,
        version: "0.1.0".into(),
        lease,
        execution_types: vec!["shell".into()],
    };
    store.register_worker(&worker).await.unwrap()
}

/// A registered worker.
pub(crate) async fn worker(store: &Store, name: &str) -> WorkerId {
    worker_with_lease(store, name, Duration::from_secs(30)).await
}

/// A job that asks for nothing special.
pub(crate) fn job() -> NewJob {
    NewJob::new("data_processor", "transform", "shell", serde_json::json!({"rows": 3}))
}

/// Submits a job, claims it and begins the first attempt.
pub(crate) async fn begun(store: &Store, worker: WorkerId, job: &NewJob) -> AttemptId {
    let id = store.submit(job).await.unwrap();
    begin_claimed(store, worker, id).await
}

/// Claims what there is, which must be `id`, and begins an attempt at it.
pub(crate) async fn begin_claimed(store: &Store, worker: WorkerId, id: JobId) -> AttemptId {
    let claimed = store.claim(worker, None, 10).await.unwrap();
    assert_eq!(claimed.iter().map(|job| job.id).collect::<Vec<_>>(), [id]);
    match store.begin(worker, id, &AttemptStart::default()).await.unwrap() {
        Begun::Started(attempt) => attempt,
        Begun::Gone => panic!("the job is gone"),
    }
}

/// The end of an attempt that failed.
pub(crate) fn failed(error: &str) -> AttemptEnd {
    AttemptEnd { error: Some(error.into()), ..AttemptEnd::new(Verdict::Failed) }
}

/// A program, for tests that play a supervisor or a server.
#[expect(clippy::disallowed_methods, reason = "tests start fixed programs by their full path")]
pub(crate) fn program(path: impl AsRef<Path>) -> std::process::Command {
    std::process::Command::new(path.as_ref())
}

/// Where the server of `state_dir` keeps its data.
pub(crate) fn data_of(state_dir: &Path) -> PathBuf {
    state_dir.join("postgres/data")
}

//! Connecting and migrating.

use std::{path::PathBuf, str::FromStr, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    StoreError,
    clerk::{self, Entry},
};

/// The oldest PostgreSQL that will do: views with `security_invoker` came with it.
const OLDEST_SERVER: i32 = 15;
/// How long a caller waits for a connection before the server counts as lost.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that lay idle longer than this is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Database {
    /// `postgres://…`
    Url(String),
    /// A server on this machine, found by the directory of its socket.
    Socket {
        /// The directory.
        directory: PathBuf,
        /// The role to log in as.
        user: String,
        /// The database.
        name: String,
    },
}

/// As whom a connection speaks. The login takes on the role of that name if it is a member of it; else it stays what
/// it is, and what it may do is the database administrator's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The owner of the tables: migrates.
    Owner,
    /// `stockade_worker`: runs jobs.
    Worker,
    /// `stockade_submitter`: hands in jobs and reads those of one tenant (`None`: those that belong to no tenant).
    Submitter {
        /// The tenant it speaks for.
        tenant: Option<Uuid>,
    },
    /// `stockade_auditor`: reads everything.
    Auditor,
}

impl Access {
    fn role(self) -> Option<&'static str> {
        match self {
            Self::Owner => None,
            Self::Worker => Some("stockade_worker"),
            Self::Submitter { .. } => Some("stockade_submitter"),
            Self::Auditor => Some("stockade_auditor"),
        }
    }

    fn tenant(self) -> Option<Uuid> {
        match self {
            Self::Submitter { tenant } => tenant,
            Self::Owner | Self::Worker | Self::Auditor => None,
        }
    }

    /// Makes a fresh connection what it is to be.
    async fn take(self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(
            "SELECT set_config('statement_timeout', '60s', false), set_config('lock_timeout', '20s', false),
                    set_config('stockade.tenant_id', coalesce($2, ''), false),
                    set_config('role', coalesce((SELECT r.rolname FROM pg_roles r
                                                  WHERE r.rolname = $1 AND pg_has_role(r.oid, 'MEMBER')),
                                                current_user), false)",
        )
        .bind(self.role())
        .bind(self.tenant().map(|tenant| tenant.to_string()))
        .execute(connection)
        .await
        .map(drop)
    }
}

/// The store: a small pool of connections that speak in one [`Access`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) pool: PgPool,
    pub(super) options: PgConnectOptions,
    pub(super) access: Access,
    pub(super) clerk: mpsc::Sender<Entry>,
}

impl Store {
    /// Connects with at most `connections` connections, and checks that the schema is what this program needs.
    ///
    /// # Errors
    /// [`StoreError::is_connection_lost`] if the server does not answer, [`StoreError::SchemaOutdated`] if it was not
    /// migrated, and what the server says if it does not let us in.
    pub async fn connect(database: &Database, access: Access, connections: u32) -> Result<Self, StoreError> {
        let options = options(database)?;
        let pool = pool(access, connections)
            .connect_with(options.clone())
            .await
            .map_err(StoreError::during("connect to the database"))?;
        let store = Self { clerk: clerk::start(pool.clone()), pool, options, access };
        store.check_schema().await?;
        Ok(store)
    }

    /// Closes all connections; calls after this fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn check_schema(&self) -> Result<(), StoreError> {
        let needed = migrator().iter().map(|migration| migration.version).max().unwrap_or(0);
        let found: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT max(version) FROM jobs.tb_migration WHERE success")
                .fetch_one(&self.pool)
                .await;
        let found = match found.map_err(StoreError::during("read the schema's version")) {
            Ok(found) => found.unwrap_or(0),
            // No such table, no such schema.
            Err(e) if matches!(e.sqlstate().as_deref(), Some("42P01" | "3F000")) => 0,
            Err(e) => return Err(e),
        };
        if found < needed { Err(StoreError::SchemaOutdated { found, needed }) } else { Ok(()) }
    }
}

/// Brings the database to the schema this program needs. Does nothing if it is there already; two at once take turns.
///
/// # Errors
/// If the server is too old, or the login may not create schemas and roles (the message says what is missing).
pub async fn migrate(database: &Database) -> Result<(), StoreError> {
    let mut connection =
        options(database)?.connect().await.map_err(StoreError::during("connect to the database"))?;
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::integer / 10000")
        .fetch_one(&mut connection)
        .await
        .map_err(StoreError::during("ask the server for its version"))?;
    if version < OLDEST_SERVER {
        return Err(StoreError::ServerTooOld { found: version, needed: OLDEST_SERVER });
    }
    migrator().run(&mut connection).await.map_err(|e| StoreError::Migrate(Box::new(e)))?;
    connection.close().await.map_err(StoreError::during("close the connection"))
}

/// The migrations, noted in a table of our own: the application that shares the database may use sqlx too.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../migrations");
    migrator.dangerous_set_table_name("jobs.tb_migration");
    migrator.create_schema("jobs");
    migrator
}

fn options(database: &Database) -> Result<PgConnectOptions, StoreError> {
    let options = match database {
        Database::Url(url) => {
            PgConnectOptions::from_str(url).map_err(StoreError::during("read the database's URL"))?
        }
        Database::Socket { directory, user, name } => {
            PgConnectOptions::new_without_pgpass().socket(directory).username(user).database(name)
        }
    };
    Ok(options.application_name("stockade"))
}

/// A pool whose connections speak as `access`.
pub(super) fn pool(access: Access, connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move { Ok(state.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok()) })
        })
        .after_connect(move |connection, _| Box::pin(access.take(connection)))
}

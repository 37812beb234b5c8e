//! What can go wrong between us and the database.

use sqlx::migrate::MigrateError;

/// A failed operation of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused a statement, or could not be asked.
    #[error("cannot {operation}: {}", explain(source))]
    Sql {
        /// What was tried, as a verb phrase.
        operation: &'static str,
        /// What the driver says.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// A migration failed; the ones before it stay applied.
    #[error("cannot migrate the database: {0}")]
    Migrate(#[source] Box<MigrateError>),
    /// The database has not been migrated to what this program needs.
    #[error(
        "the database is at schema version {found} and this program needs {needed}: run `stockade migrate` as its owner"
    )]
    SchemaOutdated {
        /// The newest migration applied; 0 for none.
        found: i64,
        /// The newest migration this program knows.
        needed: i64,
    },
    /// The server is older than what the migrations need.
    #[error("the server is PostgreSQL {found}, and at least {needed} is needed")]
    ServerTooOld {
        /// Its major version.
        found: i32,
        /// The oldest one that will do.
        needed: i32,
    },
    /// A job's JSON holds a NUL character, which Postgres cannot keep in text.
    #[error("`{column}` holds a NUL character, which the database cannot store: encode that text in base64")]
    NulInJob {
        /// The column of the job.
        column: &'static str,
    },
    /// The database holds a value that this program has no name for.
    #[error(
        "the database holds the {what} `{value}`, which this program does not know: is it newer than this program"
    )]
    Unknown {
        /// The kind of value.
        what: &'static str,
        /// The value.
        value: String,
    },
}

/// The driver's text, with Postgres's own hint when it gave one.
fn explain(error: &sqlx::Error) -> String {
    let hint = error
        .as_database_error()
        .and_then(|e| e.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
        .and_then(|e| e.hint());
    match (error.as_database_error(), hint) {
        (Some(database), Some(hint)) => format!("{} ({hint})", database.message()),
        (Some(database), None) => database.message().to_owned(),
        (None, _) => error.to_string(),
    }
}

impl StoreError {
    /// Names the operation that failed.
    pub(super) fn during(operation: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Sql { operation, source: Box::new(source) }
    }

    /// The SQLSTATE, if the database itself refused.
    pub fn sqlstate(&self) -> Option<String> {
        self.sql()?.as_database_error()?.code().map(Into::into)
    }

    /// Whether the server is gone, starting or too busy for another connection: the same call may work later.
    pub fn is_connection_lost(&self) -> bool {
        match self.sql() {
            Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed) => true,
            Some(sqlx::Error::Database(_)) => self.sqlstate().is_some_and(|code| {
                // Connection exceptions; shut down, crashed, starting; too many connections.
                code.starts_with("08") || matches!(code.as_str(), "57P01" | "57P02" | "57P03" | "53300")
            }),
            _ => false,
        }
    }

    /// Whether a row with the same unique value (a job's `identifier`) is already there.
    pub fn is_duplicate(&self) -> bool {
        self.sqlstate().as_deref() == Some("23505")
    }

    /// Whether two transactions stood in each other's way, and this one was chosen to give in.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self.sqlstate().as_deref(), Some("40P01" | "40001"))
    }

    fn sql(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Sql { source, .. } => Some(source),
            Self::Migrate(source) => match source.as_ref() {
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => Some(source),
                _ => None,
            },
            _ => None,
        }
    }
}

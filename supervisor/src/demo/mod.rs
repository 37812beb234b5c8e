//! The demo: jobs that behave and jobs that do not, all of them real rows of a real queue, and what became of each.
//!
//! What stopped a job is told from what was observed: its verdict, what the kernel counted, the error that the job itself
//! saw, what was found at its outputs, and what the host looks like afterwards. A job that came out otherwise than it
//! must is a failure of the demo.

mod cases;
mod container;
mod expect;
mod function;
mod observed;
mod run;
mod survivors;
mod trap;
mod web;

use serde::Serialize;

use crate::postgres::PostgresError;
use crate::store::StoreError;
use crate::supervisor::SupervisorError;
pub use run::{Settings, run};

/// The demo could not be held.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The supervisor could not work.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// The database could not be started.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or socket of the demo itself could not be used.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The worker ended before the jobs did.
    #[error("the worker stopped before all jobs had ended")]
    Interrupted,
    /// A job did not end.
    #[error("job `{0}` did not end in time")]
    Stuck(&'static str),
}

/// What became of one job.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What it is called in the table.
    pub name: &'static str,
    /// Whether it means harm.
    pub hostile: bool,
    /// Its id in the queue; none if there is nothing to run it.
    pub job_id: Option<crate::store::JobId>,
    /// How its attempt ended.
    pub verdict: String,
    /// What stopped it, or what it did.
    pub what: String,
    /// Whether it came out as it must.
    pub as_it_must: bool,
    /// From its first instruction to its end, milliseconds.
    pub wall_ms: Option<f64>,
    /// Processor time, milliseconds.
    pub cpu_ms: Option<f64>,
    /// The most memory at any moment, MiB.
    pub peak_memory_mb: Option<f64>,
}

/// What became of all of them.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Each job.
    pub jobs: Vec<Row>,
    /// Whether the chain of the record holds.
    pub record_holds: bool,
}

impl Report {
    /// Whether everything came out as it must.
    pub fn as_it_must(&self) -> bool {
        self.record_holds && self.jobs.iter().all(|row| row.as_it_must)
    }
}

//! Everything Stockade keeps: jobs, attempts, outputs, workers and the record. The only module that names sqlx.
//!
//! The rules live in the database (`migrations/`): a job moves from one state to the next inside one SQL function,
//! which locks its queue row, checks who holds it, and appends to the record in the same transaction. This module
//! gives those functions types. Every statement is static text; whatever varies is a bound parameter.
//!
//! # Losing the server
//! A call that fails with [`StoreError::is_connection_lost`] may simply be made again: beginning and completing an
//! attempt answer the same when repeated. Only [`Store::submit`] may have done its work unseen; a job that must not
//! be doubled is given an `identifier`, and the repeated call then fails with [`StoreError::is_duplicate`].

mod attempt;
mod clerk;
mod control;
mod database;
mod error;
mod given;
mod history;
mod id;
mod job;
mod record;
mod storable;
mod submit;
mod verdict;
mod wake;
mod worker;

pub use attempt::{AttemptEnd, AttemptStart, Begun, PolicyRef};
pub use control::Cancel;
pub use database::{Access, Database, Store, migrate};
pub use error::StoreError;
pub use given::Given;
pub use history::{Attempt, Output, Stream};
pub use id::{AttemptId, JobId, WorkerId};
pub use job::{Job, JobFilter, JobStatus};
pub use record::{BrokenAt, Event};
pub use submit::NewJob;
pub use verdict::{After, Completion, Retry, Verdict};
pub use wake::{Wake, Wakeups};
pub use worker::{ClaimedJob, Heartbeat, Held, Lost, NewWorker};

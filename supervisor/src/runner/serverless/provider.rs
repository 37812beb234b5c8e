//! What the runner wants of a cloud: one call of one function, and what is known of it afterwards.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
pub use stockade_functions::{Class, CutOff, Fault, Metered};

use crate::runner::Boxed;
use crate::secret::Secret;

/// A cloud in which functions are called.
pub trait Provider: Send + Sync + Debug {
    /// Calls a function, once: nothing below this is tried again. Dropping the future closes the connection.
    fn call<'a>(&'a self, call: &'a Call) -> Boxed<'a, Result<Answer, CallError>>;
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function with its version, as the policy names it.
    pub function: String,
    /// What it is given.
    pub payload: Vec<u8>,
    /// Whether its result is waited for.
    pub waits: bool,
    /// For which attempt of which job.
    pub origin: Origin,
    /// More bytes than these are not taken as an answer.
    pub answer_bytes: usize,
    /// Whether it was sent, for who leaves it before it has ended.
    pub sent: Sent,
}

/// Whether a call may have left this host. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Sent(Arc<AtomicBool>);

impl Sent {
    /// From here on it may have.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it may have.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The attempt that a call is made for.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The job's id.
    pub job: String,
    /// Which try at it this is, from 1.
    pub attempt: u32,
    /// W3C Trace Context.
    pub traceparent: String,
    /// The same for every attempt of a job, for a function to know a repetition by.
    pub idempotency_key: String,
}

/// What came of a call that reached its function.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What the function returned.
    pub payload: Vec<u8>,
    /// If it failed by itself.
    pub fault: Option<Fault>,
    /// The end of its log, as far as the platform sends it along.
    pub log: Vec<u8>,
    /// What the platform says that it used.
    pub metered: Metered,
    /// What was called.
    pub reached: Reached,
}

/// What a call reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// The version that ran.
    pub executed_version: Option<String>,
    /// The platform's name for the call.
    pub request_id: Option<String>,
    /// Who was at the other end.
    pub peer: Option<SocketAddr>,
    /// The status that it answered with.
    pub status: Option<u16>,
    /// What it was shown that was fetched for the call, and is taken out of what comes back.
    pub shown: Option<Secret>,
}

/// A call that brought no answer of a function.
#[derive(Debug, Clone)]
pub struct CallError {
    /// What it says about another attempt.
    pub class: Class,
    /// What went wrong, and what to do about it.
    pub message: String,
    /// When to come again, if the platform says so.
    pub retry_after: Option<Duration>,
    /// The answer was larger than it may be.
    pub too_large: bool,
    /// What was reached nevertheless.
    pub reached: Box<Reached>,
}

impl CallError {
    /// A failure of which no more is known.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after: None, too_large: false, reached: Box::default() }
    }
}

impl Origin {
    /// As JSON, for a function to read.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "stockade_job_id": self.job,
            "stockade_attempt": self.attempt.to_string(),
            "traceparent": self.traceparent,
            "idempotency_key": self.idempotency_key,
        })
    }
}

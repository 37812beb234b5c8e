//! What became of an attempt, whoever ran it.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::store::{Output, Retry, Stream, Verdict};

/// What an error says of another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// It may go better the next time.
    Retryable,
    /// It would fail again.
    Permanent,
    /// Nobody here knows what was done: it began elsewhere, or was broken off in the middle. That is so whether or not
    /// it may be done twice.
    Unknown,
}

impl ErrorClass {
    /// Whether what ended with an error of this class is tried again, `asked` after the time that the other side asks for.
    /// What may have been done is not done twice, unless that is the same as once.
    pub fn retry(self, idempotent: bool, asked: Option<Duration>) -> Retry {
        match self {
            Self::Permanent => Retry::Never,
            Self::Unknown if !idempotent => Retry::Never,
            Self::Retryable | Self::Unknown => asked.map_or(Retry::Default, Retry::After),
        }
    }
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub struct Finished {
    /// In one word.
    pub verdict: Verdict,
    /// Why, if it did not complete.
    pub error: Option<String>,
    /// What kind of error that is, if the runner can tell.
    pub class: Option<ErrorClass>,
    /// Whether another attempt makes sense.
    pub retry: Retry,
    /// What really was called: an address, the digest of an image, the version of a function. `None` for what runs here.
    pub target: Option<Value>,
    /// What it answered, if that is not among its outputs.
    pub result: Option<Value>,
    /// Its exit code, if it exited.
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What was kept of its standard output.
    pub stdout: Stream,
    /// What was kept of its standard error.
    pub stderr: Stream,
    /// What it left.
    pub outputs: Vec<Output>,
    /// What it used, if it ran.
    pub usage: Option<Value>,
    /// What was in force: layer -> state and detail. Empty if it came to no sandbox.
    pub enforcement: Value,
    /// What was refused it: a list.
    pub denials: Value,
    /// Its connections, if it had a network; `None` if it had none.
    pub network: Option<Value>,
    /// The id it ran as on the host.
    pub host_uid: Option<u32>,
}

impl Finished {
    /// An attempt of which no more is known than how it ended.
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            error: None,
            class: None,
            retry: Retry::Default,
            target: None,
            result: None,
            exit_code: None,
            signal: None,
            stdout: Stream::default(),
            stderr: Stream::default(),
            outputs: Vec::new(),
            usage: None,
            enforcement: json!({}),
            denials: json!([]),
            network: None,
            host_uid: None,
        }
    }

    /// An attempt that ended without having run, and why.
    pub fn failed(verdict: Verdict, error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::new(verdict) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_done_is_tried_again_only_where_twice_is_once() {
        let soon = Some(Duration::from_secs(7));
        for (class, idempotent, asked, retry) in [
            (ErrorClass::Unknown, false, soon, Retry::Never),
            (ErrorClass::Unknown, true, None, Retry::Default),
            (ErrorClass::Unknown, true, soon, Retry::After(Duration::from_secs(7))),
            (ErrorClass::Retryable, false, None, Retry::Default),
            (ErrorClass::Retryable, false, soon, Retry::After(Duration::from_secs(7))),
            (ErrorClass::Permanent, true, soon, Retry::Never),
        ] {
            assert_eq!(class.retry(idempotent, asked), retry, "{class:?} {idempotent}");
        }
    }
}

//! From what a provider says of a call to what Stockade says of an attempt.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stockade_sandbox::{Layer, State};

use super::provider::{Answer, Call, CallError, Class, CutOff, Fault, Metered, Reached};
use crate::runner::{ErrorClass, Finished};
use crate::secret::Redactor;
use crate::store::{Retry, Stream, Verdict};

/// What is told of every end alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) call: &'a Call,
    pub(super) provider: &'static str,
    pub(super) took: Duration,
    pub(super) wall_seconds: u64,
    pub(super) idempotent: bool,
    pub(super) redactor: &'a Redactor,
}

impl Around<'_> {
    /// The function was reached, and its end is known.
    pub(super) fn answered(&self, answer: Answer) -> Finished {
        let result = serde_json::from_slice(&answer.payload).ok();
        let bytes = answer.payload.len();
        // What is no JSON is kept as what it is.
        let stdout = if result.is_none() { answer.payload } else { Vec::new() };
        let (verdict, error, class) = match answer.fault {
            None => (Verdict::Completed, None, None),
            Some(Fault::Threw(text)) => (Verdict::Failed, Some(text), Some(ErrorClass::Retryable)),
            Some(Fault::CutOff(by, text)) => {
                let verdict = match by {
                    CutOff::Timeout => Verdict::TimedOut,
                    CutOff::Memory => Verdict::OutOfMemory,
                    CutOff::Crash => Verdict::Failed,
                };
                let text = format!("{text}; it was ended in the middle, and what it had begun may be done");
                (verdict, Some(text), Some(ErrorClass::Unknown))
            }
        };
        Finished {
            error: error.map(|error| self.redactor.text(&error)),
            class,
            retry: self.retry(class, None),
            result: result.map(|result| self.redactor.json(result)),
            stdout: Stream { bytes: self.redactor.bytes(stdout), truncated: false },
            stderr: Stream { bytes: self.redactor.bytes(answer.log), truncated: false },
            usage: Some(self.usage(&answer.metered, Some(bytes))),
            ..self.ended(verdict, &answer.reached)
        }
    }

    /// The function did not answer.
    pub(super) fn failed(&self, error: CallError) -> Finished {
        let class = match error.class {
            Class::Retryable => ErrorClass::Retryable,
            Class::Permanent => ErrorClass::Permanent,
            Class::Unknown => ErrorClass::Unknown,
        };
        let verdict = if error.too_large { Verdict::LimitExceeded } else { Verdict::Failed };
        Finished {
            error: Some(self.redactor.text(&error.message)),
            class: Some(class),
            retry: self.retry(Some(class), error.retry_after),
            usage: Some(self.usage(&unmetered(), None)),
            ..self.ended(verdict, &error.reached)
        }
    }

    /// We hung up: `why` says on whose behalf.
    pub(super) fn hung_up(&self, verdict: Verdict, why: &str) -> Finished {
        let class = Some(ErrorClass::Unknown);
        Finished {
            error: Some(format!(
                "{why}: the connection is closed; the function itself may run on to its own timeout, and whether it has \
                 done its work is not known"
            )),
            class,
            retry: self.retry(class, None),
            usage: Some(self.usage(&unmetered(), None)),
            ..self.ended(verdict, &Reached::default())
        }
    }

    fn ended(&self, verdict: Verdict, reached: &Reached) -> Finished {
        Finished {
            target: Some(self.target(reached)),
            enforcement: self.enforcement(),
            ..Finished::new(verdict)
        }
    }

    /// What may have been done is not done again unless that is the same as once.
    fn retry(&self, class: Option<ErrorClass>, after: Option<Duration>) -> Retry {
        match class {
            Some(ErrorClass::Permanent) => Retry::Never,
            Some(ErrorClass::Unknown) if !self.idempotent => Retry::Never,
            _ => after.map_or(Retry::Default, Retry::After),
        }
    }

    fn target(&self, reached: &Reached) -> Value {
        json!({
            "provider": self.provider,
            "function": self.call.function,
            "executed_version": reached.executed_version,
            "request_id": reached.request_id,
            "peer": reached.peer,
            "http_status": reached.status,
            "invocation_type": if self.call.waits { "RequestResponse" } else { "Event" },
        })
    }

    fn enforcement(&self) -> Value {
        let layer = |state, detail: String| Layer { state, detail };
        let isolation =
            "the platform confines the function, by its configuration there; nothing of it is seen here";
        let layers = BTreeMap::from([
            ("isolation", layer(State::Delegated, isolation.to_owned())),
            (
                "destination",
                layer(
                    State::Enforced,
                    format!("`{}`; no redirect, no proxy, one attempt", self.call.function),
                ),
            ),
            (
                "wall_clock",
                layer(State::Enforced, format!("{} s, then the connection is closed", self.wall_seconds)),
            ),
            ("answer", layer(State::Enforced, format!("at most {} bytes", self.call.answer_bytes))),
        ]);
        serde_json::to_value(layers).unwrap_or_else(|_| json!({}))
    }

    /// Times and sizes are ours; the rest is the platform's word, or null.
    fn usage(&self, metered: &Metered, answer: Option<usize>) -> Value {
        let seconds = self.took.as_secs_f64();
        json!({
            "duration_seconds": seconds,
            "wall_ms": seconds * 1e3,
            "request_bytes": self.call.payload.len(),
            "response_bytes": answer,
            "function_ms": metered.duration_ms,
            "billed_ms": metered.billed_ms,
            "init_ms": metered.init_ms,
            "memory_size_mb": metered.memory_size_mb,
            "memory_mb": null,
            "peak_memory_mb": metered.peak_memory_mb,
            "cpu_usage_percent": null,
            "unknown": {
                "memory_mb": "the platform reports the most, not the mean",
                "cpu_usage_percent": "the platform does not report it",
                "reported": metered.unknown,
            },
        })
    }
}

fn unmetered() -> Metered {
    Metered { unknown: Some("no answer of the function came".to_owned()), ..Metered::default() }
}

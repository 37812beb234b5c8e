//! From what a provider says of a call to what Stockade says of an attempt.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stockade_sandbox::{Layer, State};

use super::provider::{Answer, Call, CallError, Class, CutOff, Fault, Metered, Reached};
use crate::runner::{ErrorClass, Finished};
use crate::secret::{Redactor, Secret};
use crate::store::{Retry, Stream, Verdict};

/// The longest text of another side that becomes an error's, characters.
const TEXT_MAX: usize = 2_000;
/// The longest name of a version or a call, characters.
const NAME_MAX: usize = 256;

/// What is true of the way to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// Whether it is encrypted, and the other end verified.
    pub(super) tls: bool,
    /// Whether the address was judged.
    pub(super) judged: bool,
    /// Whether the function is looked for at an endpoint of the worker's options.
    pub(super) instead: bool,
}

/// What is told of every end alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) call: &'a Call,
    pub(super) provider: &'static str,
    pub(super) took: Duration,
    pub(super) wall_seconds: u64,
    pub(super) idempotent: bool,
    pub(super) way: Way,
    pub(super) secrets: &'a [Secret],
}

impl Around<'_> {
    /// The function was reached, and its end is known.
    pub(super) fn answered(&self, answer: Answer) -> Finished {
        let redactor = self.redactor(&answer.reached);
        let result = serde_json::from_slice(&answer.payload).ok();
        let bytes = answer.payload.len();
        // What is no JSON is kept as what it is.
        let stdout = if result.is_none() { answer.payload } else { Vec::new() };
        let (verdict, error, class) = match answer.fault {
            None => (Verdict::Completed, None, None),
            Some(Fault::Threw(text)) => {
                let text = shown(&redactor, &text, TEXT_MAX);
                let text = format!("{text}; what it had done by then is not known");
                (Verdict::Failed, Some(text), Some(ErrorClass::Unknown))
            }
            Some(Fault::CutOff(by, text)) => {
                let verdict = match by {
                    CutOff::Timeout => Verdict::TimedOut,
                    CutOff::Memory => Verdict::OutOfMemory,
                    CutOff::Crash => Verdict::Failed,
                };
                let text = shown(&redactor, &text, TEXT_MAX);
                let text = format!("{text}; it was ended in the middle, and what it had begun may be done");
                (verdict, Some(text), Some(ErrorClass::Unknown))
            }
        };
        Finished {
            error,
            class,
            retry: self.retry(class, None),
            result: result.map(|result| redactor.json(result)),
            stdout: Stream { bytes: redactor.bytes(stdout), truncated: false },
            stderr: Stream { bytes: redactor.bytes(answer.log), truncated: false },
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
            error: Some(shown(&self.redactor(&error.reached), &error.message, TEXT_MAX)),
            class: Some(class),
            retry: self.retry(Some(class), error.retry_after),
            usage: Some(self.usage(&unmetered(), None)),
            ..self.ended(verdict, &error.reached)
        }
    }

    /// We hung up: `why` says on whose behalf.
    pub(super) fn hung_up(&self, verdict: Verdict, why: &str) -> Finished {
        let (class, told) = match (self.call.sent.get(), verdict) {
            (true, _) => (
                Some(ErrorClass::Unknown),
                "the connection is closed; the function itself may run on to its own timeout, and whether it has done its \
                 work is not known",
            ),
            (false, Verdict::Cancelled) => (None, "nothing was sent"),
            (false, _) => (Some(ErrorClass::Retryable), "nothing was sent"),
        };
        Finished {
            error: Some(format!("{why}: {told}")),
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

    fn retry(&self, class: Option<ErrorClass>, asked: Option<Duration>) -> Retry {
        class.map_or(Retry::Default, |class| class.retry(self.idempotent, asked))
    }

    /// Knows what was fetched for the call as well as what the registry names.
    fn redactor(&self, reached: &Reached) -> Redactor {
        Redactor::new(self.secrets.iter().chain(&reached.shown))
    }

    fn target(&self, reached: &Reached) -> Value {
        let redactor = self.redactor(reached);
        let name = |text: &Option<String>| text.as_deref().map(|text| shown(&redactor, text, NAME_MAX));
        json!({
            "provider": self.provider,
            "function": self.call.function,
            "executed_version": name(&reached.executed_version),
            "request_id": name(&reached.request_id),
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
                layer(State::Enforced, format!("`{}`; no proxy, one attempt", self.call.function)),
            ),
            (
                "wall_clock",
                layer(State::Enforced, format!("{} s, then the connection is closed", self.wall_seconds)),
            ),
            ("redirects", layer(State::Enforced, "none is followed".to_owned())),
            ("answer_size", layer(State::Enforced, format!("at most {} bytes", self.call.answer_bytes))),
            ("address", self.address()),
            ("tls", self.tls()),
        ]);
        serde_json::to_value(layers).unwrap_or_else(|_| json!({}))
    }

    fn address(&self) -> Layer {
        let (state, detail) = match (self.way.judged, self.way.instead) {
            (true, _) => (
                State::Enforced,
                "looked up once, judged, and connected to that very address: none but a public one; no proxy",
            ),
            (false, true) => (State::Absent, "the worker's options name another endpoint, which is believed"),
            (false, false) => (
                State::Absent,
                "not judged: an account may reach AWS at private addresses; who answers has to show its certificate",
            ),
        };
        Layer { state, detail: detail.to_owned() }
    }

    fn tls(&self) -> Layer {
        let (state, detail) = match self.way.tls {
            true => {
                (State::Enforced, "certificate and name of the other end verified before anything is sent")
            }
            false => (
                State::Absent,
                "the worker's options name an `http` endpoint: nothing is encrypted, nobody verified",
            ),
        };
        Layer { state, detail: detail.to_owned() }
    }

    /// Times and sizes are ours; the rest is the platform's word, or null with the reason.
    fn usage(&self, metered: &Metered, answer: Option<usize>) -> Value {
        let seconds = self.took.as_secs_f64();
        let started = metered.init_ms.is_none() && metered.duration_ms.is_some();
        let unreported = metered.unknown.as_deref().unwrap_or("the platform's report does not say it");
        let not_started = if started { "the report names no start: it ran already" } else { unreported };
        let sent = self.call.sent.get().then_some(self.call.payload.len());
        let figures = [
            ("duration_seconds", json!(seconds), ""),
            ("wall_ms", json!(seconds * 1e3), ""),
            ("request_body_bytes", json!(sent), "nothing was sent"),
            ("response_body_bytes", json!(answer), "no answer of the function was read to its end"),
            ("function_ms", json!(metered.duration_ms), unreported),
            ("billed_ms", json!(metered.billed_ms), unreported),
            ("init_ms", json!(metered.init_ms), not_started),
            ("memory_size_mb", json!(metered.memory_size_mb), unreported),
            ("memory_mb", Value::Null, "the platform reports the most, not the mean"),
            ("peak_memory_mb", json!(metered.peak_memory_mb), unreported),
            ("cpu_usage_percent", Value::Null, "the platform does not report it"),
        ];
        let (mut usage, mut unknown) = (Map::new(), Map::new());
        for (key, value, why) in figures {
            if value.is_null() {
                unknown.insert(key.to_owned(), json!(why));
            }
            usage.insert(key.to_owned(), value);
        }
        usage.insert("unknown".to_owned(), Value::Object(unknown));
        Value::Object(usage)
    }
}

/// Without secrets first and cut then: a half of one would not be known any more.
fn shown(redactor: &Redactor, text: &str, most: usize) -> String {
    redactor.text(text).chars().take(most).collect()
}

fn unmetered() -> Metered {
    Metered { unknown: Some("no answer of the function came".to_owned()), ..Metered::default() }
}

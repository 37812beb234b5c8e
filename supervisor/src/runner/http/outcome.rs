//! From what a call did to what is said of the attempt.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use stockade_sandbox::{Enforcement, Layer, State};

use super::call::Answer;
use super::fault::{Fault, Kind};
use super::fields::retry_after;
use super::journal::Journal;
use super::redirect::REDIRECTS_MAX;
use crate::runner::{ErrorClass, Finished};
use crate::secret::Redactor;
use crate::store::{Retry, Stream, Verdict};

/// What is known of a call beside what it did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Whether it may be made twice.
    pub(super) idempotent: bool,
    /// How long it may take.
    pub(super) wall: Duration,
    /// How large an answer may be, bytes.
    pub(super) response_bytes: u64,
    /// How much of the answer is kept as output, bytes.
    pub(super) output_bytes: usize,
    /// Whether the server has to show who it is.
    pub(super) tls: bool,
}

/// What is said of the attempt, without the secrets that it had: a server may send back what it is sent.
pub(super) fn finished(
    made: Result<Answer, Fault>,
    journal: &Journal,
    terms: &Terms,
    redactor: &Redactor,
) -> Finished {
    let (answer, fault) = match made {
        Ok(mut answer) => {
            let fault = answer.cut.take();
            (Some(answer), fault)
        }
        Err(fault) => (None, Some(fault)),
    };
    let whole = answer.is_none() || fault.is_none();
    let fault = fault.or_else(|| unsuccessful(answer.as_ref()?, journal));
    let verdict = match &fault {
        None => Verdict::Completed,
        // Nothing was sent: the policy has not let it start.
        Some(fault) if fault.kind == Kind::Refused && journal.legs.is_empty() => Verdict::Refused,
        Some(fault) => fault.kind.verdict(),
    };
    let class = fault.as_ref().and_then(|fault| class(fault.kind, journal.acted));
    let result = answer.as_ref().and_then(|answer| serde_json::from_slice(&answer.body).ok());
    let decoded = answer.as_ref().map(|answer| answer.body.len());
    Finished {
        error: fault.as_ref().map(|fault| redactor.text(&fault.to_string())),
        retry: class.map_or(Retry::Default, |class| class.retry(terms.idempotent, asked(answer.as_ref()))),
        class,
        usage: Some(usage(journal, decoded)),
        enforcement: serde_json::to_value(enforcement(journal, terms)).unwrap_or_else(|_| json!({})),
        denials: redactor.json(serde_json::to_value(&journal.denials).unwrap_or_else(|_| json!([]))),
        target: Some(redactor.json(target(journal))),
        stdout: stdout(answer, whole, redactor, terms.output_bytes),
        result: result.map(|result| redactor.json(result)),
        ..Finished::new(verdict)
    }
}

/// An answer that is none of success.
fn unsuccessful(answer: &Answer, journal: &Journal) -> Option<Fault> {
    let status = answer.status;
    if status.is_success() {
        return None;
    }
    let kind = match status.as_u16() {
        500 | 502 | 504 => Kind::Doubtful,
        408 | 425 | 429 | 503 => Kind::Answered { retryable: true },
        _ => Kind::Answered { retryable: false },
    };
    let last = journal.legs.last().map(ToString::to_string).unwrap_or_default();
    let why = match status.is_redirection() {
        true => format!("it answered {status}, which is not followed: it would become another request"),
        false => format!("it answered {status}"),
    };
    Some(Fault::of(kind, &format!("calling `{last}`"), why))
}

/// What the end means. The outcome of what has `acted`, and was broken off, nobody here knows.
fn class(kind: Kind, acted: bool) -> Option<ErrorClass> {
    match kind {
        Kind::Cancelled | Kind::Broken | Kind::TimedOut | Kind::Doubtful if acted => {
            Some(ErrorClass::Unknown)
        }
        Kind::Cancelled => None,
        Kind::Broken
        | Kind::TimedOut
        | Kind::Doubtful
        | Kind::Unreached
        | Kind::Answered { retryable: true } => Some(ErrorClass::Retryable),
        Kind::Refused
        | Kind::Untrusted
        | Kind::TooLarge
        | Kind::Unprepared
        | Kind::Answered { retryable: false } => Some(ErrorClass::Permanent),
    }
}

/// When a server that is busy asks to be called again.
fn asked(answer: Option<&Answer>) -> Option<Duration> {
    let answer = answer.filter(|answer| matches!(answer.status.as_u16(), 429 | 503))?;
    retry_after(&answer.headers, Utc::now())
}

/// Cut to what is kept when the secrets are out of it: the rest of one that the cut goes through would not be known as
/// such. Where the answer itself is cut, its end may be the beginning of one.
fn stdout(answer: Option<Answer>, whole: bool, redactor: &Redactor, max: usize) -> Stream {
    let mut bytes = redactor.bytes(answer.map(|answer| answer.body).unwrap_or_default());
    if !whole {
        bytes = redactor.cut_tail(bytes);
    }
    let truncated = bytes.len() > max || !whole;
    bytes.truncate(max);
    Stream { bytes, truncated }
}

/// Measured here, or null with the reason.
fn usage(journal: &Journal, decoded: Option<usize>) -> Value {
    const ELSEWHERE: &str = "the work is done by the server that is called";
    const HEADS: &str = "the HTTP client does not tell the size of heads on the wire";
    let wall = journal.elapsed();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let first_byte = journal.first_byte.map(milliseconds);
    let measured = [
        ("time_to_first_byte_ms", first_byte.map(|time| json!(time)), "nothing was answered"),
        ("request_body_bytes", journal.sent().map(|bytes| json!(bytes)), "a request was not answered"),
        ("response_body_bytes", journal.received.map(|bytes| json!(bytes)), "no answer was read"),
        ("response_decoded_bytes", decoded.map(|bytes| json!(bytes)), "no answer was read to its end"),
        ("request_head_bytes", None, HEADS),
        ("response_head_bytes", None, HEADS),
        ("cpu_usage_percent", None, ELSEWHERE),
        ("memory_mb", None, ELSEWHERE),
        ("peak_memory_mb", None, ELSEWHERE),
    ];
    let mut usage = serde_json::Map::new();
    usage.insert("duration_seconds".to_owned(), json!(wall.as_secs_f64()));
    usage.insert("wall_ms".to_owned(), json!(milliseconds(wall)));
    usage.insert("requests".to_owned(), json!(journal.legs.len()));
    let mut unknown = serde_json::Map::new();
    for (key, value, why) in measured {
        if value.is_none() {
            unknown.insert(key.to_owned(), json!(why));
        }
        usage.insert(key.to_owned(), value.unwrap_or(Value::Null));
    }
    usage.insert("unknown".to_owned(), Value::Object(unknown));
    Value::Object(usage)
}

fn target(journal: &Journal) -> Value {
    let last = journal.legs.last();
    let redirected = journal.legs.split_last().map(|(_, before)| before).unwrap_or_default();
    let mut target = serde_json::to_value(last).unwrap_or(Value::Null);
    if let (Value::Object(members), false) = (&mut target, redirected.is_empty()) {
        members.insert("before".to_owned(), json!(redirected));
    }
    target
}

fn enforcement(journal: &Journal, terms: &Terms) -> Enforcement {
    let layer = |state, detail: String| Layer { state, detail };
    let enforced = |detail: String| layer(State::Enforced, detail);
    let tls = match (terms.tls, journal.legs.last().and_then(super::journal::Leg::tls)) {
        (true, Some(version)) => enforced(format!("{version}; certificate and name of the server verified")),
        (true, None) => {
            enforced("certificate and name of the server verified before anything is sent".to_owned())
        }
        (false, _) => layer(
            State::Absent,
            "the registry names an `http` URL: nothing is encrypted, no server verified".to_owned(),
        ),
    };
    Enforcement(
        [
            (
                "destination",
                enforced(
                    "host, port, method and path as the policy names them, on every redirect".to_owned(),
                ),
            ),
            (
                "address",
                enforced(
                    "looked up once, judged, and connected to that very address, on every redirect; no proxy"
                        .to_owned(),
                ),
            ),
            ("tls", tls),
            (
                "redirects",
                enforced(format!(
                    "at most {REDIRECTS_MAX}, never from https to http, credentials for the first origin only"
                )),
            ),
            (
                "answer_size",
                enforced(format!(
                    "at most {} bytes of answer, as they come and decompressed",
                    terms.response_bytes
                )),
            ),
            ("wall_clock", enforced(format!("{} s in all", terms.wall.as_secs()))),
        ]
        .into(),
    )
}

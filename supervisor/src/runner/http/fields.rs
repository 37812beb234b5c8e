//! Header fields that go with every call, and those of an answer that say when to come again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use stockade_plan::Digest;
use uuid::Uuid;

use crate::runner::JobFacts;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// No server makes a job wait longer than this by its own word.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Whose call it is.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    job: Uuid,
    idempotency_key: Option<String>,
    correlation_id: Option<String>,
}

impl Caller {
    pub(super) fn of(job: &JobFacts<'_>) -> Self {
        Self {
            job: job.id.0,
            idempotency_key: job.idempotency_key.map(str::to_owned),
            correlation_id: job.correlation_id.map(str::to_owned),
        }
    }
}

/// The fields that go with every call: the same key for all attempts of a job, so that the server can tell that it has
/// done it; the trace that the call is part of (W3C Trace Context, 3.2), another span for each attempt.
pub(super) fn insert_own(headers: &mut HeaderMap, caller: &Caller, attempt: i32) {
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("stockade/", env!("CARGO_PKG_VERSION"))));
    let span = Digest::of(format!("{}/{}", caller.job, attempt).as_bytes()).to_string();
    let traceparent = format!("00-{}-{}-01", trace_id(caller), span.get(..16).unwrap_or_default());
    for (name, value) in [(IDEMPOTENCY_KEY, idempotency_key(caller)), (TRACEPARENT, traceparent)] {
        // Both are printable: the key was looked at, the trace is made of digits.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// The key that the job's row has, if it can be sent as it is; a key made of it otherwise.
fn idempotency_key(caller: &Caller) -> String {
    let key = caller.idempotency_key.as_deref().filter(|key| !key.is_empty());
    let fits = |key: &&str| key.len() <= 255 && key.bytes().all(|byte| byte.is_ascii_graphic());
    match key {
        None => caller.job.to_string(),
        Some(key) if fits(&key) => key.to_owned(),
        Some(key) => Digest::of(key.as_bytes()).to_string(),
    }
}

/// Calls of one correlation belong to one trace.
fn trace_id(caller: &Caller) -> String {
    let id = match caller.correlation_id.as_deref().filter(|id| !id.is_empty()) {
        None => caller.job,
        Some(id) => match id.parse::<Uuid>() {
            Ok(id) => id,
            Err(_) => {
                let digest = Digest::of(id.as_bytes()).to_string();
                digest.get(..32).and_then(|text| text.parse().ok()).unwrap_or(caller.job)
            }
        },
    };
    id.simple().to_string()
}

/// When the server wants to be asked again: seconds or a date (RFC 9110, 10.2.3), at most an hour.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let time = match text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        true => Duration::from_secs(text.parse().unwrap_or(u64::MAX)),
        false => {
            let date = DateTime::parse_from_rfc2822(text).ok()?;
            (date.with_timezone(&Utc) - now).to_std().unwrap_or(Duration::ZERO)
        }
    };
    Some(time.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: Uuid = Uuid::from_u128(7);

    fn sent(attempt: i32, key: Option<&str>, correlation: Option<&str>) -> (String, String) {
        let mut headers = HeaderMap::new();
        let (idempotency_key, correlation_id) = (key.map(str::to_owned), correlation.map(str::to_owned));
        insert_own(&mut headers, &Caller { job: JOB, idempotency_key, correlation_id }, attempt);
        let text = |name: HeaderName| headers[name].to_str().unwrap().to_owned();
        (text(IDEMPOTENCY_KEY), text(TRACEPARENT))
    }

    #[test]
    fn attempts_share_key_and_trace_and_differ_in_span() {
        let ((key, first), (again, second)) =
            (sent(1, Some("order-7"), None), sent(2, Some("order-7"), None));
        assert_eq!((key.as_str(), again.as_str()), ("order-7", "order-7"));
        assert_eq!(first.split('-').nth(1), second.split('-').nth(1));
        assert_ne!(first.split('-').nth(2), second.split('-').nth(2));
        assert_eq!(first.split('-').map(str::len).collect::<Vec<_>>(), [2, 32, 16, 2]);
        assert_eq!(sent(1, None, None).0, JOB.to_string());
    }

    #[test]
    fn what_a_row_says_forges_no_field() {
        for hostile in ["a\r\nx-evil: 1", "ü", "a b", &"x".repeat(300)] {
            assert_eq!(sent(1, Some(hostile), None).0.len(), 64, "{hostile}");
            assert_eq!(sent(1, None, Some(hostile)).1.len(), 55, "{hostile}");
        }
    }

    #[test]
    fn when_to_come_again_is_seconds_or_a_date_and_at_most_an_hour() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let after = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|time| time.as_secs())
        };
        assert_eq!(after("7"), Some(7));
        assert_eq!(after("Mon, 23 Nov 2026 12:00:30 GMT"), Some(30));
        assert_eq!(after("Mon, 23 Nov 2026 11:00:30 GMT"), Some(0));
        assert_eq!(after("99999999999999999999999"), Some(3600));
        assert_eq!(after("Mon, 23 Nov 2027 12:00:30 GMT"), None, "the wrong day of the week");
        for text in ["", "-1", "soon", "1.5"] {
            assert_eq!(after(text), None, "{text}");
        }
    }
}

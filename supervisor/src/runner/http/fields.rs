//! Header fields that go with every call, and those of an answer that say when to come again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};

use crate::runner::origin::{self, Caller};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The fields that go with every call.
pub(super) fn insert_own(headers: &mut HeaderMap, caller: &Caller, attempt: i32) {
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("stockade/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in
        [(IDEMPOTENCY_KEY, caller.idempotency_key()), (TRACEPARENT, caller.traceparent(attempt))]
    {
        // Both are printable: the key was looked at, the trace is made of digits.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

/// When the server wants to be asked again.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    origin::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

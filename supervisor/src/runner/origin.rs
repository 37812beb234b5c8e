//! What every call of another machine says of where it comes from, and what an answer says of when to come again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use stockade_plan::Digest;
use uuid::Uuid;

use super::JobFacts;

/// No other side makes a job wait longer than this by its own word.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Whose call it is.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    job: Uuid,
    tenant: Option<Uuid>,
    idempotency_key: Option<String>,
    correlation_id: Option<String>,
}

impl Caller {
    pub(super) fn of(job: &JobFacts<'_>) -> Self {
        Self {
            job: job.id.0,
            tenant: job.tenant,
            idempotency_key: job.idempotency_key.map(str::to_owned),
            correlation_id: job.correlation_id.map(str::to_owned),
        }
    }

    /// The key that the job's row has, if it can be sent as it is; a key made of it otherwise. The same for all attempts
    /// of a job, so that the other side can tell that it has done it. A tenant's is made of both: the other side knows one
    /// sender, and must not take one tenant's call for another's.
    pub(super) fn idempotency_key(&self) -> String {
        let key = self.idempotency_key.as_deref().filter(|key| !key.is_empty());
        let fits = |key: &&str| key.len() <= 255 && key.bytes().all(|byte| byte.is_ascii_graphic());
        match (key, self.tenant) {
            (None, _) => self.job.to_string(),
            (Some(key), Some(tenant)) => Digest::of(format!("{tenant}/{key}").as_bytes()).to_string(),
            (Some(key), None) if fits(&key) => key.to_owned(),
            (Some(key), None) => Digest::of(key.as_bytes()).to_string(),
        }
    }

    /// The trace that the call is part of, with another span for each attempt; W3C Trace Context, 3.2.
    pub(super) fn traceparent(&self, attempt: i32) -> String {
        let span = Digest::of(format!("{}/{attempt}", self.job).as_bytes()).to_string();
        format!("00-{}-{}-01", self.trace_id(), span.get(..16).unwrap_or_default())
    }

    /// Calls of one correlation belong to one trace.
    fn trace_id(&self) -> String {
        let id = match self.correlation_id.as_deref().filter(|id| !id.is_empty()) {
            None => self.job,
            Some(id) => match id.parse::<Uuid>() {
                Ok(id) => id,
                Err(_) => {
                    let digest = Digest::of(id.as_bytes()).to_string();
                    digest.get(..32).and_then(|text| text.parse().ok()).unwrap_or(self.job)
                }
            },
        };
        id.simple().to_string()
    }
}

/// When the other side wants to be asked again: seconds or a date (RFC 9110, 10.2.3), at most an hour.
pub(super) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = value.trim();
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
        let (idempotency_key, correlation_id) = (key.map(str::to_owned), correlation.map(str::to_owned));
        let caller = Caller { job: JOB, tenant: None, idempotency_key, correlation_id };
        (caller.idempotency_key(), caller.traceparent(attempt))
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
    fn two_tenants_with_the_same_key_are_two_senders() {
        let key = |tenant: Option<u128>| {
            let tenant = tenant.map(Uuid::from_u128);
            let idempotency_key = Some("order-7".to_owned());
            Caller { job: JOB, tenant, idempotency_key, correlation_id: None }.idempotency_key()
        };
        assert_eq!(key(Some(1)), key(Some(1)));
        assert_ne!(key(Some(1)), key(Some(2)));
        assert_eq!(key(None), "order-7");
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
        let after = |text: &str| retry_after(text, now).map(|time| time.as_secs());
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

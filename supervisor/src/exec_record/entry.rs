//! One line of the record, and what its digest covers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stockade_plan::Digest;
use uuid::Uuid;

/// No line is longer than this, bytes. A job's command line is the largest thing in it.
pub(super) const LINE_MAX: usize = 1024 * 1024;

/// What comes before the first entry.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One entry. The body keeps the very text that was hashed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) at: String,
    pub(super) kind: String,
    pub(super) job_id: Uuid,
    pub(super) body: Box<RawValue>,
    pub(super) prev_sha256: String,
    pub(super) sha256: String,
}

/// Where the chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) at: Option<DateTime<Utc>>,
    pub(super) sha256: String,
}

impl Head {
    pub(super) fn genesis() -> Self {
        Self { seq: 0, at: None, sha256: GENESIS.to_owned() }
    }

    /// The head after `entry`, which has been checked.
    pub(super) fn after(entry: &Entry) -> Self {
        Self { seq: entry.seq, at: parsed(&entry.at), sha256: entry.sha256.clone() }
    }
}

impl Entry {
    /// The entry that follows `head`. A clock that was set back does not put it before that.
    pub(super) fn following(head: &Head, kind: &str, job: Uuid, body: Box<RawValue>) -> Self {
        let at = head.at.map_or_else(Utc::now, |last| last.max(Utc::now()));
        let mut entry = Self {
            seq: head.seq + 1,
            at: at.to_rfc3339_opts(SecondsFormat::Micros, true),
            kind: kind.to_owned(),
            job_id: job,
            body,
            prev_sha256: head.sha256.clone(),
            sha256: String::new(),
        };
        entry.sha256 = entry.digest();
        entry
    }

    /// Why this entry does not follow `head`, if it does not.
    pub(super) fn fault(&self, head: &Head) -> Option<&'static str> {
        if self.seq != head.seq + 1 {
            Some("entries before it are missing")
        } else if self.prev_sha256 != head.sha256 {
            Some("it does not follow the entry before it")
        } else if self.sha256 != self.digest() {
            Some("its content does not match its digest")
        } else {
            None
        }
    }

    /// The digest that `audit.tb_event` has for the same event (docs/decisions/0005-audit-chain.md); an entry of this
    /// file has no worker and no tenant, and each job has one attempt.
    fn digest(&self) -> String {
        let micros = parsed(&self.at).map(|at| at.timestamp_micros()).unwrap_or_default();
        let mut hashed = bytes_of(&self.prev_sha256);
        let text = format!(
            "stockade-event-1\n{}\n{micros}\n{}\n\n{}\n1\n\n{}",
            self.seq, self.kind, self.job_id, self.body
        );
        hashed.extend_from_slice(text.as_bytes());
        Digest::of(&hashed).to_string()
    }
}

fn parsed(at: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(at).ok().map(|at| at.to_utc())
}

/// The bytes that `hex` spells. What does not spell 32 bytes is hashed as it stands, and so matches nothing that was
/// ever written.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    match digits {
        Some(digits) if digits.len() == 64 => {
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
        }
        _ => hex.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_entry_follows_the_one_before_it_and_no_other() {
        let first = Entry::following(&Head::genesis(), "attempt.started", Uuid::nil(), raw("{\"a\":1}"));
        let second = Entry::following(&Head::after(&first), "attempt.ended", Uuid::nil(), raw("{}"));
        assert_eq!(first.fault(&Head::genesis()), None);
        assert_eq!(second.fault(&Head::after(&first)), None);
        assert_eq!(second.fault(&Head::genesis()), Some("entries before it are missing"));
    }

    #[test]
    fn a_changed_entry_does_not_match_its_digest() {
        let mut entry = Entry::following(&Head::genesis(), "attempt.started", Uuid::nil(), raw("{\"a\":1}"));
        entry.body = raw("{\"a\":2}");
        assert_eq!(entry.fault(&Head::genesis()), Some("its content does not match its digest"));
    }

    #[test]
    fn the_digest_is_the_one_that_the_database_computes() {
        let entry = Entry {
            seq: 1,
            at: "2026-01-02T03:04:05.000006Z".to_owned(),
            kind: "attempt.started".to_owned(),
            job_id: Uuid::nil(),
            body: raw("{}"),
            prev_sha256: GENESIS.to_owned(),
            sha256: String::new(),
        };
        let mut hashed = vec![0; 32];
        hashed.extend_from_slice(
            b"stockade-event-1\n1\n1767323045000006\nattempt.started\n\n00000000-0000-0000-0000-000000000000\n1\n\n{}",
        );
        assert_eq!(entry.digest(), Digest::of(&hashed).to_string());
    }

    #[test]
    fn time_does_not_run_backwards_in_the_record() {
        let future = Utc::now() + chrono::Duration::hours(1);
        let head = Head { at: Some(future), ..Head::genesis() };
        let entry = Entry::following(&head, "attempt.started", Uuid::nil(), raw("{}"));
        assert_eq!(entry.at, future.to_rfc3339_opts(SecondsFormat::Micros, true));
    }
}

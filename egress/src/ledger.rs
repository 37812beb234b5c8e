//! What became of every connection of a job.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::destination::Destination;
use crate::stop::{Refusal, Stop, shown};

/// More are counted, not listed.
const LISTED_MAX: usize = 256;
/// Destinations that were refused; more are counted under one heading.
const TARGETS_MAX: usize = 64;

/// How a job asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// HTTP CONNECT to the proxy.
    Connect,
    /// An HTTP request through the proxy.
    Http,
    /// SOCKS5 to the proxy.
    Socks5,
    /// At the loopback address that stands for the host.
    Transparent,
    /// It had not yet said when it was ended.
    Unknown,
}

/// What was spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TLS, whose server name was compared.
    Tls,
    /// HTTP, whose host was compared.
    Http,
    /// Something that names no host.
    Other,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was made.
    Allowed,
    /// It was refused.
    Refused,
    /// It was allowed, and did not work.
    Failed,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// `host:port` as the job asked for it; bytes that are none are escaped and cut.
    pub destination: String,
    /// The address that it was made to.
    pub address: Option<IpAddr>,
    /// How the job asked.
    pub how: How,
    /// What was spoken, if it came to that.
    pub protocol: Option<Protocol>,
    /// What was decided.
    pub verdict: Verdict,
    /// Why it was refused or failed.
    pub reason: Option<String>,
    /// Bytes from the job to the host.
    pub sent_bytes: u64,
    /// Bytes from the host to the job.
    pub received_bytes: u64,
    /// When the job connected.
    pub started_at: DateTime<Utc>,
    /// When it was over.
    pub ended_at: DateTime<Utc>,
}

/// How often a destination was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// `host:port`.
    pub destination: String,
    /// How often.
    pub count: u64,
    /// When it was refused first.
    pub at: DateTime<Utc>,
}

/// All connections of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Each, in the order of their ends, up to a bound.
    pub connections: Vec<Connection>,
    /// How many more there were.
    pub not_listed: u64,
    /// Bytes from the job to hosts, over all of them.
    pub sent_bytes: u64,
    /// Bytes from hosts to the job, over all of them.
    pub received_bytes: u64,
    /// What was refused.
    #[serde(skip)]
    pub refused: Vec<Refused>,
}

/// Where connections are written down.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    traffic: Traffic,
    refused: BTreeMap<String, Refused>,
}

impl Ledger {
    pub(crate) fn take(&self) -> Traffic {
        let Book { mut traffic, refused } = std::mem::take(&mut *self.book());
        traffic.refused = refused.into_values().collect();
        traffic
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn enter(&mut self, connection: Connection) {
        let traffic = &mut self.traffic;
        traffic.sent_bytes += connection.sent_bytes;
        traffic.received_bytes += connection.received_bytes;
        if connection.verdict == Verdict::Refused {
            let known = self.refused.contains_key(&connection.destination);
            let place = match known || self.refused.len() < TARGETS_MAX {
                true => connection.destination.clone(),
                false => "other destinations".to_owned(),
            };
            let first = || Refused { destination: place.clone(), count: 0, at: connection.started_at };
            self.refused.entry(place.clone()).or_insert_with(first).count += 1;
        }
        match traffic.connections.len() < LISTED_MAX {
            true => traffic.connections.push(connection),
            false => traffic.not_listed += 1,
        }
    }
}

/// Bytes of a connection, counted while they pass.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

impl Counts {
    pub(crate) fn total(&self) -> u64 {
        self.sent.load(Ordering::Relaxed).wrapping_add(self.received.load(Ordering::Relaxed))
    }
}

/// A connection that is not over. It is written down when it is dropped, however it ends.
#[derive(Debug)]
pub(crate) struct Open {
    ledger: Arc<Ledger>,
    connection: Connection,
    pub(crate) counts: Counts,
}

impl Open {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        let now = Utc::now();
        let connection = Connection {
            destination: String::new(),
            address: None,
            how: How::Unknown,
            protocol: None,
            verdict: Verdict::Failed,
            reason: None,
            sent_bytes: 0,
            received_bytes: 0,
            started_at: now,
            ended_at: now,
        };
        Self { ledger: Arc::clone(ledger), connection, counts: Counts::default() }
    }

    /// The job has said how it asks.
    pub(crate) fn asked(&mut self, how: How) {
        self.connection.how = how;
    }

    /// And for what.
    pub(crate) fn for_destination(&mut self, destination: &Destination) {
        self.connection.destination = destination.to_string();
    }

    /// And for what, which is nothing.
    pub(crate) fn for_bytes(&mut self, bytes: &[u8]) -> Refusal {
        self.connection.destination = shown(bytes);
        Refusal::BadName
    }

    /// What it asked for, as it is written down.
    pub(crate) fn destination(&self) -> &str {
        &self.connection.destination
    }

    /// It is made.
    pub(crate) fn made(&mut self, address: IpAddr) {
        self.connection.address = Some(address);
        self.connection.verdict = Verdict::Allowed;
    }

    pub(crate) fn speaks(&mut self, protocol: Protocol) {
        self.connection.protocol = Some(protocol);
    }

    /// It goes no further. One that was made and then broke was made all the same.
    pub(crate) fn stopped(&mut self, stop: &Stop) {
        let made = self.connection.verdict == Verdict::Allowed;
        self.connection.verdict = match stop {
            Stop::Refused(_) => Verdict::Refused,
            Stop::Failed(_) if made => Verdict::Allowed,
            Stop::Failed(_) => Verdict::Failed,
        };
        self.connection.reason = Some(stop.to_string());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut connection = self.connection.clone();
        connection.sent_bytes = self.counts.sent.load(Ordering::Relaxed);
        connection.received_bytes = self.counts.received.load(Ordering::Relaxed);
        connection.ended_at = Utc::now();
        self.ledger.book().enter(connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_listed_up_to_a_bound() {
        let ledger = Arc::new(Ledger::default());
        for number in 0..1000_u16 {
            let mut open = Open::new(&ledger);
            open.for_destination(&Destination::new(format!("h{number}.example").as_bytes(), 443).unwrap());
            open.counts.sent.store(2, Ordering::Relaxed);
            open.stopped(&Stop::Refused(Refusal::NotListed));
        }
        let traffic = ledger.take();
        assert_eq!(traffic.connections.len(), LISTED_MAX);
        assert_eq!(traffic.not_listed, 1000 - LISTED_MAX as u64);
        assert_eq!(traffic.sent_bytes, 2000);
        assert_eq!(traffic.refused.len(), TARGETS_MAX + 1);
        assert_eq!(traffic.refused.iter().map(|refused| refused.count).sum::<u64>(), 1000);
    }

    #[test]
    fn a_connection_that_broke_after_it_was_made_was_made() {
        let ledger = Arc::new(Ledger::default());
        let mut open = Open::new(&ledger);
        open.made("192.0.2.7".parse().unwrap());
        open.stopped(&std::io::Error::other("reset").into());
        drop(open);
        assert_eq!(ledger.take().connections[0].verdict, Verdict::Allowed);
    }

    #[test]
    fn bytes_that_are_no_name_are_shown_without_harm() {
        let ledger = Arc::new(Ledger::default());
        let mut open = Open::new(&ledger);
        let refusal = open.for_bytes(&[b"allowed.example\0\x1b[31m", &[b'x'; 500][..]].concat());
        open.stopped(&refusal.into());
        drop(open);
        let destination = &ledger.take().connections[0].destination;
        assert!(destination.starts_with("allowed.example\\x00\\x1b[31mxxx"), "{destination}");
        assert!(destination.len() < 200);
    }
}

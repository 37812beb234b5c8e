//! What a call did, as far as it came.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::Utc;
use serde::Serialize;
use stockade_sandbox::Denial;

use super::place::Place;
use crate::secret::Secret;

/// One request and what was answered.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Leg {
    method: String,
    url: String,
    address: Option<SocketAddr>,
    tls: Option<&'static str>,
    status: Option<u16>,
}

impl Leg {
    /// The version of TLS that was agreed on.
    pub(super) const fn tls(&self) -> Option<&'static str> {
        self.tls
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The course of a call.
#[derive(Debug)]
pub(super) struct Journal {
    began: Instant,
    /// Every request, in order.
    pub(super) legs: Vec<Leg>,
    /// What was refused.
    pub(super) denials: Vec<Denial>,
    /// From the beginning to the head of the last answer.
    pub(super) first_byte: Option<Duration>,
    /// Bodies of requests that were answered, bytes.
    sent: u64,
    /// The call's own request may have reached its server: what is broken off now may have been done.
    pub(super) acted: bool,
    /// What was learnt on the way and must be taken out of what is kept: the token of this call.
    pub(super) secrets: Vec<Secret>,
    /// The body of the last answer as it came, bytes; `None` if nobody has read one to where it ended or was cut.
    pub(super) received: Option<u64>,
}

impl Journal {
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            legs: Vec::new(),
            denials: Vec::new(),
            first_byte: None,
            sent: 0,
            acted: false,
            secrets: Vec::new(),
            received: None,
        }
    }

    /// Bodies of all requests, bytes. Of one that was not answered nobody knows how much has left.
    pub(super) fn sent(&self) -> Option<u64> {
        self.legs.iter().all(|leg| leg.status.is_some()).then_some(self.sent)
    }

    /// How long it has gone on.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A request goes out.
    pub(super) fn sends(&mut self, method: &str, place: &Place) {
        let (method, url) = (method.to_owned(), place.to_string());
        self.legs.push(Leg { method, url, address: None, tls: None, status: None });
    }

    /// The head of its answer has come.
    pub(super) fn answered(
        &mut self,
        status: u16,
        address: Option<SocketAddr>,
        tls: Option<&'static str>,
        sent: usize,
    ) {
        self.first_byte = Some(self.elapsed());
        self.sent = self.sent.saturating_add(sent as u64);
        if let Some(leg) = self.legs.last_mut() {
            (leg.address, leg.tls, leg.status) = (address, tls, Some(status));
        }
    }

    /// Something was refused.
    pub(super) fn refused(&mut self, layer: &'static str, what: &'static str, target: impl ToString) {
        self.denials.push(Denial {
            layer,
            what,
            target: target.to_string(),
            count: 1,
            at_least: false,
            at: Utc::now(),
        });
    }
}

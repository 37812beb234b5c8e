//! Why a connection is not made, or goes no further.

use std::net::IpAddr;
use std::time::Duration;

/// What is shown of bytes of the job's: each connection is on record, and a job makes many.
const SHOWN_MAX: usize = 96;

/// The beginning of what a job said, escaped so that it forges nothing.
pub(crate) fn shown(said: &[u8]) -> String {
    said.get(..SHOWN_MAX).unwrap_or(said).escape_ascii().to_string()
}

/// The policy, or this proxy in its name, says no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing in the policy names it.
    #[error("the policy does not name it")]
    NotListed,
    /// Bytes that are no name.
    #[error("it is no host name, or not in the one spelling that every program reads alike")]
    BadName,
    /// A loopback address that stands for none.
    #[error("no host of the policy stands there")]
    NobodyThere,
    /// It leads to an address that is none of a host on the public internet.
    #[error("it leads to {address}, which is {kind}; the policy would have to name that address")]
    Special {
        /// The address.
        address: IpAddr,
        /// What it is instead.
        kind: &'static str,
    },
    /// It leads to this host's own address.
    #[error("it leads to {0}, which is this host; the policy would have to name that address")]
    OwnAddress(IpAddr),
    /// The server name of TLS is another than the allowed one.
    #[error("TLS asks for `{0}`, another host than the one that was allowed")]
    OtherServerName(String),
    /// TLS names no server.
    #[error("TLS names no server, so that another host than the allowed one could be meant")]
    NoServerName,
    /// The server name of TLS is encrypted.
    #[error("TLS hides the name of the server (encrypted client hello)")]
    HiddenServerName,
    /// Not TLS where TLS is spoken.
    #[error("port 443 is for TLS, and this is something else")]
    NotTls,
    /// Not HTTP where HTTP is spoken.
    #[error("port 80 is for HTTP, and this is something else")]
    NotHttp,
    /// The `Host` of a request is another than the allowed one.
    #[error("the `Host` of the request is `{0}`, another host than the one that was allowed")]
    OtherHost(String),
    /// It cannot be parsed.
    #[error("{0}")]
    Malformed(&'static str),
}

/// It was allowed, and did not work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The name has no address.
    #[error("the name cannot be looked up: {0}")]
    Lookup(String),
    /// Nothing came in time.
    #[error("nothing came for {} s", .0.as_secs())]
    TooSlow(Duration),
    /// An address does not answer.
    #[error("cannot connect to {0}: {1}")]
    Connect(IpAddr, std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
}

/// Either.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// It is not allowed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It does not work.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_job_says_the_beginning_is_shown_without_harm() {
        let said = [b"b.example\0\x1b[31m", &[0xff; 32 * 1024][..]].concat();
        let shown = shown(&said);
        assert!(shown.starts_with("b.example\\x00\\x1b[31m\\xff"), "{shown}");
        assert!(shown.len() <= 4 * SHOWN_MAX);
    }
}

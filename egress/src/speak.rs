//! What the proxy answers.

use std::io::ErrorKind;

use crate::stop::{Failure, Stop};
use crate::wire::socks::VERSION;

/// To CONNECT, when the connection is made.
pub(crate) const CONNECTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// To an HTTP request that goes no further, with the reason for people.
pub(crate) fn http(stop: &Stop, destination: &str) -> Vec<u8> {
    let status = match stop {
        Stop::Refused(_) => "403 Forbidden",
        Stop::Failed(Failure::TooSlow(_)) => "504 Gateway Timeout",
        Stop::Failed(_) => "502 Bad Gateway",
    };
    let text = format!("stockade: {destination}: {stop}\n");
    let len = text.len();
    let fields = "Content-Type: text/plain; charset=utf-8\r\nConnection: close";
    format!("HTTP/1.1 {status}\r\n{fields}\r\nContent-Length: {len}\r\n\r\n{text}").into_bytes()
}

/// To a SOCKS greeting: say nothing more, or there is no method that both know; RFC 1928, 3.
pub(crate) const fn socks_method(known: bool) -> [u8; 2] {
    [VERSION, if known { 0 } else { 0xff }]
}

/// To a SOCKS request; RFC 1928, 6. The address that it was made from is nobody's business.
pub(crate) fn socks(stop: Option<&Stop>) -> [u8; 10] {
    let code = match stop {
        None => 0,
        Some(Stop::Refused(_)) => 2,
        Some(Stop::Failed(Failure::Connect(_, error))) if error.kind() == ErrorKind::ConnectionRefused => 5,
        Some(Stop::Failed(Failure::Connect(..) | Failure::Lookup(_))) => 4,
        Some(Stop::Failed(Failure::TooSlow(_))) => 6,
        Some(Stop::Failed(Failure::Broken(_))) => 1,
    };
    [VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]
}

/// To a SOCKS request for something else than a connection.
pub(crate) const SOCKS_NOT_SUPPORTED: [u8; 10] = [VERSION, 7, 0, 1, 0, 0, 0, 0, 0, 0];

//! The HTTP client of every provider: what it does is in the request, nothing is in the environment.

use std::time::Duration;

use crate::runner::http::AUTHORITIES;
use reqwest::{Certificate, Client, ClientBuilder, Response, redirect, retry};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// After so long without traffic the other side is asked whether it is there: functions think for minutes, and what lies
/// between forgets connections.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// A connection that nobody uses is kept no longer than any server keeps it: to send on one that the other side is closing
/// leaves open whether the call was made.
const IDLE: Duration = Duration::from_secs(5);

/// A client without proxy, redirects, or attempts of its own. One connection carries one call: closing it ends the call.
pub(super) fn builder() -> ClientBuilder {
    // Whoever comes first installs it; all of them the same.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .tls_certs_only(authorities())
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_gzip()
        .http1_only()
        .tcp_nodelay(true)
        .pool_idle_timeout(IDLE)
        .tcp_keepalive(KEEPALIVE)
        .connect_timeout(CONNECT)
        .user_agent(concat!("stockade/", env!("CARGO_PKG_VERSION")))
}

/// Whom servers have to show themselves by; nobody, if they cannot be read: then no server is trusted.
fn authorities() -> Vec<Certificate> {
    let read = std::fs::read(AUTHORITIES).map_err(|error| error.to_string());
    let parsed = read.and_then(|pem| Certificate::from_pem_bundle(&pem).map_err(|error| error.to_string()));
    parsed.unwrap_or_else(|error| {
        tracing::warn!(
            error,
            path = AUTHORITIES,
            "cannot read the authorities; calls of functions over TLS will fail"
        );
        Vec::new()
    })
}

/// A body could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It is larger than it may be.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The connection broke.
    #[error("the answer broke off: {0}")]
    Broken(#[from] reqwest::Error),
}

/// The body of `response`, read no further than `most` bytes.
///
/// # Errors
/// [`BodyError`].
pub(super) async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let announced =
        response.content_length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced > most {
        return Err(BodyError::TooLarge(most));
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > most {
            return Err(BodyError::TooLarge(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// An error with everything that it is due to.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    text
}

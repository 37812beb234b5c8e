//! A token for a call, from the server that hands them out: the client credentials grant (RFC 6749, 4.4).

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use stockade_policies::HttpRights;
use tokio::time::Instant;

use super::body::{self, Body};
use super::credentials::Credentials;
use super::fault::{Fault, Kind};
use super::journal::Journal;
use super::place::Place;
use super::request::percent;
use super::send::{Message, Ways};
use crate::secret::Secret;

/// An answer with a token in it is small.
const ANSWER_MAX: usize = 64 * 1024;

/// How a token is asked for.
#[derive(Debug)]
pub(super) struct TokenRequest {
    pub(super) place: Place,
    /// Who asks: the client's id and secret.
    pub(super) client: Credentials,
    pub(super) scope: Option<String>,
}

impl TokenRequest {
    /// Asks for one. The host must be one that the policy names; what is asked of it is fixed here.
    pub(super) async fn fetch(
        self,
        ways: &Ways,
        rights: &HttpRights<'_>,
        deadline: Instant,
        journal: &mut Journal,
    ) -> Result<Credentials, Fault> {
        let scope =
            self.scope.as_deref().map(|scope| format!("&scope={}", percent(scope))).unwrap_or_default();
        let mut message = Message {
            method: Method::POST,
            headers: HeaderMap::from_iter([
                (ACCEPT, HeaderValue::from_static("application/json")),
                (CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
            ]),
            stated: HeaderMap::new(),
            body: Some(format!("grant_type=client_credentials{scope}").into_bytes()),
        };
        self.client.put_on(&mut message, &self.place, chrono::Utc::now());
        let fault = |kind, why: String| Fault::new(kind, "asking for a token at", &self.place, why);
        let mut response =
            ways.send(rights, message, &self.place, deadline, journal).await.map_err(harmless)?;
        let status = response.status();
        let mut body = Body::default();
        let read = body::read(&mut response, ANSWER_MAX, &mut body).await;
        // Nothing of the call itself has been sent: it may be tried again.
        read.map_err(|stopped| fault(Kind::Unreached, stopped.to_string()))?;
        if !status.is_success() {
            let retryable = status.is_server_error() || status.as_u16() == 429;
            return Err(fault(Kind::Answered { retryable }, format!("it answered {status}"))
                .help("see whether client id, secret and scope of `auth` are right"));
        }
        let answer: Value = serde_json::from_slice(&body.bytes).unwrap_or_default();
        let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
        journal.secrets.push(Secret::from(token.to_owned()));
        let bearer = Credentials::bearer(token).ok().filter(|_| !token.is_empty());
        bearer.ok_or_else(|| {
            fault(Kind::Answered { retryable: false }, "its answer has no `access_token`".to_owned())
                .help("see whether `token_url` is right")
        })
    }
}

/// Asking for a token does nothing that must not be done twice.
fn harmless(fault: Fault) -> Fault {
    match fault.kind {
        Kind::Broken | Kind::TimedOut => Fault { kind: Kind::Unreached, ..fault },
        _ => fault,
    }
}

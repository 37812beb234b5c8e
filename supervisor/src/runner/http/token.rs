//! A token for a call, from the server that hands them out: the client credentials grant (RFC 6749, 4.4).
//!
//! A token is kept until shortly before it ends, for the service and the credentials that it was handed out to. These are the
//! registry's: no tenant has any of his own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use stockade_plan::Digest;
use stockade_policies::HttpRights;
use tokio::time::Instant;

use super::body::{self, Body};
use super::credentials::Credentials;
use super::fault::{Fault, Kind};
use super::journal::Journal;
use super::place::Place;
use super::request::percent;
use super::send::{Message, Ways, check_named};
use crate::secret::Secret;

/// An answer with a token in it is small.
const ANSWER_MAX: usize = 64 * 1024;

/// A token that ends within this time is not used any more.
const MARGIN: Duration = Duration::from_secs(30);
/// No token is kept for longer, whatever is said of it.
const KEPT_FOR_MAX: Duration = Duration::from_secs(3600);
/// More are not kept: a registry has as many as it has services that ask for one.
const KEPT_MAX: usize = 64;

/// Tokens that are still good, by who got them for what. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens(Arc<Mutex<HashMap<Digest, Kept>>>);

#[derive(Debug)]
struct Kept {
    token: Secret,
    until: Instant,
}

impl Tokens {
    /// Lets the one that was handed out to `asked` go.
    pub(super) fn forget(&self, asked: &TokenRequest) {
        self.kept().remove(&asked.key());
    }

    /// Lets all of them go.
    pub(super) fn forget_all(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Digest, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one for as long as its server says that it is good; without a word of that, not at all.
    fn keep(&self, key: Digest, token: &Secret, seconds: Option<u64>) {
        let good = Duration::from_secs(seconds.unwrap_or(0)).min(KEPT_FOR_MAX).saturating_sub(MARGIN);
        if good.is_zero() {
            return;
        }
        let mut kept = self.kept();
        let now = Instant::now();
        kept.retain(|_, kept| kept.until > now);
        if kept.len() < KEPT_MAX {
            kept.insert(key, Kept { token: token.clone(), until: now + good });
        }
    }
}

/// How a token is asked for.
#[derive(Debug)]
pub(super) struct TokenRequest {
    /// The service whose calls it is for.
    pub(super) service: String,
    pub(super) place: Place,
    /// Who asks: the client's id and secret.
    pub(super) client: Credentials,
    pub(super) scope: Option<String>,
}

impl TokenRequest {
    /// By what it is kept: whoever asks with other credentials, elsewhere or for something else gets his own.
    fn key(&self) -> Digest {
        let who = json!([self.service, self.place.url().as_str(), self.client.shown(), self.scope]);
        Digest::of(who.to_string().as_bytes())
    }

    /// The one that is kept. Where the policy does not let one be asked for, none is used either.
    pub(super) fn kept(
        &self,
        ways: &Ways,
        rights: &HttpRights<'_>,
        journal: &mut Journal,
    ) -> Result<Option<Credentials>, Fault> {
        check_named(rights, &self.place, journal)?;
        let kept = ways.tokens.kept();
        let good = kept.get(&self.key()).filter(|kept| kept.until > Instant::now());
        let Some(token) = good.map(|kept| kept.token.clone()) else { return Ok(None) };
        let credentials = Credentials::bearer(token.reveal()).ok();
        journal.secrets.push(token);
        Ok(credentials)
    }

    /// Asks for one. The host must be one that the policy names; what is asked of it is fixed here.
    pub(super) async fn fetch(
        &self,
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
        let secret = Secret::from(token.to_owned());
        journal.secrets.push(secret.clone());
        let bearer = Credentials::bearer(token).ok().filter(|_| !token.is_empty());
        if bearer.is_some() {
            ways.tokens.keep(self.key(), &secret, answer.get("expires_in").and_then(Value::as_u64));
        }
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

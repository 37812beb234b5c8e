//! Functions of Google Cloud, which are services that are called over HTTP with a token of who calls.

mod address;
mod key;
mod token;

use std::time::Duration;

use chrono::Utc;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use stockade_functions::gcp::{Judged, judged};

pub use key::{KeyError, ServiceKey};
pub use token::Source;

use super::client::{self, BodyError};
use super::provider::{Answer, Call, CallError, Class, Metered, Provider, Reached};
use crate::runner::Boxed;
use crate::runner::origin::retry_after as retry_after_of;
use crate::secret::Secret;
use address::Judging;
use token::Tokens;

/// The largest payload; Cloud Run functions quotas, "Max uncompressed HTTP request size" of the first generation.
pub const PAYLOAD_MAX: usize = 10 * 1024 * 1024;

/// Where to go instead of Google's own addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Instead {
    /// For functions.
    pub functions: Option<String>,
    /// For tokens.
    pub tokens: Option<String>,
}

/// Functions of Google Cloud, under one account.
#[derive(Debug)]
pub struct CloudFunctions {
    client: Client,
    tokens: Tokens,
    instead: Option<String>,
}

impl CloudFunctions {
    /// A client that shows itself by tokens of `source`. Connects to nothing yet.
    ///
    /// # Errors
    /// If this host has no way to speak TLS.
    pub fn new(source: Source, instead: &Instead, read_timeout: Duration) -> Result<Self, CallError> {
        let failed = |error: reqwest::Error| {
            CallError::new(Class::Permanent, format!("cannot make an HTTP client: {}", client::chain(&error)))
        };
        let calls = client::builder().read_timeout(read_timeout);
        let client = match instead.functions {
            Some(_) => calls.build(),
            None => calls.https_only(true).dns_resolver(Judging).build(),
        };
        let tokens =
            Tokens::new(client::builder().build().map_err(failed)?, source, instead.tokens.as_deref());
        Ok(Self { client: client.map_err(failed)?, tokens, instead: instead.functions.clone() })
    }

    async fn invoke(&self, call: &Call) -> Result<Answer, CallError> {
        let url = self.url(&call.function)?;
        // A token is for one host; the platform takes no path in its audience.
        let audience = call.function.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        let token = self.tokens.token(&audience).await?;
        let shown = Secret::from(token);
        let mut request =
            self.client.post(url).bearer_auth(shown.reveal()).header(CONTENT_TYPE, "application/json");
        for (name, value) in [
            ("traceparent", &call.origin.traceparent),
            ("idempotency-key", &call.origin.idempotency_key),
            ("stockade-job-id", &call.origin.job),
            ("stockade-attempt", &call.origin.attempt.to_string()),
        ] {
            request = request.header(name, value);
        }
        call.sent.set();
        let response = request.body(call.payload.clone()).send().await.map_err(|error| lost(&error))?;
        let reached = Reached { shown: Some(shown), ..reached(&response) };
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|value| retry_after_of(value, Utc::now()));
        let status = response.status();
        let answer = client::body(response, call.answer_bytes).await;
        let error = match answer.map(|payload| (judged(status.as_u16(), &payload), payload)) {
            Ok((Judged::Answered(fault), payload)) => {
                return Ok(Answer { payload, fault, log: Vec::new(), metered: metered(), reached });
            }
            Ok((Judged::Refused(class, message), _)) => CallError::new(class, message),
            Err(error) => unread(&error),
        };
        Err(CallError { reached: Box::new(reached), retry_after, ..error })
    }

    fn url(&self, function: &str) -> Result<Url, CallError> {
        let wrong = |_| CallError::new(Class::Permanent, format!("`{function}` is no URL"));
        let url = Url::parse(function).map_err(wrong)?;
        match &self.instead {
            None => Ok(url),
            Some(instead) => Url::parse(instead).and_then(|base| base.join(url.path())).map_err(wrong),
        }
    }
}

impl Provider for CloudFunctions {
    fn call<'a>(&'a self, call: &'a Call) -> Boxed<'a, Result<Answer, CallError>> {
        Box::pin(self.invoke(call))
    }
}

fn metered() -> Metered {
    let unknown = "Google Cloud sends no usage along with an answer; its monitoring has it";
    Metered { unknown: Some(unknown.to_owned()), ..Metered::default() }
}

fn reached(response: &Response) -> Reached {
    let header = |headers: &HeaderMap, name| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let headers = response.headers();
    Reached {
        // The name that was called is that of a revision, by its tag; the answer does not say which one that is.
        executed_version: None,
        request_id: header(headers, "function-execution-id")
            .or_else(|| header(headers, "x-cloud-trace-context")),
        peer: response.remote_addr(),
        status: Some(response.status().as_u16()),
        shown: None,
    }
}

fn lost(error: &reqwest::Error) -> CallError {
    let said = client::chain(error);
    match error.is_connect() || error.is_builder() {
        true => CallError::new(Class::Retryable, format!("cannot connect: {said}")),
        false => CallError::new(
            Class::Unknown,
            format!(
                "the connection broke before the answer was there: {said}; whether the function has run is not known"
            ),
        ),
    }
}

fn unread(error: &BodyError) -> CallError {
    match error {
        BodyError::TooLarge(_) => {
            CallError { too_large: true, ..CallError::new(Class::Permanent, error.to_string()) }
        }
        BodyError::Broken(_) => {
            CallError::new(Class::Unknown, format!("{error}; whether the function has run is not known"))
        }
    }
}

//! AWS Lambda.

mod arn;
mod classify;
mod connector;
mod credentials;

use std::time::{Duration, Instant};

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use aws_sdk_lambda::{Client, Config};
use aws_smithy_async::rt::sleep::TokioSleep;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use stockade_functions::lambda;

pub use arn::Arn;
pub use credentials::{Key, SignIn};

use super::client;
use super::provider::{Answer, Call, CallError, Class, Metered, Origin, Provider, Reached};
use crate::runner::Boxed;
use connector::Watch;

/// The largest payload of a call whose result is waited for; AWS Lambda quotas, "Invocation payload".
pub const PAYLOAD_MAX: usize = 6 * 1024 * 1024;
/// The largest payload of one whose result is not waited for.
pub const EVENT_PAYLOAD_MAX: usize = 1024 * 1024;
/// The most that goes into the client context, bytes of base64; Lambda API reference, `Invoke`.
const CONTEXT_MAX: usize = 3_583;

/// What a client is made for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// The region that is called.
    pub region: String,
    /// How the worker signs in.
    pub sign_in: SignIn,
    /// Where to call instead of the platform.
    pub endpoint: Option<String>,
}

/// Lambda in one region, under one account.
#[derive(Debug)]
pub struct Lambda {
    client: Client,
}

impl Lambda {
    /// A client for `account`. Connects to nothing yet.
    ///
    /// # Errors
    /// If this host has no way to speak TLS.
    pub fn new(account: &Account, read_timeout: Duration) -> Result<Self, CallError> {
        let http = client::builder().read_timeout(read_timeout).build().map_err(|error| {
            CallError::new(Class::Permanent, format!("cannot make an HTTP client: {}", client::chain(&error)))
        })?;
        let http = connector::sdk_client(http);
        let region = Region::new(account.region.clone());
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials::provider(&account.sign_in, &region, http.clone()))
            .region(region)
            .http_client(http)
            .sleep_impl(TokioSleep::new())
            // The queue tries again, and knows whether it may.
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        config.set_endpoint_url(account.endpoint.clone());
        Ok(Self { client: Client::from_conf(config.build()) })
    }

    /// The SDK's client, for who calls without a runner.
    pub fn sdk(&self) -> &Client {
        &self.client
    }

    async fn invoke(&self, call: &Call) -> Result<Answer, CallError> {
        let arn = Arn::parse(&call.function)
            .ok_or_else(|| CallError::new(Class::Permanent, format!("`{}` is no ARN", call.function)))?;
        let watch = Watch::new(call.answer_bytes, call.sent.clone());
        let (kind, log) = match call.waits {
            true => (InvocationType::RequestResponse, Some(LogType::Tail)),
            false => (InvocationType::Event, None),
        };
        // The context is passed to functions that are waited for; the others would never see it.
        let context = call.waits.then(|| context(&call.origin)).transpose()?;
        let watching = watch.clone();
        let start = Instant::now();
        let answer = self
            .client
            .invoke()
            .function_name(arn.function())
            .qualifier(arn.qualifier())
            .invocation_type(kind)
            .set_log_type(log)
            .set_client_context(context)
            .payload(Blob::new(call.payload.clone()))
            .customize()
            .mutate_request(move |request| {
                request.add_extension(watching.clone());
            })
            .send()
            .await;
        let took = start.elapsed();
        let peer = watch.peer.get().copied();
        match answer {
            Ok(output) => {
                let mut answer = answered(output, call, took);
                answer.reached.peer = peer;
                Ok(answer)
            }
            Err(error) => {
                let mut error = classify::failure(&error);
                error.reached.peer = peer;
                Err(error)
            }
        }
    }
}

impl Provider for Lambda {
    fn call<'a>(&'a self, call: &'a Call) -> Boxed<'a, Result<Answer, CallError>> {
        Box::pin(self.invoke(call))
    }
}

/// What a function reads in its `clientContext.custom`.
fn context(origin: &Origin) -> Result<String, CallError> {
    let text = STANDARD.encode(json!({"custom": origin.to_json()}).to_string());
    match text.len() {
        ..=CONTEXT_MAX => Ok(text),
        length => Err(CallError::new(
            Class::Permanent,
            format!("the client context has {length} bytes in base64, at most {CONTEXT_MAX} can be sent"),
        )),
    }
}

fn answered(output: InvokeOutput, call: &Call, took: Duration) -> Answer {
    let request_id = output.request_id().map(str::to_owned);
    let payload = output.payload.map(Blob::into_inner).unwrap_or_default();
    let log = output.log_result.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let metered = match call.waits {
        true => lambda::report(&log, request_id.as_deref(), took),
        false => Metered {
            unknown: Some("the call was handed over; the platform reports no usage of it".to_owned()),
            ..Metered::default()
        },
    };
    let fault = output.function_error.map(|kind| lambda::fault(&kind, &payload));
    let status = u16::try_from(output.status_code).ok();
    let reached =
        Reached { executed_version: output.executed_version, request_id, status, ..Reached::default() };
    Answer { payload, fault, log, metered, reached }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_that_is_too_long_is_refused() {
        let origin = |key: usize| Origin {
            job: "0".repeat(36),
            attempt: 1,
            traceparent: "00-".to_owned(),
            idempotency_key: "k".repeat(key),
        };
        assert!(context(&origin(100)).is_ok_and(|text| text.len() <= CONTEXT_MAX));
        assert!(context(&origin(4_000)).is_err());
    }
}

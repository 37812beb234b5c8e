//! What a failed invocation means: whether the function has run, and whether to try again.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lambda::config::http::HttpResponse;
use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::RequestId as _;
use aws_sdk_lambda::operation::invoke::InvokeError;
use chrono::Utc;

use super::super::client::{BodyError, chain};
use super::super::provider::{CallError, Class, Reached};
use super::connector::Lost;
use super::credentials;
use crate::runner::origin::retry_after;

/// The error of a call that brought no answer.
pub(super) fn failure(error: &SdkError<InvokeError, HttpResponse>) -> CallError {
    let mut failed = match error {
        SdkError::ServiceError(context) => refused(context.err(), context.raw().status().as_u16()),
        SdkError::ConstructionFailure(_) => not_made(error),
        _ => lost(error),
    };
    if let Some(response) = error.raw_response() {
        failed.reached.status = Some(response.status().as_u16());
        let asked = response.headers().get("retry-after");
        failed.retry_after = asked.and_then(|value| retry_after(value, Utc::now()));
    }
    failed
}

/// The platform answered, and not with a function's result.
fn refused(error: &InvokeError, status: u16) -> CallError {
    let code = error.code().unwrap_or("no error code");
    let said = error.message().unwrap_or("without a reason");
    let hint = hint(code);
    let reached = Reached { request_id: error.request_id().map(str::to_owned), ..Reached::default() };
    let message = format!("the platform refused the call with `{code}` (HTTP {status}): {said}{hint}");
    CallError { reached: Box::new(reached), ..CallError::new(class(error, code, status), message) }
}

/// By the error's kind; what is new to us goes by its status, and is never tried again where that says nothing.
fn class(error: &InvokeError, code: &str, status: u16) -> Class {
    use InvokeError as E;
    match error {
        E::TooManyRequestsException(_)
        | E::ServiceException(_)
        | E::Ec2ThrottledException(_)
        | E::Ec2UnexpectedException(_)
        | E::EniLimitReachedException(_)
        | E::EniNotReadyException(_)
        | E::ResourceNotReadyException(_)
        | E::ResourceConflictException(_)
        | E::SnapStartNotReadyException(_)
        | E::EfsMountTimeoutException(_)
        | E::EfsMountConnectivityException(_)
        | E::S3FilesMountTimeoutException(_)
        | E::S3FilesMountConnectivityException(_)
        | E::CodeArtifactUserPendingException(_)
        | E::SubnetIpAddressLimitReachedException(_) => Class::Retryable,
        _ if matches!(code, "ThrottlingException" | "Throttling" | "RequestLimitExceeded") => {
            Class::Retryable
        }
        // Of a role's or a profile's: the next attempt asks for new ones.
        _ if matches!(code, "ExpiredTokenException" | "ExpiredToken") => Class::Retryable,
        _ => match status {
            400..=499 => match status {
                408 | 429 => Class::Retryable,
                _ => Class::Permanent,
            },
            // Named by the platform, and not as a failure of its own: something about the function.
            502 | 503 if error.code().is_some() => Class::Permanent,
            _ => Class::Unknown,
        },
    }
}

fn hint(code: &str) -> &'static str {
    match code {
        "ResourceNotFoundException" => "; look for the function and its version in that region and account",
        "AccessDeniedException" => {
            "; the worker's account needs `lambda:InvokeFunction` on the function's ARN"
        }
        "ExpiredTokenException" | "ExpiredToken" => "; the credentials are out of date",
        "UnrecognizedClientException" | "InvalidSignatureException" | "InvalidClientTokenId" => {
            "; the credentials are not good for this account"
        }
        _ => "",
    }
}

/// The request could not be put together: of what can be wrong then, what is not ours is the credentials.
fn not_made(error: &SdkError<InvokeError, HttpResponse>) -> CallError {
    match found::<CredentialsError>(error) {
        Some(missing) => credentials::missing(missing),
        None => CallError::new(Class::Permanent, format!("cannot make the request: {}", chain(error))),
    }
}

/// On the way there or back.
fn lost(error: &SdkError<InvokeError, HttpResponse>) -> CallError {
    if let Some(missing) = found::<CredentialsError>(error) {
        return credentials::missing(missing);
    }
    match found::<Lost>(error) {
        Some(lost @ Lost::BeforeSent(_)) => CallError::new(Class::Retryable, lost.to_string()),
        Some(lost @ Lost::Answer(BodyError::TooLarge(_))) => {
            CallError { too_large: true, ..CallError::new(Class::Permanent, lost.to_string()) }
        }
        Some(lost) => CallError::new(Class::Unknown, unknown(&lost.to_string())),
        None => CallError::new(Class::Unknown, unknown(&chain(error))),
    }
}

fn unknown(why: &str) -> String {
    format!("{why}; whether the function has run is not known")
}

/// The error of this type that `error` is due to.
fn found<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(found) = this.downcast_ref::<T>() {
            return Some(found);
        }
        error = this.source();
    }
    None
}

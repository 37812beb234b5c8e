//! Whom the worker is to AWS. Only what a service asks for is looked at: no other variable, file or endpoint.

use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lambda::config::{Region, SharedHttpClient};

use super::super::client::chain;
use super::super::provider::{CallError, Class};

/// The instance's metadata service: not where a variable or a file says that it is.
const METADATA: &str = "http://169.254.169.254";
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

/// How a service has its worker sign in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SignIn {
    /// The role of the task, the pod or the instance that the worker runs on.
    Role,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the worker's environment.
    EnvironmentKey,
    /// A key that the registry says where to find.
    Key(Key),
    /// A profile of the worker's `~/.aws`.
    Profile(String),
}

/// An access key, read when the client is made.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its public half.
    pub id: String,
    /// Its secret half.
    pub secret: String,
    /// What goes with it, if it is a temporary one.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

/// The provider that the SDK asks.
pub(super) fn provider(
    sign_in: &SignIn,
    region: &Region,
    http: SharedHttpClient,
) -> SharedCredentialsProvider {
    let config = ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(http);
    match sign_in {
        SignIn::Role => SharedCredentialsProvider::new(role(&config)),
        SignIn::EnvironmentKey => {
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new())
        }
        SignIn::Key(key) => SharedCredentialsProvider::new(Credentials::new(
            key.id.clone(),
            key.secret.clone(),
            key.session_token.clone(),
            None,
            "registry",
        )),
        SignIn::Profile(name) => SharedCredentialsProvider::new(
            ProfileFileCredentialsProvider::builder().configure(&config).profile_name(name).build(),
        ),
    }
}

/// Each of these is set up by the platform that the worker runs on. None of them reads `~/.aws`.
fn role(config: &ProviderConfig) -> CredentialsProviderChain {
    let mut metadata = imds::Client::builder()
        .configure(config)
        .connect_timeout(METADATA_PATIENCE)
        .read_timeout(METADATA_PATIENCE)
        .max_attempts(2);
    metadata = metadata.clone().endpoint(METADATA).unwrap_or(metadata);
    let instance = ImdsCredentialsProvider::builder().configure(config).imds_client(metadata.build()).build();
    CredentialsProviderChain::first_try(
        "the pod's web identity",
        WebIdentityTokenCredentialsProvider::builder().configure(config).build(),
    )
    .or_else("the task's role", EcsCredentialsProvider::builder().configure(config).build())
    .or_else("the instance's role", instance)
}

/// The error of a call that could not be signed.
pub(super) fn missing(error: &CredentialsError) -> CallError {
    let said = chain(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_) => {
            CallError::new(
                Class::Permanent,
                format!(
                    "no credentials for AWS: {said}; give the worker those that the service's `auth` asks for"
                ),
            )
        }
        _ => CallError::new(
            Class::Retryable,
            format!("credentials for AWS could not be fetched, nothing was sent: {said}"),
        ),
    }
}

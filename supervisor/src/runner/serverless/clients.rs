//! Clients of providers: made when a job first needs one, and kept with their connections and credentials.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stockade_policies::{EffectivePolicy, SecretRef, ServerlessSettings};

use super::Endpoints;
use super::aws::{Account, Arn, Key, Lambda, SignIn};
use super::gcp::{CloudFunctions, ServiceKey, Source};
use super::outcome::Way;
use super::provider::{CallError, Class, Provider};
use crate::secret::{self, Secret};

/// A function may think for so long without a byte on the connection: longer than any limit of a job on its clock.
const READ_TIMEOUT_MARGIN: Duration = Duration::from_secs(15);
/// More clients are not kept: a worker has as many as its registry has accounts.
const KEPT_MAX: usize = 64;

/// What a client is made of. Two calls with the same share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Aws(Account, Duration),
    Gcp(GcpAccount, Duration),
}

/// A key in JSON, or the metadata service.
#[derive(Clone, PartialEq, Eq, Hash)]
struct GcpAccount {
    key: Option<String>,
    project: Option<String>,
}

impl std::fmt::Debug for GcpAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GcpAccount").field("project", &self.project).finish_non_exhaustive()
    }
}

/// The clients of a runner. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    endpoints: Endpoints,
    kept: Arc<Mutex<HashMap<Wanted, Arc<dyn Provider>>>>,
}

impl Clients {
    pub(super) fn new(endpoints: Endpoints) -> Self {
        Self { endpoints, kept: Arc::default() }
    }

    /// What is true of the way to the functions of a service.
    pub(super) fn way(&self, settings: &ServerlessSettings) -> Way {
        let instead = match settings.is_gcp() {
            true => &self.endpoints.gcp.functions,
            false => &self.endpoints.lambda,
        };
        Way {
            tls: instead.as_deref().is_none_or(|url| url.starts_with("https://")),
            judged: settings.is_gcp() && instead.is_none(),
            instead: instead.is_some(),
        }
    }

    /// Lets all of them go; who calls keeps his.
    pub(super) fn forget(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The client for a call of `function`, and the secrets that it signs in with.
    pub(super) fn client(
        &self,
        settings: &ServerlessSettings,
        policy: &EffectivePolicy,
        function: &str,
    ) -> Result<(Arc<dyn Provider>, Vec<Secret>), CallError> {
        let mut secrets = Secrets { policy, found: Vec::new() };
        let patience = Duration::from_secs(policy.limits().wall_seconds) + READ_TIMEOUT_MARGIN;
        let wanted = match settings.is_gcp() {
            true => Wanted::Gcp(gcp_account(settings, &mut secrets)?, patience),
            false => Wanted::Aws(self.account(settings, &mut secrets, function)?, patience),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = kept.get(&wanted) {
            return Ok((Arc::clone(client), secrets.found));
        }
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let client = self.made(&wanted)?;
        kept.insert(wanted, Arc::clone(&client));
        Ok((client, secrets.found))
    }

    fn account(
        &self,
        settings: &ServerlessSettings,
        secrets: &mut Secrets<'_>,
        function: &str,
    ) -> Result<Account, CallError> {
        let region = Arn::parse(function).map(|arn| arn.region.to_owned());
        let region = region.ok_or_else(|| permanent(format!("`{function}` is no ARN")))?;
        let sign_in = match settings.auth.as_deref() {
            Some("profile") => {
                SignIn::Profile(settings.profile.clone().unwrap_or_else(|| "default".to_owned()))
            }
            Some("access_key") => access_key(settings, secrets)?,
            _ => SignIn::Role,
        };
        Ok(Account { region, sign_in, endpoint: self.endpoints.lambda.clone() })
    }

    fn made(&self, wanted: &Wanted) -> Result<Arc<dyn Provider>, CallError> {
        match wanted {
            Wanted::Aws(account, patience) => Ok(Arc::new(Lambda::new(account, *patience)?)),
            Wanted::Gcp(GcpAccount { key, project }, patience) => {
                let source = match key {
                    Some(key) => Source::Key(Box::new(service_key(key, project.as_deref())?)),
                    None => Source::Metadata,
                };
                Ok(Arc::new(CloudFunctions::new(source, &self.endpoints.gcp, *patience)?))
            }
        }
    }
}

fn access_key(settings: &ServerlessSettings, secrets: &mut Secrets<'_>) -> Result<SignIn, CallError> {
    let keys = &settings.keys;
    let (Some(id), Some(secret)) = (&keys.access_key_id, &keys.secret_access_key) else {
        return Ok(SignIn::EnvironmentKey);
    };
    Ok(SignIn::Key(Key {
        id: secrets.get(id)?,
        secret: secrets.get(secret)?,
        session_token: keys.session_token.as_ref().map(|token| secrets.get(token)).transpose()?,
    }))
}

fn gcp_account(settings: &ServerlessSettings, secrets: &mut Secrets<'_>) -> Result<GcpAccount, CallError> {
    let project = settings.project.clone();
    let key = match (settings.auth.as_deref(), &settings.keys.key) {
        (Some("service_account"), Some(key)) => Some(secrets.get(key)?),
        (Some("service_account"), None) => {
            return Err(permanent("the service's `auth` names no `key` of its service account".to_owned()));
        }
        _ => None,
    };
    Ok(GcpAccount { key, project })
}

/// A key, if it is one of the project that the service names.
fn service_key(text: &str, project: Option<&str>) -> Result<ServiceKey, CallError> {
    let key = ServiceKey::parse(text.as_bytes()).map_err(|error| permanent(format!("the key {error}")))?;
    match (project, key.project()) {
        (Some(stated), Some(there)) if stated != there => {
            Err(permanent(format!("the key is one of the project `{there}`, the service says `{stated}`")))
        }
        _ => Ok(key),
    }
}

fn permanent(message: String) -> CallError {
    CallError::new(Class::Permanent, message)
}

/// Looks up the secrets that a policy grants.
struct Secrets<'a> {
    policy: &'a EffectivePolicy,
    found: Vec<Secret>,
}

impl Secrets<'_> {
    fn get(&mut self, named: &SecretRef) -> Result<String, CallError> {
        if !self.policy.secrets().any(|granted| granted == named) {
            return Err(permanent(format!("the policy does not grant the secret `{named}`")));
        }
        let secret = secret::resolve(named).map_err(|error| permanent(error.to_string()))?;
        let text = secret.reveal().to_owned();
        self.found.push(secret);
        Ok(text)
    }
}

//! The service registry: what jobs can call, and under which policy.

mod base_url;
mod capabilities;
mod docker;
mod http;
mod http_auth;
mod input;
mod proposal;
mod remote;
mod schema;
mod serverless;
mod service;
mod settings;
mod shell;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stockade_plan::Digest;

pub use capabilities::{Capabilities, ExecutionType, ExecutionTypeError};
pub use docker::{DOCKER_ENFORCES, DockerSettings, PreparedContainer, has_own_network};
pub(crate) use http::{AUTH_TYPES, BODIES, METHODS};
pub use http::{HttpBody, HttpSettings};
pub use http_auth::HttpAuth;
pub use input::{InputError, InputErrors};
pub use proposal::JobProposal;
pub use remote::{OtherSettings, RemoteAction};
pub use serverless::ServerlessSettings;
pub(crate) use serverless::{INVOCATIONS, PROVIDERS, SIGN_INS};
pub(crate) use service::{ATTEMPTS_MAX, BACKOFFS};
pub(crate) use settings::TIMEOUT_MAX;
pub use shell::{Prepared, RESULT_FILE, Refusal, ShellAction};

use crate::compile::compile;
use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::effective::EffectivePolicy;
use crate::environment::Environment;
use crate::host::Host;
use crate::library::Library;
use crate::policy::SecretRef;
use crate::yaml::{At, Source, parse, shorten};
use input::Subject;
use schema::{Compiler, Schema};
use service::{Context, services};
use shell::Run;

/// All services, from one file.
#[derive(Debug, Clone)]
pub struct Registry {
    services: BTreeMap<String, Service>,
    sha256: Digest,
    warnings: Diagnostics,
}

/// One service.
#[derive(Debug, Clone)]
pub struct Service {
    name: String,
    kind: Option<String>,
    category: Option<String>,
    execution_type: ExecutionType,
    operations: BTreeMap<String, Operation>,
    at: At,
}

/// One action of a service.
#[derive(Debug, Clone)]
pub struct Operation {
    service: String,
    name: String,
    execution_type: ExecutionType,
    timeout: Option<u64>,
    max_attempts: u32,
    backoff: Backoff,
    input_schema: Schema,
    output_schema: Schema,
    runner: Runner,
    at: At,
}

/// How the pause between two attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backoff {
    /// It doubles.
    #[default]
    Exponential,
    /// It grows by the same amount each time.
    Linear,
    /// It does not grow.
    Fixed,
}

/// What an operation's runner needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runner {
    /// A command in a sandbox.
    Shell(Box<ShellAction>),
    /// An HTTP call.
    Http(Box<RemoteAction<HttpSettings>>),
    /// A container.
    Docker(Box<RemoteAction<DockerSettings>>),
    /// A cloud function.
    Serverless(Box<RemoteAction<ServerlessSettings>>),
    /// What a runner that is not ours reads itself.
    Other(Box<RemoteAction<OtherSettings>>),
}

/// Nothing in the registry has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}`{hint}")]
pub struct Unknown {
    what: &'static str,
    name: String,
    hint: String,
}

impl Unknown {
    fn new<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a String>) -> Self {
        let near = did_you_mean(name, known.map(String::as_str));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Self { what, name: shorten(name), hint }
    }
}

impl Registry {
    /// Reads the registry at `path`.
    ///
    /// # Errors
    /// Everything wrong with it; also if it is a symbolic link, or others can write or own it.
    pub fn load(
        path: &Path,
        library: &Library,
        environment: Environment,
        capabilities: &Capabilities,
    ) -> Result<Self, Diagnostics> {
        let source = Source::read_trusted(path, library.trust())?;
        Self::from_source(&source, library, environment, capabilities)
    }

    /// The registry of `text`; `name` stands for its file in messages.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn parse(
        name: &str,
        text: &str,
        library: &Library,
        environment: Environment,
        capabilities: &Capabilities,
    ) -> Result<Self, Diagnostics> {
        Self::from_source(&Source::new(name, text), library, environment, capabilities)
    }

    pub(crate) fn from_source(
        source: &Arc<Source>,
        library: &Library,
        environment: Environment,
        capabilities: &Capabilities,
    ) -> Result<Self, Diagnostics> {
        let compiler = Compiler::default();
        let context = Context { library, environment, capabilities, compiler: &compiler };
        let (services, warnings) = parse(source, |reader, root| services(reader, root, &context))?;
        Ok(Self { services, sha256: source.digest(), warnings })
    }

    /// Compiles every shell operation once, so that what this host lacks shows when services load and not at the
    /// first job.
    ///
    /// # Errors
    /// Every operation that this host cannot run, at its place in the file.
    pub fn check_on(&self, host: &Host, landlock_abi: u8) -> Result<(), Diagnostics> {
        let mut compiled = HashSet::new();
        let operations = self.services().flat_map(Service::operations);
        let found: Diagnostics =
            operations.filter_map(|operation| operation.not_on(host, landlock_abi, &mut compiled)).collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// Asks `lacking` of every place where a service keeps a secret, so that one that is not there
    /// shows when services load and not at the first job.
    ///
    /// # Errors
    /// What it says against any, at its place in the file.
    pub fn check_secrets(&self, lacking: impl Fn(&SecretRef) -> Option<String>) -> Result<(), Diagnostics> {
        let first = self.services().filter_map(|service| service.operations().next());
        let found: Diagnostics = first
            .flat_map(|operation| {
                operation.kept_secrets().into_iter().map(move |(secret, at)| (operation, secret, at))
            })
            .filter_map(|(operation, secret, at)| {
                let service = &operation.service;
                let message = format!("service `{service}` lacks a secret: {}", lacking(&secret)?);
                let help =
                    "or say there where else it is kept: `env:NAME`, `file:/PATH` or `credential:NAME`";
                Some(at.error("not-on-this-host", message).help(help))
            })
            .collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// The digest of the file.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// What somebody should look at though the registry is in force.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Every service, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// One operation.
    ///
    /// # Errors
    /// [`Unknown`] says which of the two names nothing has.
    pub fn operation(&self, service: &str, operation: &str) -> Result<&Operation, Unknown> {
        let found = self
            .services
            .get(service)
            .ok_or_else(|| Unknown::new("service", service, self.services.keys()))?;
        found
            .operations
            .get(operation)
            .ok_or_else(|| Unknown::new("operation", operation, found.operations.keys()))
    }
}

impl Service {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its `type`: a word of its owners, without meaning here.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Its `category`: a word of its owners, without meaning here.
    pub fn category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// Which runner carries it out.
    pub fn execution_type(&self) -> &ExecutionType {
        &self.execution_type
    }

    /// Every operation, by name.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }
}

impl Operation {
    /// The service it belongs to.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which runner carries it out.
    pub fn execution_type(&self) -> &ExecutionType {
        &self.execution_type
    }

    /// How long an attempt may take, if it says so.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.map(Duration::from_secs)
    }

    /// How often it is tried, the first time included.
    pub fn max_attempts(&self) -> u32 {
        self.max_attempts
    }

    /// How the pause between two attempts grows.
    pub fn backoff(&self) -> Backoff {
        self.backoff
    }

    /// What its runner needs to know.
    pub fn runner(&self) -> &Runner {
        &self.runner
    }

    /// The policy that every job of it gets which asks for nothing tighter.
    pub fn effective_policy(&self) -> EffectivePolicy {
        match &self.runner {
            Runner::Shell(action) => action.effective_policy(),
            Runner::Http(action) => action.effective_policy(),
            Runner::Docker(action) => action.effective_policy(),
            Runner::Serverless(action) => action.effective_policy(),
            Runner::Other(action) => action.effective_policy(),
        }
    }

    /// What it runs in a sandbox, if that is what it does.
    pub fn shell(&self) -> Option<&ShellAction> {
        match &self.runner {
            Runner::Shell(action) => Some(action),
            _ => None,
        }
    }

    /// Whether `input` is what the operation takes.
    ///
    /// # Errors
    /// Every field that is not.
    pub fn check_input(&self, input: &Value) -> Result<(), InputErrors> {
        input::check(&self.input_schema, Subject::Input, input)
    }

    /// Whether it says what it leaves behind.
    pub fn promises_output(&self) -> bool {
        self.output_schema != Schema::Any
    }

    /// Whether `output` is what the operation promises.
    ///
    /// # Errors
    /// Every field that is not.
    pub fn check_output(&self, output: &Value) -> Result<(), InputErrors> {
        input::check(&self.output_schema, Subject::Result, output)
    }

    /// Where the secrets are kept that it signs in with, and where that is said.
    fn kept_secrets(&self) -> Vec<(SecretRef, At)> {
        let owned = |(secret, at): (&SecretRef, &At)| (secret.clone(), at.clone());
        match &self.runner {
            Runner::Http(action) => action.settings.kept_secret().map(owned).into_iter().collect(),
            Runner::Serverless(action) => action.settings.kept_secrets(),
            Runner::Docker(action) => action.settings.kept_secrets(),
            Runner::Shell(_) | Runner::Other(_) => Vec::new(),
        }
    }

    /// Compiles it once, if it runs in a sandbox.
    ///
    /// # Errors
    /// That this host cannot run it, at its place in the file.
    pub fn check_on(&self, host: &Host, landlock_abi: u8) -> Result<(), Diagnostics> {
        self.not_on(host, landlock_abi, &mut HashSet::new()).map_or(Ok(()), |found| Err(found.into()))
    }

    /// `compiled` has what was compiled before: many operations run the same program under the same policy.
    fn not_on<'a>(
        &'a self,
        host: &Host,
        landlock_abi: u8,
        compiled: &mut HashSet<(Digest, &'a Run)>,
    ) -> Option<Diagnostic> {
        let action = self.shell()?;
        let same = (action.policy.sha256(), &action.run);
        if compiled.contains(&same) {
            return None;
        }
        let plan = action.probe().and_then(|job| compile(&action.policy, &job, host, landlock_abi));
        let Some(error) = plan.err() else {
            compiled.insert(same);
            return None;
        };
        let message = format!("operation `{}.{}` cannot run on this host: {error}", self.service, self.name);
        Some(self.at.error("not-on-this-host", message))
    }
}

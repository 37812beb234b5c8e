//! Runners: code that carries out jobs, one for each execution type.
//!
//! A runner is asked in two steps. [`JobRunner::validate`] turns what a job asks for into [`Work`], or refuses: nothing
//! has run by then, and what will run is known and can be put on record. [`Work::execute`] then runs it, once.

pub mod docker;
mod finished;
pub mod http;
mod origin;
mod registry;
mod running;
pub mod serverless;
pub mod shell;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;

use serde_json::Value;
use stockade_plan::Digest;
use stockade_policies::{
    Diagnostics, EffectivePolicy, Enforces, Environment, JobProposal, Operation, PolicyId, ResourceLimits,
};
use uuid::Uuid;

use crate::store::{AttemptId, JobId};
pub use docker::DockerRunner;
pub use finished::{ErrorClass, Finished};
pub use http::HttpRunner;
pub use registry::{RegistryError, RunnerRegistry};
pub use running::Running;
pub use serverless::ServerlessRunner;
pub use shell::ShellRunner;

/// A future in a box: runners are chosen at run time.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a job asks for. The registry's operation disposes; the rest proposes.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The operation that it calls.
    pub operation: &'a Operation,
    /// What that is given.
    pub input: &'a Value,
    /// What the job's row wants to be tightened.
    pub proposal: JobProposal<'a>,
    /// Which job it is.
    pub job: JobFacts<'a>,
}

/// What a runner may tell others of a job, so that they know it again.
#[derive(Debug, Clone, Copy)]
pub struct JobFacts<'a> {
    /// Its id: the same at every attempt.
    pub id: JobId,
    /// The tenant it belongs to.
    pub tenant: Option<Uuid>,
    /// What its sender wants a repeated call to be known by.
    pub idempotency_key: Option<&'a str>,
    /// Ties it to other work.
    pub correlation_id: Option<&'a str>,
}

/// What is known of work before it runs; for the record.
#[derive(Debug, Clone)]
pub struct WorkFacts {
    /// The effective policy.
    pub policy: PolicyId,
    /// Where it was capped for.
    pub environment: Environment,
    /// The plan, if this runner compiles one.
    pub plan_sha256: Option<Digest>,
    /// How much it may use up.
    pub limits: ResourceLimits,
    /// What it may start, call and reach; by the clause of the policy.
    pub allowlists: BTreeMap<String, Vec<String>>,
    /// Whether doing it twice is the same as doing it once: then it is tried again though nobody knows what was done.
    pub idempotent: bool,
}

impl WorkFacts {
    /// Of work under that policy, of which there is no plan, and which may be done twice.
    pub fn of(policy: &EffectivePolicy) -> Self {
        Self {
            policy: policy.id(),
            environment: policy.environment(),
            plan_sha256: None,
            limits: policy.limits(),
            allowlists: policy.allowlists(),
            idempotent: true,
        }
    }
}

/// A job was refused before anything ran. Another attempt would be refused too.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The registry, the input's schema or the policy says no.
    #[error("{0}")]
    Refused(String),
    /// It is allowed and cannot be set up here.
    #[error("{0}")]
    CannotSetUp(String),
}

impl Refusal {
    /// The registry has another execution type for the operation than that of the runner that was asked.
    fn none_of(execution_type: &str, operation: &Operation) -> Self {
        let (service, name) = (operation.service(), operation.name());
        Self::Refused(format!("`{service}.{name}` is no operation of execution type `{execution_type}`"))
    }
}

/// A runner cannot work on this host.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The policies it checks itself with do not hold.
    #[error("{0}")]
    Policies(#[from] Diagnostics),
    /// A job could not be confined.
    #[error(
        "the `{runner}` runner cannot confine a job on this host: {reason}; `stockade doctor` says what is missing"
    )]
    Unfit {
        /// Which runner.
        runner: &'static str,
        /// Why not.
        reason: String,
    },
}

/// Carries out one execution type.
pub trait JobRunner: Send + Sync + Debug {
    /// The execution type: the word by which services choose this runner.
    fn execution_type(&self) -> &'static str;

    /// What it puts in force of a policy. A service whose policy states more is refused when services load.
    fn enforces(&self) -> Enforces;

    /// What `request` comes to under this runner.
    ///
    /// # Errors
    /// [`Refusal`] if it may not run, or cannot be set up on this host.
    fn validate(&self, request: &Request<'_>) -> Result<Box<dyn Work>, Refusal>;

    /// Ends an attempt that this runner executes, and whatever it has started; [`Work::execute`] returns when that is
    /// done. Reaches every attempt from the moment `execute` has been called; of any other nothing happens.
    fn cancel(&self, attempt: &AttemptId);

    /// Called once, before the first job: deals with what an earlier worker left behind, and proves that this runner
    /// can confine a job here.
    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>>;

    /// Called when another worker's attempt is known to be lost: ends what it may have left where this runner reaches it.
    fn reclaim(&self, _lost: AttemptId) -> Boxed<'_, ()> {
        Box::pin(async {})
    }

    /// Called when other rules have come into force: a runner that makes anything ahead of jobs lets go what it has.
    fn rules_changed(&self) {}
}

/// A job that a runner has agreed to run.
pub trait Work: Send + Debug {
    /// What is known of it.
    fn facts(&self) -> &WorkFacts;

    /// How much it may take of the host while it runs.
    fn resource_requirements(&self) -> ResourceLimits {
        self.facts().limits
    }

    /// Runs it as `attempt`. Must be called from within the runtime.
    fn execute(self: Box<Self>, attempt: AttemptId) -> Boxed<'static, Finished>;
}

//! Operations that something other than a sandbox of ours carries out.

use serde_json::Value;

use super::capabilities::ExecutionType;
use super::proposal::{self, JobProposal};
use crate::diagnostic::Diagnostics;
use crate::effective::{EffectivePolicy, Enforces, Origin};
use crate::policy::LimitKey;

/// What a runner needs to know of an operation, and the policy it is carried out under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAction<S> {
    pub(crate) settings: S,
    pub(crate) policy: EffectivePolicy,
    /// Seconds, and who said so.
    pub(crate) timeout: Option<(u64, Origin)>,
    pub(crate) idempotent: Option<bool>,
    /// The service's `runner_config`, null if it has none.
    pub(crate) config: Value,
    /// Its execution type, and what the runner for that puts in force. Nothing of the kind is known where a registry is
    /// only read.
    pub(crate) enforces: Option<(ExecutionType, Enforces)>,
}

/// What a runner that is not ours reads itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSettings {
    /// The service's `runner_config`, null if it has none.
    pub service: Value,
    /// The operation's `runner_config`, null if it has none.
    pub operation: Value,
}

impl<S> RemoteAction<S> {
    /// What the runner needs to know.
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// The policy of every job of this operation that asks for nothing tighter.
    pub fn policy(&self) -> &EffectivePolicy {
        &self.policy
    }

    /// Whether doing it twice is the same as doing it once, if the registry says so (`idempotent`).
    pub fn idempotent(&self) -> Option<bool> {
        self.idempotent
    }

    /// The same with the operation's timeout, as every job gets it.
    pub fn effective_policy(&self) -> EffectivePolicy {
        self.limited(self.policy.clone())
    }

    /// The policy of a job, less what its row gives up.
    ///
    /// # Errors
    /// The row asks for something that the registry does not grant, or that the runner does not put in force.
    pub fn tightened(&self, proposal: &JobProposal<'_>) -> Result<EffectivePolicy, Diagnostics> {
        let policy = proposal::apply(&self.policy, proposal, |reader, root| {
            proposal::same_config(reader, root, &self.config)
        })?;
        self.check_enforced(&policy)?;
        Ok(self.limited(policy))
    }

    /// The services have loaded, so that what is not enforced now is the row's.
    fn check_enforced(&self, policy: &EffectivePolicy) -> Result<(), Diagnostics> {
        let Some((kind, enforces)) = &self.enforces else { return Ok(()) };
        let lacking = policy.not_enforced_by(kind.as_str(), enforces).into_iter().filter_map(|lack| {
            let message = format!("the job's `{}` cannot be enforced", lack.clause);
            Some(lack.origin.at?.error("not-enforceable", message).help(lack.missing))
        });
        let found: Diagnostics = lacking.collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// The operation's timeout is one more bound on the wall clock.
    fn limited(&self, policy: EffectivePolicy) -> EffectivePolicy {
        match &self.timeout {
            Some((seconds, origin)) => policy.limited(LimitKey::WallSeconds, *seconds, origin),
            None => policy,
        }
    }
}

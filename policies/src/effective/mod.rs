//! The effective policy of a job: library policy, service, operation and job, each tightening the one before,
//! under the ceiling of the environment. Every value keeps who decided it.

mod origin;
mod rights;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use stockade_plan::{AbsPath, Digest};

pub(crate) use origin::{Layer, Origin};
pub(crate) use rights::{Decided, Rights, members};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::{Ceiling, Environment};
use crate::policy::{Clauses, LimitKey, NetworkMode, PolicyName, ResourceLimits};

/// What a job may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectivePolicy {
    name: PolicyName,
    version: u32,
    environment: Environment,
    ceiling: &'static Ceiling,
    /// What the layers leave, before the ceiling. The next layer is measured against this: a registry that is
    /// right stays right in an environment with a lower ceiling.
    granted: Rights,
    /// What they leave under the ceiling.
    rights: Rights,
}

/// What the record names a policy by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyId {
    /// Of the library policy.
    pub name: PolicyName,
    /// Of the library policy.
    pub version: u32,
    /// Of the effective rights: two jobs with the same digest could do the same things.
    pub sha256: Digest,
}

/// One effective value and who decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The key, with dots.
    pub clause: String,
    /// The value, as a policy file writes it.
    pub value: String,
    /// The layer, and the place in its file.
    pub origin: String,
}

impl EffectivePolicy {
    /// Closes a library policy's rights and puts them under the ceiling of `environment`.
    pub(crate) fn new(
        name: PolicyName,
        version: u32,
        mut granted: Rights,
        environment: Environment,
    ) -> Result<Self, Diagnostics> {
        granted.close();
        let ceiling = environment.ceiling()?;
        let rights = ceiling.over(&granted);
        Ok(Self { name, version, environment, ceiling, granted, rights })
    }

    /// The library policy's name.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// The library policy's version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The environment whose ceiling was applied.
    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Whether a layer that the host lacks may be missing, shown as degraded. Only where the environment says
    /// so.
    pub fn may_degrade(&self) -> bool {
        self.environment.may_degrade()
    }

    /// The digest over name, version and every effective right, in a fixed order; who decided them does not
    /// count.
    pub fn sha256(&self) -> Digest {
        let rights: Vec<(String, String)> =
            self.clauses().into_iter().map(|line| (line.clause, line.value)).collect();
        let text = serde_json::json!([self.name.as_str(), self.version, rights]).to_string();
        Digest::of(text.as_bytes())
    }

    /// What the record names this policy by.
    pub fn id(&self) -> PolicyId {
        PolicyId { name: self.name.clone(), version: self.version, sha256: self.sha256() }
    }

    /// How much the job may use up.
    pub fn limits(&self) -> ResourceLimits {
        self.rights.resource_limits()
    }

    /// The programs that it may run.
    pub fn commands(&self) -> impl Iterator<Item = &AbsPath> {
        members(&self.rights.commands).map(|(path, _)| path)
    }

    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    /// This policy, less what `clauses` give up.
    pub(crate) fn tightened(mut self, clauses: &Clauses, layer: &Layer) -> Result<Self, Vec<Diagnostic>> {
        let found = self.granted.tighten(clauses, layer);
        self.rights = self.ceiling.over(&self.granted);
        if found.is_empty() { Ok(self) } else { Err(found) }
    }

    pub(crate) fn limited(mut self, key: LimitKey, value: u64, origin: &Origin) -> Self {
        self.granted.cap(key, value, origin);
        self.rights = self.ceiling.over(&self.granted);
        self
    }

    /// This policy with at most `seconds` from start to end; a shorter wall clock of its own stays. At least one
    /// second.
    #[must_use]
    pub fn with_timeout(self, seconds: u64) -> Self {
        self.limited(LimitKey::WallSeconds, seconds.max(1), &Origin { layer: Layer::Job, at: None })
    }

    /// Clauses that nothing in this version can enforce, with what is missing.
    pub(crate) fn unenforceable(&self) -> Vec<(String, &'static str, Origin)> {
        let network = self.rights.network.iter().filter(|decided| decided.value != NetworkMode::None);
        network
            .map(|decided| {
                let clause = format!("network.mode: {}", decided.value.name());
                (
                    clause,
                    "the shell runner gives a job an empty network namespace and nothing else",
                    decided.origin.clone(),
                )
            })
            .collect()
    }

    /// Every effective value with who decided it, in the order of a policy file.
    pub fn clauses(&self) -> Vec<Explained> {
        let mut lines = Lines(Vec::new());
        let rights = &self.rights;
        lines.set("commands", members(&rights.commands), AbsPath::to_string);
        for (key, decided) in &rights.limits {
            lines.push(format!("resource_limits.{key}"), key.show(decided.value), &decided.origin);
        }
        lines.set("filesystem.read", members(&rights.read), |read| match read.optional {
            true => format!("{} (if present)", read.path),
            false => read.path.to_string(),
        });
        lines.set("filesystem.write", members(&rights.write), AbsPath::to_string);
        if let Some(decided) = &rights.network {
            lines.push("network.mode", decided.value.name(), &decided.origin);
        }
        if let Some(decided) = &rights.syscalls {
            lines.push("syscalls.profile", decided.value.name(), &decided.origin);
        }
        lines.set("outputs", members(&rights.outputs), |name| name.show().to_owned());
        lines.set("environment.pass", members(&rights.pass), ToString::to_string);
        lines.set("environment.set", members(&rights.set), |set| format!("{}={}", set.name, set.value));
        lines.0
    }
}

struct Lines(Vec<Explained>);

impl Lines {
    fn push(&mut self, clause: impl Into<String>, value: impl Into<String>, origin: &Origin) {
        self.0.push(Explained { clause: clause.into(), value: value.into(), origin: origin.to_string() });
    }

    fn set<'a, T: 'a>(
        &mut self,
        clause: &str,
        members: impl Iterator<Item = (&'a T, &'a Origin)>,
        show: impl Fn(&T) -> String,
    ) {
        for (element, origin) in members {
            self.push(clause, show(element), origin);
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}  # {}", self.clause, self.value, self.origin)
    }
}

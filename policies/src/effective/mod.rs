//! The effective policy of a job: library policy, service, operation and job, each tightening the one before,
//! under the ceiling of the environment. Every value keeps who decided it.

mod calls;
mod cover;
mod enforce;
mod explain;
mod http;
mod origin;
#[cfg(test)]
mod properties;
mod rights;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use stockade_plan::{AbsPath, Arg, Digest, EnvName, RelPath};

pub(crate) use calls::Calls;
pub(crate) use cover::Right;
pub use enforce::{Enforces, HTTP_ENFORCES, SERVERLESS_ENFORCES, SHELL_ENFORCES};
pub(crate) use enforce::{NotEnforced, enforced, first_word};
#[cfg(test)]
pub(crate) use explain::SECTIONS;
pub(crate) use explain::section_order;
pub use explain::{Explained, Place};
pub use http::HttpRights;
pub(crate) use origin::{Layer, Origin};
pub(crate) use rights::{Decided, Rights, Set, members};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::environment::{Ceiling, Environment};
use crate::host::Root;
use crate::policy::{Clauses, LimitKey, OutputName, PolicyName, ResourceLimits, SecretRef};

/// What a job may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectivePolicy {
    name: PolicyName,
    version: u32,
    environment: Environment,
    ceiling: &'static Ceiling,
    /// Whether the library policy, being `abstract`, leaves anything to those that extend it. Jobs under it are closed
    /// like any other.
    leaves_open: bool,
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

impl EffectivePolicy {
    /// Closes a library policy's rights and puts them under the ceiling of `environment`.
    pub(crate) fn new(
        name: PolicyName,
        version: u32,
        mut granted: Rights,
        environment: Environment,
    ) -> Result<Self, Diagnostics> {
        let stated = granted.clone();
        granted.close();
        let leaves_open = stated != granted;
        let ceiling = environment.ceiling()?;
        let rights = ceiling.over(&granted);
        Ok(Self { name, version, environment, ceiling, leaves_open, granted, rights })
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

    /// Whether a file of that name is collected from `/job`.
    pub(crate) fn collects(&self, name: &str) -> bool {
        members(&self.rights.outputs)
            .any(|(output, _)| matches!(output, OutputName::File(path) if path.as_str() == name))
    }

    /// The images that a container may be made from, each `name@sha256:…`.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        members(&self.rights.images).map(|(image, _)| image.as_str())
    }

    /// The functions that may be called, each by its whole name.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        members(&self.rights.functions).map(|(function, _)| function.as_str())
    }

    /// Where the secrets lie that a runner may use for a job.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        members(&self.rights.secrets).map(|(secret, _)| secret)
    }

    /// Files and directories of the host that a job may read.
    pub fn reads(&self) -> impl Iterator<Item = &AbsPath> {
        members(&self.rights.read).map(|(path, _)| &path.path)
    }

    /// Directories of its own that a job may write.
    pub fn writes(&self) -> impl Iterator<Item = &AbsPath> {
        members(&self.rights.write).map(|(path, _)| path)
    }

    /// Files that are collected from a job, beneath its directory.
    pub fn outputs(&self) -> impl Iterator<Item = &RelPath> {
        members(&self.rights.outputs).filter_map(|(output, _)| match output {
            OutputName::File(path) => Some(path),
            OutputName::Any => None,
        })
    }

    /// Variables that are copied from whoever starts a job.
    pub fn environment_pass(&self) -> impl Iterator<Item = &EnvName> {
        members(&self.rights.pass).map(|(name, _)| name)
    }

    /// Variables with the values that every job finds in them.
    pub fn environment_set(&self) -> impl Iterator<Item = (&EnvName, &Arg)> {
        members(&self.rights.set).map(|(setting, _)| (&setting.name, &setting.value))
    }

    pub(crate) fn root(&self) -> Root {
        self.rights.image().map_or(Root::Host, |(path, _)| Root::Image(path.clone()))
    }

    pub(crate) fn rights(&self) -> &Rights {
        &self.rights
    }

    /// What the texts grant, before any ceiling.
    pub(crate) fn leaves_open(&self) -> bool {
        self.leaves_open
    }

    pub(crate) fn granted(&self) -> &Rights {
        &self.granted
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

    /// What the job may start, call and reach: each list that grants something, by its clause.
    pub fn allowlists(&self) -> BTreeMap<String, Vec<String>> {
        const LISTS: [&str; 6] = ["commands", "network.", "images", "functions", "http.", "secrets"];
        let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let granted = self.clauses().into_iter().filter(|line| {
            LISTS.iter().any(|list| line.clause.starts_with(list)) && line.clause != "network.mode"
        });
        for line in granted {
            lists.entry(line.clause).or_default().push(line.value);
        }
        lists
    }

    /// Every effective value with who decided it.
    pub fn clauses(&self) -> Vec<Explained> {
        explain::lines(&self.rights)
    }
}

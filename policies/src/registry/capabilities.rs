//! What the worker that loads a registry can carry out.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::docker::DOCKER_ENFORCES;
use crate::diagnostic::Diagnostic;
use crate::effective::{
    EffectivePolicy, Enforces, HTTP_ENFORCES, NotEnforced, SERVERLESS_ENFORCES, SHELL_ENFORCES,
};

/// The runner a service asks for. Open: a runner registers under a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ExecutionType(String);

impl ExecutionType {
    /// A process in a sandbox of ours.
    pub const SHELL: &'static str = "shell";
    /// An HTTP call; the default.
    pub const HTTP: &'static str = "http";
    /// A container.
    pub const DOCKER: &'static str = "docker";
    /// A cloud function.
    pub const SERVERLESS: &'static str = "serverless";

    /// Parses a name: lower-case letters, digits and `_`, a letter first.
    ///
    /// # Errors
    /// [`ExecutionTypeError`] if it has another form.
    pub fn new(text: &str) -> Result<Self, ExecutionTypeError> {
        let good = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 32
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if good { Ok(Self(text.to_owned())) } else { Err(ExecutionTypeError) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExecutionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is not the name of an execution type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an execution type")]
pub struct ExecutionTypeError;

/// The runners of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    runners: BTreeMap<String, Enforces>,
    reading: bool,
}

impl Capabilities {
    /// No runner at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The runners that Stockade brings, all of them.
    pub fn shipped() -> Self {
        Self::new()
            .runner(ExecutionType::SHELL, SHELL_ENFORCES)
            .runner(ExecutionType::HTTP, HTTP_ENFORCES)
            .runner(ExecutionType::DOCKER, DOCKER_ENFORCES)
            .runner(ExecutionType::SERVERLESS, SERVERLESS_ENFORCES)
    }

    /// Runners for these types that lack nothing.
    #[cfg(test)]
    pub(crate) fn complete(kinds: &[&str]) -> Self {
        let all: Enforces = &crate::effective::SECTIONS;
        kinds.iter().fold(Self::new(), |can, kind| can.runner(*kind, all))
    }

    /// And a runner for this execution type, which puts these clauses in force.
    #[must_use]
    pub fn runner(mut self, execution_type: impl Into<String>, enforces: Enforces) -> Self {
        self.runners.insert(execution_type.into(), enforces);
        self
    }

    /// Of somebody who runs nothing and wants to know what a registry says: what cannot be carried out is then a
    /// warning.
    #[must_use]
    pub fn for_reading(self) -> Self {
        Self { reading: true, ..self }
    }

    /// What the runner for an execution type puts in force, if there is one.
    pub fn enforces(&self, kind: &ExecutionType) -> Option<Enforces> {
        self.runners.get(kind.as_str()).copied()
    }

    /// A finding about what these runners cannot do.
    pub(crate) fn judge(&self, found: Diagnostic) -> Diagnostic {
        if self.reading { found.warning() } else { found }
    }

    pub(crate) fn has(&self, execution_type: &ExecutionType) -> bool {
        self.runners.contains_key(execution_type.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.runners.keys().map(String::as_str)
    }

    /// What a policy of a service states and its runner does not put in force. Of a service whose runner is not there
    /// that is all that is said.
    pub(crate) fn not_enforced(&self, kind: &ExecutionType, policy: &EffectivePolicy) -> Vec<NotEnforced> {
        self.enforces(kind)
            .map(|enforces| policy.not_enforced_by(kind.as_str(), enforces))
            .unwrap_or_default()
    }

    /// What keeps every runner from carrying out a policy: what the one lacks that lacks least. Nothing, if one
    /// lacks nothing.
    pub(crate) fn enforced_by_none(&self, policy: &EffectivePolicy) -> Vec<NotEnforced> {
        let lacking = self.runners.iter().map(|(kind, enforces)| policy.not_enforced_by(kind, enforces));
        lacking.min_by_key(Vec::len).unwrap_or_default()
    }
}

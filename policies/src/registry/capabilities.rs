//! What the worker that loads a registry can carry out.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::diagnostic::Diagnostic;

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
    runners: BTreeSet<String>,
    reading: bool,
}

impl Capabilities {
    /// No runner at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// And a runner for this execution type.
    #[must_use]
    pub fn runner(mut self, execution_type: impl Into<String>) -> Self {
        self.runners.insert(execution_type.into());
        self
    }

    /// Of somebody who runs nothing and wants to know what a registry says: what cannot be carried out is then a
    /// warning.
    #[must_use]
    pub fn for_reading(self) -> Self {
        Self { reading: true, ..self }
    }

    /// A finding about what these runners cannot do.
    pub(crate) fn judge(&self, found: Diagnostic) -> Diagnostic {
        if self.reading { found.warning() } else { found }
    }

    pub(crate) fn has(&self, execution_type: &ExecutionType) -> bool {
        self.runners.contains(execution_type.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.runners.iter().map(String::as_str)
    }
}

//! One version of the rules.

use chrono::{DateTime, Utc};
use serde::Serialize;
use stockade_plan::Digest;
use stockade_policies::Registry;

use super::Loaded;

/// Rules that are, or were, in force.
#[derive(Debug)]
pub struct RulesVersion {
    registry: Registry,
    facts: VersionFacts,
}

/// What is said of a version in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionFacts {
    /// Counted from 1, which is what the worker started with.
    pub version: u64,
    /// Digest of the registry's file.
    pub registry_sha256: Digest,
    /// Digest over the policies that it can name.
    pub policies_sha256: Digest,
    /// When it was read.
    pub loaded_at: DateTime<Utc>,
}

impl RulesVersion {
    pub(super) fn new(version: u64, loaded: Loaded) -> Self {
        let facts = VersionFacts {
            version,
            registry_sha256: loaded.registry.sha256(),
            policies_sha256: loaded.policies_sha256,
            loaded_at: Utc::now(),
        };
        Self { registry: loaded.registry, facts }
    }

    /// The service registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What is said of it in the record.
    pub fn facts(&self) -> &VersionFacts {
        &self.facts
    }

    /// Whether `loaded` says the same.
    pub(super) fn is(&self, loaded: &Loaded) -> bool {
        self.facts.registry_sha256 == loaded.registry.sha256()
            && self.facts.policies_sha256 == loaded.policies_sha256
    }

    pub(super) fn log_warnings(&self) {
        for warning in self.registry.warnings() {
            tracing::warn!(file = warning.file, line = warning.line, "{}", warning.message);
        }
    }
}

//! The runners of a supervisor.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_policies::{Capabilities, ExecutionType};

use super::{JobRunner, RunnerError};
use crate::store::AttemptId;

/// Runners by execution type.
#[derive(Debug, Clone, Default)]
pub struct RunnerRegistry(BTreeMap<&'static str, Arc<dyn JobRunner>>);

/// Two runners want the same execution type.
#[derive(Debug, thiserror::Error)]
#[error("there are two runners for the execution type `{0}`")]
pub struct RegistryError(&'static str);

impl RunnerRegistry {
    /// With one runner more.
    ///
    /// # Errors
    /// If its execution type has one.
    pub fn with(mut self, runner: impl JobRunner + 'static) -> Result<Self, RegistryError> {
        let execution_type = runner.execution_type();
        match self.0.insert(execution_type, Arc::new(runner)) {
            None => Ok(self),
            Some(_) => Err(RegistryError(execution_type)),
        }
    }

    /// The runner for an execution type. Services that name another were refused when the registry was loaded.
    pub fn runner(&self, execution_type: &ExecutionType) -> Option<&Arc<dyn JobRunner>> {
        self.0.get(execution_type.as_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &dyn JobRunner> {
        self.0.values().map(Arc::as_ref)
    }

    /// The execution types that there is a runner for.
    pub fn execution_types(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }

    /// What services may ask for, for the registry to be checked against.
    pub fn capabilities(&self) -> Capabilities {
        let known = self.0.iter();
        known.fold(Capabilities::new(), |can, (execution_type, runner)| {
            can.runner(*execution_type, runner.enforces())
        })
    }

    /// Has every runner end what a lost attempt may have left; see [`JobRunner::reclaim`].
    pub async fn reclaim(&self, lost: AttemptId) {
        for runner in self.0.values() {
            runner.reclaim(lost).await;
        }
    }

    /// Prepares every runner; see [`JobRunner::recover`].
    ///
    /// # Errors
    /// The first that cannot work here.
    pub async fn recover(&self) -> Result<(), RunnerError> {
        for runner in self.0.values() {
            runner.recover().await?;
        }
        Ok(())
    }
}

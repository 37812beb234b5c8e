//! What is known of a container, as far as it has come: it is on record whether or not the job ran to its end.

use bollard::models::ContainerState;
use serde_json::{Value, json};
use stockade_plan::ContainerEvidence;
use stockade_policies::ContainerPlan;
use stockade_sandbox::Enforcement;

use super::engine::EngineFacts;
use super::evidence;

/// What is known of one attempt's container.
#[derive(Debug, Default)]
pub struct Known {
    /// The image's id, once it was looked at.
    pub image_id: Option<String>,
    /// What the engine warned of.
    pub warnings: Vec<String>,
    /// The host's id of the job, once there is a container that has it.
    pub uid: Option<u32>,
    /// What init found in force, once that was held to be what the policy says.
    pub evidence: Option<Box<ContainerEvidence>>,
    /// Whether init was told to start the job: from then on it may have run, whatever is heard of it.
    pub let_go: bool,
}

impl Known {
    /// Layer by layer; `None` if nothing was read back.
    pub(super) fn enforcement(&self, plan: &ContainerPlan, facts: &EngineFacts) -> Option<Enforcement> {
        self.evidence.as_deref().map(|found| evidence::enforcement(found, plan, facts))
    }

    /// The id that others on this host see; none where the engine maps ids.
    pub(super) fn host_uid(&self, facts: &EngineFacts) -> Option<u32> {
        self.uid.filter(|_| !facts.own_ids)
    }

    /// What was called.
    pub(super) fn target(
        &self,
        plan: &ContainerPlan,
        facts: &EngineFacts,
        times: Option<&ContainerState>,
    ) -> Value {
        json!({
            "image": plan.image,
            "image_id": self.image_id,
            "runtime": plan.runtime.as_ref().unwrap_or(&facts.runtime),
            "engine": facts,
            "started_at": times.and_then(|state| state.started_at.as_ref()),
            "finished_at": times.and_then(|state| state.finished_at.as_ref()),
            "oom_killed": times.and_then(|state| state.oom_killed),
            "warnings": self.warnings,
        })
    }
}

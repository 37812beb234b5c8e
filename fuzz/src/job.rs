//! What a job's row says, against a fixed registry.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;
use stockade_policies::{Capabilities, Environment, JobProposal, Library, Registry};

const SERVICES: &str = include_str!("services.yaml");

/// The columns of a row that the row's author fills.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    operation: String,
    #[serde(default)]
    input: Value,
    runner_config: Option<Value>,
    security_context: Option<Value>,
    timeout_seconds: Option<u64>,
}

/// JSON to a row, and the row to a job of the operation it names. A job that was taken has no more than the
/// operation grants, and the files that its plan will name.
pub fn job(data: &[u8]) {
    let Ok(row) = serde_json::from_slice::<Row>(data) else { return };
    let operations = services().operation("fuzzed", &row.operation);
    let Ok(operation) = operations else { return };
    if let Err(errors) = operation.check_input(&row.input) {
        assert!(errors.iter().next().is_some() && !errors.to_string().is_empty());
        return;
    }
    let Some(action) = operation.shell() else { return };
    let proposal = JobProposal {
        runner_config: row.runner_config.as_ref(),
        security_context: row.security_context.as_ref(),
        timeout_seconds: row.timeout_seconds,
    };
    match action.prepare(&row.input, &proposal) {
        Ok(prepared) => {
            let (granted, left) = (action.policy(), &prepared.policy);
            assert!(left.commands().all(|command| granted.commands().any(|known| known == command)));
            let (most, limits) = (granted.limits(), left.limits());
            assert!(limits.memory_mb <= most.memory_mb && limits.pids <= most.pids);
            assert!(limits.wall_seconds <= most.wall_seconds && limits.cpu_millicores <= most.cpu_millicores);
            assert!(limits.disk_mb <= most.disk_mb && limits.output_kb <= most.output_kb);
            assert!(limits.files <= most.files && limits.open_files <= most.open_files);
            assert_eq!(prepared.files.len(), prepared.job.inputs().len());
            left.sha256();
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
}

fn services() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let library = Library::shipped().unwrap_or_else(|found| panic!("{found}"));
        let capabilities = Capabilities::new().runner("shell", stockade_policies::SHELL_ENFORCES);
        Registry::parse("services.yaml", SERVICES, &library, Environment::Production, &capabilities)
            .unwrap_or_else(|found| panic!("{found}"))
    })
}

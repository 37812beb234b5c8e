//! Proving, by doing it, that this host confines a job.

use stockade_policies::{Environment, Host, JobSpec, LAYERS, Library};
use stockade_sandbox::{NotRun, Outcome, Sandbox, SandboxJob, Signals, Sink, Stdin};
use tokio_util::sync::CancellationToken;

use super::outcome::weak_layers;
use super::{RunnerError, Sandboxed};

/// A policy that every installation has.
const POLICY: &str = "shell-utils";
/// The smallest job there is.
pub const NOTHING: [&str; 1] = ["/usr/bin/true"];

/// Runs a command of the policy for text tools for at most `seconds`.
///
/// # Errors
/// [`RunnerError`] if not even a plan can be made of it; within that, [`NotRun`] if it did not run.
pub async fn attempt(
    sandbox: &Sandbox,
    host: &Host,
    environment: Environment,
    command: &[&str],
    seconds: u64,
) -> Result<Result<Outcome, NotRun>, RunnerError> {
    let policy = Library::shipped()?.effective(POLICY, environment)?.with_timeout(seconds);
    let arguments = command.iter().map(ToString::to_string).collect();
    let job = JobSpec::command(arguments).map_err(|error| unfit(error.to_string()))?;
    let compiled = Sandboxed::new(&policy, &job, Vec::new(), host, sandbox.facts().landlock_abi)
        .map_err(|refusal| unfit(refusal.to_string()))?;
    let job = SandboxJob {
        plan: compiled.plan,
        inputs: Vec::new(),
        stdin: Stdin::Empty,
        stdout: Sink::Keep,
        stderr: Sink::Keep,
        signals: Signals::NONE,
        cancel: CancellationToken::new(),
        network: None,
    };
    Ok(sandbox.run(job).await)
}

/// Runs the smallest job and demands that every layer was in force for it. Where the environment allows it, a layer may
/// be degraded; then that is logged.
pub(super) async fn prove(
    sandbox: &Sandbox,
    host: &Host,
    environment: Environment,
) -> Result<(), RunnerError> {
    let outcome =
        attempt(sandbox, host, environment, &NOTHING, 10).await?.map_err(|error| unfit(error.to_string()))?;
    let missing: Vec<&str> =
        LAYERS.into_iter().filter(|layer| !outcome.enforcement.0.contains_key(layer)).collect();
    if !missing.is_empty() {
        return Err(unfit(format!("no evidence of {}", missing.join(", "))));
    }
    let weak = weak_layers(&outcome.enforcement).join("; ");
    match environment {
        _ if weak.is_empty() => Ok(()),
        Environment::Development => {
            tracing::warn!(layers = weak, "jobs are confined less than they could be");
            Ok(())
        }
        Environment::Staging | Environment::Production => Err(unfit(weak)),
    }
}

fn unfit(reason: String) -> RunnerError {
    RunnerError::Unfit { runner: "shell", reason }
}

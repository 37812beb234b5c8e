//! Proving, by doing it, that this host confines a job.

use stockade_policies::{Environment, Host, JobSpec, Library};
use stockade_sandbox::{Sandbox, SandboxJob, Sink, Stdin};
use tokio_util::sync::CancellationToken;

use super::outcome::{finished, not_run, weak_layers};
use super::{Finished, RunnerError, Sandboxed};
use crate::store::Verdict;

/// The smallest job there is, under a policy that every installation has.
const POLICY: &str = "shell-utils";
const COMMAND: &str = "/usr/bin/true";

/// Runs it, and answers with what became of it.
///
/// # Errors
/// [`RunnerError`] if not even a plan can be made of it.
pub async fn run(sandbox: &Sandbox, host: &Host, environment: Environment) -> Result<Finished, RunnerError> {
    let policy = Library::shipped()?.effective(POLICY, environment)?;
    let job = JobSpec::command(vec![COMMAND.to_owned()]).map_err(|error| unfit(error.to_string()))?;
    let compiled = Sandboxed::new(&policy, &job, Vec::new(), host, sandbox.facts().landlock_abi)
        .map_err(|refusal| unfit(refusal.to_string()))?;
    let limits = compiled.plan.limits;
    let job = SandboxJob {
        plan: compiled.plan,
        inputs: Vec::new(),
        stdin: Stdin::Empty,
        stdout: Sink::Keep,
        stderr: Sink::Keep,
        cancel: CancellationToken::new(),
    };
    Ok(match sandbox.run(job).await {
        Ok(outcome) => finished(outcome, &limits),
        Err(error) => not_run(&error),
    })
}

/// Runs it and demands that it completes with every layer of `layers` in force. Where the environment allows it, a
/// layer may be degraded; then that is logged.
pub(super) async fn prove(
    sandbox: &Sandbox,
    host: &Host,
    environment: Environment,
    layers: &[&str],
) -> Result<(), RunnerError> {
    let probe = run(sandbox, host, environment).await?;
    if probe.verdict != Verdict::Completed {
        let why = probe.error.unwrap_or_else(|| probe.verdict.as_str().to_owned());
        return Err(unfit(why));
    }
    let missing: Vec<&str> =
        layers.iter().copied().filter(|layer| probe.enforcement.get(layer).is_none()).collect();
    if !missing.is_empty() {
        return Err(unfit(format!("no evidence of {}", missing.join(", "))));
    }
    let weak = weak_layers(&probe.enforcement).join("; ");
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

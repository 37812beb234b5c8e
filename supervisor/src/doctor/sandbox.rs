//! Trying sandboxes.

use stockade_policies::{Host, LAYERS};
use stockade_sandbox::{
    CgroupParent, End, Hierarchy, LauncherProcess, NotRun, Outcome, ParentOrigin, RunError, Sandbox, State,
    Warm,
};

use super::{Check, ENVIRONMENT, advice, environments};
use crate::runner::RunnerError;
use crate::runner::shell::probe;

/// A job that must be killed.
const ENDLESS: [&str; 2] = ["/usr/bin/sleep", "600"];
/// It is let run for so long, seconds: the shortest limit there is.
const LIMIT: u64 = 1;

/// Starts a sandbox and runs jobs in it. The answer is the Landlock ABI, if it came so far.
pub(super) async fn examine(
    checks: &mut Vec<Check>,
    launcher: LauncherProcess,
    cgroups: CgroupParent,
    host: &Host,
) -> Option<u8> {
    checks.push(Check::good("cgroups", hierarchies(&cgroups)));
    checks.push(Check::good("cgroup parent", parent(&cgroups)));
    let sandbox = match Sandbox::start(launcher, cgroups, Warm::NONE).await {
        Ok(sandbox) => sandbox,
        Err(error) => {
            checks.push(Check::missing("launcher", error.to_string()).advised(advice::of_layer("launcher")));
            return None;
        }
    };
    let facts = sandbox.facts();
    let (first, last) = (facts.uid_base, facts.uid_base.saturating_add(facts.uid_slots) - 1);
    checks.push(Check::good("launcher", format!("jobs run as uid {first} to {last}")));
    let abi = facts.landlock_abi;
    layers(checks, probe::attempt(&sandbox, host, ENVIRONMENT, &probe::NOTHING, 10).await);
    kill(checks, probe::attempt(&sandbox, host, ENVIRONMENT, &ENDLESS, LIMIT).await);
    environments::examine(checks, &sandbox, host).await;
    if let Err(error) = sandbox.close().await {
        checks.push(Check::missing("clearing away", error.to_string()).advised(advice::KILL));
    }
    Some(abi)
}

fn hierarchies(cgroups: &CgroupParent) -> String {
    let version = |hierarchy| match hierarchy {
        Hierarchy::V2 => "v2",
        Hierarchy::V1 => "v1",
    };
    let each: Vec<String> = cgroups
        .controllers()
        .into_iter()
        .map(|(name, hierarchy)| format!("{name} in {}", version(hierarchy)))
        .collect();
    each.join(", ")
}

/// Where the groups are made, and why there.
fn parent(cgroups: &CgroupParent) -> String {
    let why = match cgroups.origin() {
        ParentOrigin::Configured => "as configured",
        ParentOrigin::Delegated => "within the group that was delegated to this service",
        ParentOrigin::Top => "a group of our own: none is configured, and none was delegated",
    };
    format!("{}, {why}", cgroups.path().display())
}

type Attempt = Result<Result<Outcome, NotRun>, RunnerError>;

/// Each layer as it was in force for a job.
fn layers(checks: &mut Vec<Check>, attempt: Attempt) {
    let outcome = match attempt {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(NotRun { error: RunError::Setup(error), .. })) => {
            let layer = advice::layer_of(error.stage);
            return checks.push(Check::missing(layer, error.to_string()).advised(advice::of_layer(layer)));
        }
        Ok(Err(error)) => {
            return checks.push(Check::missing("sandbox", error.to_string()).advised(advice::SANDBOX));
        }
        Err(error) => {
            return checks.push(Check::missing("sandbox", error.to_string()).advised(advice::SANDBOX));
        }
    };
    checks.push(measures(&outcome));
    for name in LAYERS {
        let advice = advice::of_layer(name);
        checks.push(match outcome.enforcement.0.get(name) {
            Some(layer) if layer.state == State::Enforced => Check::good(name, layer.detail.clone()),
            Some(layer) if layer.state == State::Degraded => {
                Check::gap(name, layer.detail.clone()).advised(advice)
            }
            Some(layer) => Check::missing(name, layer.detail.clone()).advised(advice),
            None => Check::missing(name, "no evidence of it".to_owned()).advised(advice),
        });
    }
}

/// What this kernel counts of a job at its highest.
fn measures(outcome: &Outcome) -> Check {
    let counts = [
        ("memory", outcome.usage.peak_memory_mb.is_some()),
        ("processes", outcome.usage.peak_processes.is_some()),
    ];
    let lacking: Vec<&str> = counts.into_iter().filter(|(_, kept)| !kept).map(|(name, _)| name).collect();
    match lacking.as_slice() {
        [] => Check { required: false, ..Check::good("peaks", "of memory and of processes".to_owned()) },
        lacking => Check::gap("peaks", format!("not of {}", lacking.join(", "))).advised(advice::MEASURES),
    }
}

/// A job that does not end by itself is ended.
fn kill(checks: &mut Vec<Check>, attempt: Attempt) {
    let found = match attempt {
        Ok(Ok(outcome)) if outcome.end == End::TimedOut => {
            let took = outcome.usage.duration_seconds;
            return checks.push(Check::good(
                "kill",
                format!("a job with a limit of {LIMIT} s was gone after {took:.2} s"),
            ));
        }
        Ok(Ok(outcome)) => format!("a job that had to be killed ended as {:?}", outcome.end),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    checks.push(Check::missing("kill", found).advised(advice::KILL));
}

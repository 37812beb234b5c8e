//! In which environments jobs run here: each demands its own layers.

use stockade_policies::{Environment, Host};
use stockade_sandbox::{Sandbox, State};

use super::{Check, advice};
use crate::runner::shell::probe;

/// Runs the smallest job in each.
pub(super) async fn examine(checks: &mut Vec<Check>, sandbox: &Sandbox, host: &Host) {
    for environment in Environment::ALL {
        let name = format!("environment {}", environment.name());
        checks.push(match why_not(sandbox, host, environment).await {
            None => Check::good(name, "jobs run".to_owned()),
            Some(why) => Check::missing(name, why).advised(advice::ENVIRONMENT),
        });
    }
}

/// Why no job runs there.
async fn why_not(sandbox: &Sandbox, host: &Host, environment: Environment) -> Option<String> {
    let outcome = match probe::attempt(sandbox, host, environment, &probe::NOTHING, 10).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => return Some(error.to_string()),
        Err(error) => return Some(error.to_string()),
    };
    let weak = outcome.enforcement.0.iter().filter(|(_, layer)| layer.state != State::Enforced);
    let weak: Vec<&str> = weak.map(|(name, _)| *name).collect();
    (environment != Environment::Development && !weak.is_empty())
        .then(|| format!("not enforced: {}", weak.join(", ")))
}

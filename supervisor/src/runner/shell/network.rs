//! A job in its sandbox, and beside it the proxy that is its network.

use std::convert::Infallible;

use stockade_egress::{Proxy, Traffic};
use stockade_plan::Network;
use stockade_policies::Egress;
use stockade_sandbox::{Denial, Layer, NotRun, Outcome, Sandbox, SandboxJob, State};

use super::outcome;
use crate::runner::Finished;

/// Runs a job to its end.
pub async fn run(sandbox: &Sandbox, job: SandboxJob, egress: Option<Egress>) -> Ran {
    match run_when(sandbox, job, egress, std::future::ready(Ok::<_, Infallible>(()))).await {
        Ok(ran) => ran,
        Err(never) => match never {},
    }
}

/// Runs a job to its end, when it is cleared. One whose policy names destinations reaches them, and nothing else, while it runs.
///
/// # Errors
/// What `cleared` says: then the job did not start.
pub async fn run_when<E>(
    sandbox: &Sandbox,
    mut job: SandboxJob,
    egress: Option<Egress>,
    cleared: impl Future<Output = Result<(), E>>,
) -> Result<Ran, E> {
    let limits = job.plan.confinement.limits;
    let ports = job.plan.confinement.network.clone();
    let proxy = egress.map(|egress| {
        let (proxy, listeners) = Proxy::new(egress);
        job.network = Some(listeners);
        proxy
    });
    let mut outcome = sandbox.run_when(job, cleared).await?;
    let traffic = match proxy {
        Some(proxy) => Some(proxy.end().await),
        None => None,
    };
    if let Some(traffic) = &traffic {
        let enforcement = match &mut outcome {
            Ok(outcome) => {
                outcome.denials.extend(refusals(traffic));
                Some(&mut outcome.enforcement)
            }
            Err(not_run) => not_run.enforcement.as_mut(),
        };
        if let Some(enforcement) = enforcement {
            enforcement.0.insert("egress", layer(&ports));
        }
    }
    let network = traffic.and_then(|traffic| serde_json::to_value(traffic).ok());
    Ok(Ran { outcome, limits, network })
}

/// A job that has run, or has not.
#[derive(Debug)]
pub struct Ran {
    /// What the sandbox says.
    pub outcome: Result<Outcome, NotRun>,
    limits: stockade_plan::Limits,
    network: Option<serde_json::Value>,
}

impl Ran {
    /// What is said of the attempt.
    pub fn finished(self) -> Finished {
        let finished = match self.outcome {
            Ok(outcome) => outcome::finished(outcome, &self.limits),
            Err(not_run) => outcome::not_run(&not_run),
        };
        Finished { network: self.network, ..finished }
    }
}

/// What the proxy refused is a denial like any other.
pub(in crate::runner) fn refusals(traffic: &Traffic) -> impl Iterator<Item = Denial> {
    traffic.refused.iter().map(|refused| Denial {
        layer: "egress",
        what: "connect",
        target: refused.destination.clone(),
        count: refused.count,
        at_least: false,
        at: refused.at,
    })
}

/// The proxy is a layer like any other.
pub(in crate::runner) fn layer(network: &Network) -> Layer {
    let detail = format!(
        "proxy of this job alone, listening on {} ports; names looked up and addresses checked at each connection",
        network.ports().len()
    );
    Layer { state: State::Enforced, detail }
}

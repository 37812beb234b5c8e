//! The serverless runner: one call of a function that the policy names with its version. What runs, runs elsewhere: the
//! isolation is the platform's, and the record says so.

pub mod aws;
mod choose;
mod client;
mod clients;
pub mod gcp;
mod outcome;
pub mod provider;

use std::time::{Duration, Instant};

use stockade_policies::{
    EffectivePolicy, Enforces, RemoteAction, Runner, SERVERLESS_ENFORCES, ServerlessSettings,
};
use tokio::time::timeout;

use super::origin::Caller;
use super::{Boxed, Finished, JobRunner, Refusal, Request, RunnerError, Running, Work, WorkFacts};
use crate::secret::Secret;
use crate::store::{AttemptId, Verdict};
use choose::{Chosen, chosen};
use clients::Clients;
use outcome::Around;
use provider::{Call, Origin, Sent};

/// Where to call instead of the platforms. For development: whoever sits there is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// For AWS Lambda.
    pub lambda: Option<String>,
    /// For Google Cloud.
    pub gcp: gcp::Instead,
}

/// Calls functions.
#[derive(Debug)]
pub struct ServerlessRunner {
    clients: Clients,
    running: Running,
}

impl ServerlessRunner {
    /// A runner that has connected to nothing yet, and will not before a job comes.
    pub fn new(endpoints: Endpoints) -> Self {
        Self { clients: Clients::new(endpoints), running: Running::default() }
    }
}

impl JobRunner for ServerlessRunner {
    fn execution_type(&self) -> &'static str {
        "serverless"
    }

    fn enforces(&self) -> Enforces {
        SERVERLESS_ENFORCES
    }

    fn validate(&self, request: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
        let operation = request.operation;
        let Runner::Serverless(action) = operation.runner() else {
            return Err(Refusal::none_of("serverless", operation));
        };
        let refused = |why: String| Refusal::Refused(why);
        operation.check_input(request.input).map_err(|errors| refused(errors.to_string()))?;
        let policy = action.tightened(&request.proposal).map_err(|found| refused(found.to_string()))?;
        let chosen = chosen(action.settings(), &policy, request.input, operation.promises_output());
        let chosen = chosen.map_err(refused)?;
        Ok(Box::new(FunctionWork {
            facts: WorkFacts { idempotent: is_idempotent(action), ..WorkFacts::of(&policy) },
            caller: Caller::of(&request.job),
            settings: action.settings().clone(),
            policy,
            chosen,
            clients: self.clients.clone(),
            running: self.running.clone(),
        }))
    }

    fn cancel(&self, attempt: &AttemptId) {
        self.running.cancel(attempt);
    }

    /// Nothing of an earlier worker is left here, and nothing is confined here.
    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }

    fn rules_changed(&self) {
        self.clients.forget();
    }
}

/// A function that is called twice has run twice.
fn is_idempotent(action: &RemoteAction<ServerlessSettings>) -> bool {
    action.idempotent().unwrap_or(false)
}

#[derive(Debug)]
struct FunctionWork {
    facts: WorkFacts,
    settings: ServerlessSettings,
    policy: EffectivePolicy,
    chosen: Chosen,
    caller: Caller,
    clients: Clients,
    running: Running,
}

impl Work for FunctionWork {
    fn facts(&self) -> &WorkFacts {
        &self.facts
    }

    fn execute(self: Box<Self>, attempt: AttemptId) -> Boxed<'static, Finished> {
        // Before the future is polled for the first time: `cancel` must find the attempt from now on.
        let place = self.running.enter(attempt);
        Box::pin(async move {
            let cancelled = place.token();
            self.call(&attempt, cancelled.cancelled()).await
        })
    }
}

impl FunctionWork {
    async fn call(self, attempt: &AttemptId, cancelled: impl Future<Output = ()>) -> Finished {
        let origin = self.origin(attempt);
        let limits = self.facts.limits;
        let answer_bytes = usize::try_from(limits.output_kb.saturating_mul(1024)).unwrap_or(usize::MAX);
        let Chosen { function, payload, waits } = self.chosen;
        let call = Call { function, payload, waits, origin, answer_bytes, sent: Sent::default() };
        let start = Instant::now();
        let client = self.clients.client(&self.settings, &self.policy, &call.function);
        let (client, secrets): (_, Vec<Secret>) = match client {
            Ok((client, secrets)) => (Ok(client), secrets),
            Err(error) => (Err(error), Vec::new()),
        };
        let around = |took: Duration| Around {
            call: &call,
            provider: if self.settings.is_gcp() { "gcp" } else { "aws" },
            took,
            wall_seconds: limits.wall_seconds,
            idempotent: self.facts.idempotent,
            way: self.clients.way(&self.settings),
            secrets: &secrets,
        };
        let client = match client {
            Ok(client) => client,
            Err(error) => return around(start.elapsed()).failed(error),
        };
        let wall = Duration::from_secs(limits.wall_seconds);
        // Whichever branch is not taken is dropped: with the call goes its connection.
        let ended = tokio::select! {
            biased;
            () = cancelled => None,
            ended = timeout(wall, client.call(&call)) => Some(ended),
        };
        let around = around(start.elapsed());
        match ended {
            None => around.hung_up(Verdict::Cancelled, "cancelled"),
            Some(Err(_)) => {
                around.hung_up(Verdict::TimedOut, &format!("no answer within {} s", limits.wall_seconds))
            }
            Some(Ok(Ok(answer))) => around.answered(answer),
            Some(Ok(Err(error))) => around.failed(error),
        }
    }

    fn origin(&self, attempt: &AttemptId) -> Origin {
        Origin {
            job: attempt.job.0.to_string(),
            attempt: u32::try_from(attempt.attempt).unwrap_or(1).max(1),
            traceparent: self.caller.traceparent(attempt.attempt),
            idempotency_key: self.caller.idempotency_key(),
        }
    }
}

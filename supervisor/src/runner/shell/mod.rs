//! The shell runner: a program and its arguments in a sandbox of our own.

pub mod network;
pub mod outcome;
pub mod probe;

use std::sync::Arc;

use stockade_plan::{CodecError, Plan};
use stockade_policies::{
    CompileError, EffectivePolicy, Egress, Enforces, Environment, Host, JobSpec, SHELL_ENFORCES, compile,
};
use stockade_sandbox::{Sandbox, SandboxJob, Signals, Sink, Stdin};

use super::{Boxed, Finished, JobRunner, Refusal, Request, RunnerError, Running, Work, WorkFacts};
use crate::store::AttemptId;

/// Runs shell jobs.
#[derive(Debug)]
pub struct ShellRunner {
    sandbox: Sandbox,
    host: Arc<Host>,
    environment: Environment,
    running: Running,
}

impl ShellRunner {
    /// A runner on `sandbox`, with programs looked up on `host`.
    pub fn new(sandbox: Sandbox, host: Arc<Host>, environment: Environment) -> Self {
        Self { sandbox, host, environment, running: Running::default() }
    }
}

impl JobRunner for ShellRunner {
    fn execution_type(&self) -> &'static str {
        "shell"
    }

    fn enforces(&self) -> Enforces {
        SHELL_ENFORCES
    }

    fn rules_changed(&self) {
        self.sandbox.drain();
    }

    fn validate(&self, request: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
        let operation = request.operation;
        let action = operation.shell().ok_or_else(|| Refusal::none_of("shell", operation))?;
        let prepared = action
            .prepare(request.input, &request.proposal)
            .map_err(|refusal| Refusal::Refused(refusal.to_string()))?;
        let sandboxed = Sandboxed::new(
            &prepared.policy,
            &prepared.job,
            prepared.files,
            &self.host,
            self.sandbox.facts().landlock_abi,
        )?;
        Ok(Box::new(ShellWork { sandboxed, sandbox: self.sandbox.clone(), running: self.running.clone() }))
    }

    fn cancel(&self, attempt: &AttemptId) {
        self.running.cancel(attempt);
    }

    /// What earlier workers left was swept as root when the place for control groups was made; what remains is to prove
    /// that a job is confined by every layer.
    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
        Box::pin(probe::prove(&self.sandbox, &self.host, self.environment))
    }
}

/// A job compiled to its plan.
#[derive(Debug)]
pub struct Sandboxed {
    /// What the record needs to know.
    pub facts: WorkFacts,
    /// The plan.
    pub plan: Plan,
    /// The bytes of its inputs.
    pub inputs: Vec<Vec<u8>>,
    /// Where it may connect to.
    pub egress: Option<Egress>,
}

impl Sandboxed {
    /// Compiles a job.
    ///
    /// # Errors
    /// [`Refusal`] by what the compiler says.
    pub fn new(
        policy: &EffectivePolicy,
        job: &JobSpec,
        inputs: Vec<Vec<u8>>,
        host: &Host,
        landlock_abi: u8,
    ) -> Result<Self, Refusal> {
        let plan = compile(policy, job, host, landlock_abi)?;
        let facts = WorkFacts { plan_sha256: Some(plan.digest()?), ..WorkFacts::of(policy) };
        Ok(Self { facts, plan, inputs, egress: Egress::of(policy) })
    }
}

impl From<CompileError> for Refusal {
    fn from(error: CompileError) -> Self {
        match error.is_refusal() {
            true => Self::Refused(error.to_string()),
            false => Self::CannotSetUp(error.to_string()),
        }
    }
}

impl From<CodecError> for Refusal {
    fn from(error: CodecError) -> Self {
        Self::CannotSetUp(format!("the plan is too large to be sent: {error}"))
    }
}

#[derive(Debug)]
struct ShellWork {
    sandboxed: Sandboxed,
    sandbox: Sandbox,
    running: Running,
}

impl Work for ShellWork {
    fn facts(&self) -> &WorkFacts {
        &self.sandboxed.facts
    }

    fn execute(self: Box<Self>, attempt: AttemptId) -> Boxed<'static, Finished> {
        // Before the future is polled for the first time: `cancel` must find the attempt from now on.
        let place = self.running.enter(attempt);
        Box::pin(async move {
            let Sandboxed { plan, inputs, egress, .. } = self.sandboxed;
            let job = SandboxJob {
                plan,
                inputs,
                stdin: Stdin::Empty,
                stdout: Sink::Keep,
                stderr: Sink::Keep,
                signals: Signals::NONE,
                cancel: place.token(),
                network: None,
            };
            network::run(&self.sandbox, job, egress).await.finished()
        })
    }
}

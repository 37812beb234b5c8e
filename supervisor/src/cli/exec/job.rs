//! The job of `exec`, from its policy to its record.

use std::process::ExitCode;

use nix::unistd::{User, getuid};
use serde_json::{Value, json};
use stockade_plan::{Digest, Limits};
use stockade_policies::{Diagnostics, EffectivePolicy, Host, JobSpec};
use stockade_sandbox::{Sandbox, SandboxJob, Sink, Stdin, Warm};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::files::{Input, OutputDirectory};
use super::{Exec, code};
use crate::cli::CliError;
use crate::exec_record::ExecRecord;
use crate::host::HostFacts;
use crate::output;
use crate::report::{self, Circumstances};
use crate::rules::library;
use crate::runner::shell::{Sandboxed, outcome};
use crate::runner::{Finished, Refusal, WorkFacts};
use crate::start::Confinement;
use crate::store::Verdict;
use crate::worker::Shutdown;

/// Who calls, by name: the one behind `sudo` if it is root.
pub(super) fn caller() -> String {
    let uid = getuid();
    let behind_sudo = std::env::var("SUDO_USER").ok().filter(|_| uid.is_root());
    let account = || User::from_uid(uid).ok().flatten().map(|user| user.name);
    behind_sudo.or_else(account).unwrap_or_else(|| format!("uid {uid}"))
}

/// What became of the job, and what to exit with.
struct Ended {
    finished: Finished,
    code: u8,
}

/// What is on record of a job before it runs.
struct Known<'a> {
    id: Uuid,
    facts: WorkFacts,
    around: Circumstances<'a>,
}

impl Exec {
    /// Everything after root has been given up.
    pub(super) async fn finish(
        self,
        confinement: Confinement,
        inputs: Vec<Input>,
        outputs: Option<OutputDirectory>,
        caller: String,
    ) -> Result<ExitCode, CliError> {
        let mut record = ExecRecord::open(&self.account.state_dir)?;
        let policy = self.effective_policy()?;
        let sandbox = Sandbox::start(confinement.launcher, confinement.cgroups, Warm::NONE).await?;
        let host = HostFacts::here();
        let around = Circumstances { tenant: None, user: Some(caller), host: &host, rules: None };
        let mut known = Known { id: Uuid::new_v4(), facts: uncompiled(&policy), around };
        let ended = match self.compiled(&policy, inputs, sandbox.facts().landlock_abi) {
            Ok(job) => {
                known.facts = job.facts.clone();
                self.confine(&sandbox, job, &mut record, &known).await?
            }
            Err(refusal) => self.refuse(refusal, &mut record, &known)?,
        };
        self.tell(&known, &ended, outputs.as_ref())?;
        if let Err(error) = sandbox.close().await {
            tracing::warn!(%error, "the sandbox did not go as it should");
        }
        Ok(ExitCode::from(ended.code))
    }

    fn effective_policy(&self) -> Result<EffectivePolicy, Diagnostics> {
        library(self.policies.directory().as_deref())?.select(&self.policy, self.policies.environment)
    }

    fn compiled(
        &self,
        policy: &EffectivePolicy,
        inputs: Vec<Input>,
        landlock_abi: u8,
    ) -> Result<Sandboxed, Refusal> {
        let mut job = JobSpec::command(self.command.clone())?;
        let mut files = Vec::new();
        for Input { name, bytes } in inputs {
            job = job.with_input(name, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            files.push(bytes);
        }
        // What is not UTF-8 cannot stand in a plan.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Sandboxed::new(policy, &job.with_caller_environment(environment), files, &Host::new(), landlock_abi)
    }

    fn refuse(
        &self,
        refusal: Refusal,
        record: &mut ExecRecord,
        known: &Known<'_>,
    ) -> Result<Ended, CliError> {
        let finished = match refusal {
            Refusal::Refused(error) => Finished::failed(Verdict::Refused, error),
            Refusal::CannotSetUp(error) => Finished::failed(Verdict::SetupFailed, error),
        };
        let mut body = self.started(known, &[], &[]);
        merge(&mut body, ended_body(&finished, known));
        record.append("attempt.refused", known.id, &body)?;
        Ok(Ended { code: code::of_unrun(&finished), finished })
    }

    async fn confine(
        &self,
        sandbox: &Sandbox,
        job: Sandboxed,
        record: &mut ExecRecord,
        known: &Known<'_>,
    ) -> Result<Ended, CliError> {
        let names: Vec<String> = job.plan.task.inputs.iter().map(|input| input.name.to_string()).collect();
        record.append("attempt.started", known.id, &self.started(known, &names, &job.inputs))?;
        let limits = job.plan.confinement.limits;
        let ended = match sandbox.run(self.sandbox_job(job)?).await {
            Ok(outcome) => ran(outcome, &limits),
            Err(error) => {
                let finished = outcome::not_run(&error);
                Ended { code: code::of_unrun(&finished), finished }
            }
        };
        record.append("attempt.ended", known.id, &ended_body(&ended.finished, known))?;
        Ok(ended)
    }

    fn sandbox_job(&self, job: Sandboxed) -> Result<SandboxJob, CliError> {
        let (stdout, stderr) = match self.json {
            true => (Sink::Keep, Sink::Keep),
            false => (
                Sink::PassThrough(Box::new(tokio::io::stdout())),
                Sink::PassThrough(Box::new(tokio::io::stderr())),
            ),
        };
        Ok(SandboxJob {
            plan: job.plan,
            inputs: job.inputs,
            stdin: Stdin::Inherit,
            stdout,
            stderr,
            cancel: cancelled_by_signals()?,
        })
    }

    fn started(&self, known: &Known<'_>, names: &[String], inputs: &[Vec<u8>]) -> Value {
        let inputs: Vec<Value> = names
            .iter()
            .zip(inputs)
            .map(|(name, bytes)| json!({"name": name, "size": bytes.len(), "sha256": Digest::of(bytes)}))
            .collect();
        json!({
            "command": self.command, "inputs": inputs, "user": known.around.user, "policy": known.facts.policy,
            "plan_sha256": known.facts.plan_sha256, "environment": known.facts.environment,
            "limits": known.facts.limits, "host": known.around.host,
        })
    }

    fn tell(
        &self,
        known: &Known<'_>,
        ended: &Ended,
        outputs: Option<&OutputDirectory>,
    ) -> Result<(), CliError> {
        let finished = &ended.finished;
        if self.json {
            output::json(&report::exec_object(finished, &known.facts, &known.around))?;
        } else if let Some(error) = &finished.error
            && finished.exit_code.is_none()
        {
            output::complain(&format!("{}: {error}", finished.verdict.as_str()));
        }
        finished.outputs.iter().try_for_each(|file| outputs.map_or(Ok(()), |directory| directory.write(file)))
    }
}

fn ran(outcome: stockade_sandbox::Outcome, limits: &Limits) -> Ended {
    let code = code::of_end(outcome.end);
    Ended { finished: outcome::finished(outcome, limits), code }
}

/// What is known of a job that no plan was made of.
fn uncompiled(policy: &EffectivePolicy) -> WorkFacts {
    WorkFacts {
        policy: policy.id(),
        environment: policy.environment(),
        plan_sha256: None,
        limits: policy.limits(),
    }
}

fn ended_body(finished: &Finished, known: &Known<'_>) -> Value {
    let outputs: Vec<Value> = finished.outputs.iter().map(report::output_facts).collect();
    json!({
        "status": finished.verdict, "exit_code": finished.exit_code, "signal": finished.signal,
        "error": finished.error, "outputs": outputs, "resource_usage": finished.usage,
        "security_context": report::security_context(Some(&known.facts), finished, &known.around),
    })
}

fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

/// A token that the first SIGINT or SIGTERM cancels.
fn cancelled_by_signals() -> Result<CancellationToken, CliError> {
    let (token, told) = (CancellationToken::new(), Shutdown::on_signals()?);
    let cancel = token.clone();
    tokio::spawn(async move {
        told.told().await;
        cancel.cancel();
    });
    Ok(token)
}

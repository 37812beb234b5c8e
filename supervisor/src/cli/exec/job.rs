//! The job of `exec`, from its policy to its record.

use std::process::ExitCode;

use nix::unistd::{User, getuid};
use stockade_policies::{Diagnostics, EffectivePolicy, Host, JobSpec};
use stockade_sandbox::{Errand, Sandbox, SandboxJob, Sink, Stdin};
use tokio_util::sync::CancellationToken;

use super::Exec;
use super::attempt::{self, Attempt, Ended};
use super::files::{Input, OutputDirectory};
use crate::cli::{CliError, runtime};
use crate::exec_record::ExecRecord;
use crate::host::HostFacts;
use crate::output;
use crate::report::{self, Circumstances};
use crate::rules::policy;
use crate::runner::Refusal;
use crate::runner::shell::Sandboxed;
use crate::worker::Shutdown;

/// Who calls, by name: the one behind `sudo` if it is root.
pub(in crate::cli) fn caller() -> String {
    let uid = getuid();
    let behind_sudo = std::env::var("SUDO_USER").ok().filter(|_| uid.is_root());
    // Asking the name service takes a millisecond, and root has one name.
    let root = uid.is_root().then(|| "root".to_owned());
    let account = || User::from_uid(uid).ok().flatten().map(|user| user.name);
    behind_sudo.or(root).or_else(account).unwrap_or_else(|| format!("uid {uid}"))
}

impl Exec {
    /// Everything after root has been given up.
    pub(super) fn finish(
        self,
        errand: Errand,
        inputs: Vec<Input>,
        outputs: Option<OutputDirectory>,
        caller: String,
    ) -> Result<ExitCode, CliError> {
        // The launcher is at work meanwhile.
        let prepared = ExecRecord::open(&self.account.state_dir)
            .map_err(CliError::from)
            .and_then(|record| Ok((record, self.effective_policy()?)));
        runtime::single(async {
            let sandbox = errand.sandbox().await?;
            let done = match prepared {
                Ok((record, policy)) => {
                    self.attempt(&sandbox, record, &policy, inputs, outputs, caller).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = sandbox.close().await {
                tracing::warn!(%error, "the sandbox did not go as it should");
            }
            done
        })
    }

    async fn attempt(
        &self,
        sandbox: &Sandbox,
        mut record: ExecRecord,
        policy: &EffectivePolicy,
        inputs: Vec<Input>,
        outputs: Option<OutputDirectory>,
        caller: String,
    ) -> Result<ExitCode, CliError> {
        let host = HostFacts::here();
        let around = Circumstances { tenant: None, user: Some(caller), host: &host, rules: None };
        let mut attempt = Attempt::new(&self.command, attempt::uncompiled(policy), around);
        let ended = match self.compiled(policy, inputs, sandbox.facts().landlock_abi) {
            Ok(job) => {
                attempt.facts = job.facts.clone();
                attempt.run(sandbox, self.sandbox_job(job)?, &mut record).await?
            }
            Err(refusal) => attempt.refuse(refusal, &mut record)?,
        };
        self.tell(&attempt, &ended, outputs.as_ref())?;
        Ok(ExitCode::from(ended.code))
    }

    fn effective_policy(&self) -> Result<EffectivePolicy, Diagnostics> {
        policy(self.policies.directory().as_deref(), &self.policy, self.policies.environment)
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

    fn tell(
        &self,
        attempt: &Attempt<'_>,
        ended: &Ended,
        outputs: Option<&OutputDirectory>,
    ) -> Result<(), CliError> {
        let finished = &ended.finished;
        if self.json {
            output::json(&report::exec_object(finished, &attempt.facts, &attempt.around))?;
        } else if let Some(error) = &finished.error
            && finished.exit_code.is_none()
        {
            output::complain(&format!("{}: {error}", finished.verdict.as_str()));
        }
        finished.outputs.iter().try_for_each(|file| outputs.map_or(Ok(()), |directory| directory.write(file)))
    }
}

/// A token that the first SIGINT or SIGTERM cancels.
pub(in crate::cli) fn cancelled_by_signals() -> Result<CancellationToken, CliError> {
    let (token, told) = (CancellationToken::new(), Shutdown::on_signals()?);
    let cancel = token.clone();
    tokio::spawn(async move {
        told.told().await;
        cancel.cancel();
    });
    Ok(token)
}

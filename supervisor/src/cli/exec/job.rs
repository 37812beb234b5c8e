//! The job of `exec`, from its policy to its record.

use std::io::{stderr, stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;

use nix::libc::SIGPIPE;
use nix::unistd::{User, getuid};
use stockade_policies::{Diagnostics, EffectivePolicy, Host, JobSpec};
use stockade_sandbox::{Errand, Lost, Sandbox, SandboxJob, Sink, Stdin};
use tokio_util::sync::CancellationToken;

use super::Exec;
use super::attempt::{Attempt, Ended};
use super::files::{Input, OutputDirectory};
use super::signals::pass_on;
use super::terminal::{CallersTerminal, Pty};
use crate::cli::{CliError, exit, runtime};
use crate::exec_record::ExecRecord;
use crate::host::HostFacts;
use crate::output;
use crate::report::{self, Circumstances};
use crate::rules::policy;
use crate::runner::shell::Sandboxed;
use crate::runner::{Refusal, WorkFacts};
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
        terminal: Option<(Pty, CallersTerminal)>,
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
                    let given = Given { inputs, outputs, caller, terminal };
                    self.attempt(&sandbox, record, &policy, given).await
                }
                Err(error) => Err(error),
            };
            close(&sandbox).await;
            done
        })
    }

    async fn attempt(
        &self,
        sandbox: &Sandbox,
        mut record: ExecRecord,
        policy: &EffectivePolicy,
        given: Given,
    ) -> Result<ExitCode, CliError> {
        let Given { inputs, outputs, caller, terminal } = given;
        let host = HostFacts::here();
        let around = Circumstances { tenant: None, user: Some(caller), host: &host, rules: None };
        let mut attempt = Attempt::new(&self.command, WorkFacts::of(policy), around);
        let ended = match self.compiled(policy, inputs, sandbox.facts().landlock_abi) {
            Ok(job) => {
                attempt.facts = job.facts.clone();
                let raw = terminal.as_ref().map(|(_, callers)| callers.raw());
                let egress = job.egress.clone();
                let job = self.sandbox_job(job, terminal)?;
                let over = async {
                    drop(raw);
                    close(sandbox).await;
                };
                attempt.run(sandbox, job, egress, &mut record, over).await?
            }
            Err(refusal) => attempt.refuse(refusal, &mut record)?,
        };
        self.tell(&attempt, &ended, outputs.as_ref())?;
        Ok(ExitCode::from(told_of_loss(&ended)))
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

    fn sandbox_job(
        &self,
        job: Sandboxed,
        terminal: Option<(Pty, CallersTerminal)>,
    ) -> Result<SandboxJob, CliError> {
        let own = |stream: &dyn AsFd| stream.as_fd().try_clone_to_owned().map(Sink::PassThrough);
        let (stdout, stderr) = match self.json {
            true => (Sink::Keep, Sink::Keep),
            false => (own(&stdout())?, own(&stderr())?),
        };
        let stdin = match &terminal {
            Some((pty, _)) => Stdin::Terminal(pty.descriptor()?),
            None => Stdin::Inherit,
        };
        let cancel = CancellationToken::new();
        let signals = pass_on(cancel.clone(), terminal)?;
        Ok(SandboxJob {
            plan: job.plan,
            inputs: job.inputs,
            stdin,
            stdout,
            stderr,
            signals,
            cancel,
            network: None,
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
        } else if let [_, Some(Lost::NotTaken)] = ended.lost {
            // Nobody reads what we would say either.
        } else if let (Some(Lost::ReaderGone), Some(SIGPIPE)) = (&ended.lost[0], finished.signal) {
            // As quietly as any program in a pipeline.
        } else if let Some(error) = &finished.error
            && finished.exit_code.is_none()
        {
            output::complain(&format!("{}: {error}", finished.verdict.as_str()));
        }
        finished.outputs.iter().try_for_each(|file| outputs.map_or(Ok(()), |directory| directory.write(file)))
    }
}

/// That something of it is left does not change what its job has done.
async fn close(sandbox: &Sandbox) {
    if let Err(error) = sandbox.clone().close().await {
        tracing::warn!(%error, "the sandbox did not go as it should");
    }
}

/// What was given to `exec` but its options.
struct Given {
    inputs: Vec<Input>,
    outputs: Option<OutputDirectory>,
    caller: String,
    terminal: Option<(Pty, CallersTerminal)>,
}

/// The code to exit with: a job whose output cannot be written has not done what it was for, whatever it says.
fn told_of_loss(ended: &Ended) -> u8 {
    let failed = ended.lost.iter().flatten().find_map(|lost| match lost {
        Lost::Failed(why) => Some(why),
        Lost::ReaderGone | Lost::NotTaken => None,
    });
    let Some(why) = failed else { return ended.code };
    output::complain(&format!("cannot write what the job printed: {why}"));
    if ended.code == exit::DONE { exit::FAILED } else { ended.code }
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

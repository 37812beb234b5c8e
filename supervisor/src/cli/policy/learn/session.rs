//! The recording, the drafts, and the runs that prove them.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use stockade_plan::{AbsPath, Plan};
use stockade_policies::{
    Breadth, Draft, EffectivePolicy, Host, JobSpec, Library, Measured, PolicyName, Recording, Study, Trace,
};
use stockade_sandbox::{End, Sandbox, SandboxJob, Signals, Sink, Stdin, Usage, Warm};
use tokio_util::sync::CancellationToken;

use super::Learn;
use super::draft_file::DraftFile;
use super::proof::{Proof, Recorded};
use super::tell::Learned;
use crate::cli::exec::attempt::{Attempt, Ended};
use crate::cli::exec::files::Input;
use crate::cli::exec::job::cancelled_by_signals;
use crate::cli::{CliError, exit};
use crate::exec_record::ExecRecord;
use crate::host::HostFacts;
use crate::report::Circumstances;
use crate::rules::library;
use crate::runner::WorkFacts;
use crate::runner::shell::Sandboxed;
use crate::start::Confinement;
use crate::store::Verdict;

/// More than this is not read from standard input, bytes.
const STDIN_MAX: u64 = 64 << 20;

/// What the caller gave.
pub(super) struct Given {
    pub(super) program: AbsPath,
    pub(super) name: PolicyName,
    pub(super) inputs: Vec<Input>,
    pub(super) stdin: Vec<u8>,
    pub(super) caller: String,
}

/// Standard input to its end: every run gets the same. A terminal's is nobody's.
pub(super) fn read_stdin() -> Result<Vec<u8>, CliError> {
    let stdin = std::io::stdin();
    let mut bytes = Vec::new();
    if !stdin.is_terminal() {
        stdin.lock().take(STDIN_MAX + 1).read_to_end(&mut bytes)?;
    }
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= STDIN_MAX => Ok(bytes),
        _ => Err(CliError::Other(format!(
            "standard input has more than {STDIN_MAX} bytes; give it with `--input`"
        ))),
    }
}

/// What all runs share.
pub(super) struct Session<'a> {
    pub(super) learn: &'a Learn,
    given: &'a Given,
    sandbox: &'a Sandbox,
    pub(super) host: Host,
    facts: HostFacts,
    job: JobSpec,
    library: Library,
    record: ExecRecord,
    cancel: CancellationToken,
    /// How often the program was run under a draft.
    pub(super) runs: usize,
}

impl Learn {
    /// Everything after root has been given up.
    pub(super) async fn session(
        self,
        confinement: Confinement,
        given: Given,
        mut file: Option<DraftFile>,
    ) -> Result<ExitCode, CliError> {
        let sandbox = Sandbox::start(confinement.launcher, confinement.cgroups, Warm::NONE).await?;
        let learned = self.learned(&sandbox, &given).await;
        if let Err(error) = sandbox.close().await {
            tracing::warn!(%error, "the sandbox did not go as it should");
        }
        let learned = learned?;
        if let Some(file) = &mut file {
            file.write(&learned.draft.text)?;
        }
        learned.tell(self.json, file.as_ref().map(DraftFile::path))?;
        Ok(exit::check(learned.proof.holds()))
    }

    async fn learned(&self, sandbox: &Sandbox, given: &Given) -> Result<Learned, CliError> {
        let mut job = JobSpec::command(self.command.clone()).map_err(other)?;
        for Input { name, bytes } in &given.inputs {
            job = job.with_input(name.clone(), u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut session = Session {
            learn: self,
            given,
            sandbox,
            host: Host::new(),
            facts: HostFacts::here(),
            job: job.with_caller_environment(environment),
            library: library(self.policies.directory().as_deref())?,
            record: ExecRecord::open(&self.account.state_dir)?,
            cancel: cancelled_by_signals()?,
            runs: 0,
        };
        session.learn().await
    }
}

impl Session<'_> {
    async fn learn(&mut self) -> Result<Learned, CliError> {
        let (trace, ended, usage) = self.recording().await?;
        let inputs: Vec<String> = self.given.inputs.iter().map(|input| input.name.to_string()).collect();
        let study = Study {
            trace: &trace,
            name: &self.given.name,
            command: &self.given.program,
            inputs: &inputs,
            outputs: &self.learn.output_names,
            pass: &self.learn.pass,
            measured: measured(&usage, &trace, &ended),
        };
        let program = trace.ended();
        let recorded = Recorded { program, stdout: &ended.finished.stdout.bytes };
        let (breadth, mut draft, mut proof) = self.widen(&study, &recorded).await?;
        if proof.same_end && self.learn.trials > 0 {
            (draft, proof) = self.shrink(&study, breadth, draft, proof, &recorded).await?;
        }
        Ok(Learned {
            name: self.given.name.clone(),
            draft,
            proof,
            runs: self.runs,
            program,
            stdout: ended.finished.stdout.bytes,
            stderr: trace.stderr().to_vec(),
            usage: ended.finished.usage,
        })
    }

    /// Runs the program with the recorder beside it.
    async fn recording(&mut self) -> Result<(Trace, Ended, Usage), CliError> {
        let recording = Recording {
            shown: &self.learn.shown,
            pass: &self.learn.pass,
            seconds: self.learn.timeout,
            memory_mb: self.learn.memory_mb,
            environment: self.learn.policies.environment,
        };
        let (policy, plan) =
            recording.compile(&self.job, &self.host, self.sandbox.facts().landlock_abi).map_err(other)?;
        let plan_sha256 = Some(plan.digest().map_err(other)?);
        let ended = self.run(WorkFacts { plan_sha256, ..WorkFacts::of(&policy) }, plan).await?;
        let trace = Trace::read(&ended.finished.stderr.bytes);
        if let Some(errno) = trace.not_started() {
            let error = std::io::Error::from_raw_os_error(errno);
            return Err(CliError::Other(format!("`{}` could not be executed: {error}", self.given.program)));
        }
        match (&ended.ran, trace.ended()) {
            (Some((End::Exited(0), usage)), Some(_)) => {
                let usage = usage.clone();
                Ok((trace, ended, usage))
            }
            _ => Err(CliError::Other(why_not(&ended, &policy))),
        }
    }

    /// The narrowest draft under which the program does and prints the same; if there is none, the narrowest under which it
    /// ends the same; else the widest.
    async fn widen(
        &mut self,
        study: &Study<'_>,
        recorded: &Recorded<'_>,
    ) -> Result<(Breadth, Draft, Proof), CliError> {
        let narrow = study.draft(&self.host, Breadth::Used, &BTreeSet::new());
        let narrow_proof = self.prove(&narrow, recorded).await?;
        let wide = study.draft(&self.host, Breadth::LookedAt, &BTreeSet::new());
        if (narrow_proof.same_end && narrow_proof.same_stdout) || wide.text == narrow.text {
            return Ok((Breadth::Used, narrow, narrow_proof));
        }
        let wide_proof = self.prove(&wide, recorded).await?;
        let gains =
            (wide_proof.same_end, wide_proof.same_stdout) > (narrow_proof.same_end, narrow_proof.same_stdout);
        match gains || !narrow_proof.same_end {
            true => Ok((Breadth::LookedAt, wide, wide_proof)),
            false => Ok((Breadth::Used, narrow, narrow_proof)),
        }
    }

    /// Runs the program under a draft and compares.
    pub(super) async fn prove(&mut self, draft: &Draft, recorded: &Recorded<'_>) -> Result<Proof, CliError> {
        let file = format!("{}.yaml", self.given.name);
        let effective = self
            .library
            .with_text(&file, &draft.text)
            .and_then(|(library, name)| library.effective(name.as_str(), self.learn.policies.environment));
        let policy = match effective {
            Ok(policy) => policy,
            Err(found) => return Ok(Proof::failed(found.to_string())),
        };
        let abi = self.sandbox.facts().landlock_abi;
        let job = match Sandboxed::new(&policy, &self.job, Vec::new(), &self.host, abi) {
            Ok(job) => job,
            Err(refusal) => return Ok(Proof::failed(refusal.to_string())),
        };
        self.runs += 1;
        let ended = self.run(job.facts, job.plan).await?;
        if ended.finished.verdict == Verdict::Cancelled {
            return Err(CliError::Other("cancelled".to_owned()));
        }
        Ok(Proof::of(ended, recorded))
    }

    async fn run(&mut self, facts: WorkFacts, plan: Plan) -> Result<Ended, CliError> {
        let user = Some(self.given.caller.clone());
        let around = Circumstances { tenant: None, user, host: &self.facts, rules: None };
        let attempt = Attempt::new(&self.learn.command, facts, around);
        let job = SandboxJob {
            plan,
            inputs: self.given.inputs.iter().map(|input| input.bytes.clone()).collect(),
            stdin: Stdin::Bytes(self.given.stdin.clone()),
            stdout: Sink::Keep,
            stderr: Sink::Keep,
            signals: Signals::NONE,
            cancel: self.cancel.clone(),
            network: None,
        };
        // A recording, and what is drafted from it, reach nothing.
        attempt.run(self.sandbox, job, None, &mut self.record, async {}).await
    }
}

fn other(error: impl std::fmt::Display) -> CliError {
    CliError::Other(error.to_string())
}

/// Why a recording is of no use.
fn why_not(ended: &Ended, policy: &EffectivePolicy) -> String {
    let limits = policy.limits();
    let why = match ended.ran.as_ref().map(|(end, _)| end) {
        Some(End::TimedOut | End::LimitExceeded(stockade_sandbox::Limit::CpuTime)) => {
            format!("it took longer than {} s; `--timeout` gives it more", limits.wall_seconds)
        }
        Some(End::OutOfMemory) => {
            format!("it took more than {} MiB of memory; `--memory-mb` gives it more", limits.memory_mb)
        }
        Some(End::LimitExceeded(stockade_sandbox::Limit::Output)) => {
            format!("it printed more than {} KiB, or did too much to write down", limits.output_kb)
        }
        Some(End::Exited(_) | End::Signaled(_)) => {
            "the program ended the recorder that watched it".to_owned()
        }
        Some(End::Cancelled) | None => ended.finished.error.clone().unwrap_or_default(),
    };
    format!("nothing was learned: {why}")
}

fn measured(usage: &Usage, trace: &Trace, ended: &Ended) -> Measured {
    let stdout = ended.finished.stdout.bytes.len();
    let longest = stdout.max(trace.stderr().len());
    Measured {
        memory_bytes: whole(usage.peak_memory_mb.unwrap_or(2.0 * usage.memory_mb) * 1024.0 * 1024.0),
        cpu_ms: whole(usage.user_cpu_ms + usage.system_cpu_ms),
        wall_ms: whole(usage.wall_ms),
        processes: usage.peak_processes.unwrap_or(64),
        output_bytes: u64::try_from(longest).unwrap_or(u64::MAX),
    }
}

/// The whole number next to a measured value; through its digits, because there is no conversion that cannot surprise.
fn whole(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap_or(0)
}

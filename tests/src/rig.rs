//! A sandbox as a supervisor has it: launcher, control groups, no root.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stockade_plan::{FileName, Plan, Stage};
use stockade_policies::{CompileError, Environment, Host, JobSpec, Library, compile};
use stockade_sandbox::{
    CgroupConfig, CgroupParent, LauncherConfig, LauncherProcess, NotRun, Outcome, RunError, Sandbox,
    SandboxJob, Signals, Sink, Stdin, User, Warm, drop_privileges,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::{Process, eventually, is_stopped, patience, processes};

/// The account the tests drop to.
pub(crate) const ACCOUNT: &str = "stockade";

/// A started sandbox and what is needed to make plans for it.
#[derive(Debug)]
pub struct Rig {
    /// The runtime everything runs on.
    pub runtime: Runtime,
    /// The sandbox.
    pub sandbox: Sandbox,
    library: Library,
    host: Host,
}

impl Rig {
    /// Starts a launcher, takes a place for control groups, gives up root. Once per process, before any thread.
    pub fn start(fail_at: Option<Stage>) -> Self {
        Self::start_with(fail_at, Warm::NONE)
    }

    /// Like [`Rig::start`], with sandboxes made ahead.
    pub fn start_with(fail_at: Option<Stage>, warm: Warm) -> Self {
        Self::start_as(binary("stockade-launcher"), fail_at, warm)
    }

    /// Like [`Rig::start`], with another program that becomes the launcher.
    pub fn start_by(launcher: PathBuf) -> Self {
        Self::start_as(launcher, None, Warm::NONE)
    }

    fn start_as(launcher: PathBuf, fail_at: Option<Stage>, warm: Warm) -> Self {
        let user = User::lookup(ACCOUNT).expect("make setup makes the account");
        let config = LauncherConfig { binary: launcher, runtime_dir: "/run/stockade".into(), fail_at };
        let launcher = LauncherProcess::start(&config).expect("launcher");
        let cgroups = CgroupParent::prepare(&CgroupConfig::default(), &user).expect("control groups");
        drop_privileges(&user).expect("give up root");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
        let sandbox = runtime.block_on(Sandbox::start(launcher, cgroups, warm)).expect("sandbox");
        Self { runtime, sandbox, library: Library::shipped().expect("library"), host: Host::new() }
    }

    /// A plan under a policy's text, compiled like any other.
    pub fn plan(&self, policy: &str, arguments: &[&str], inputs: &[(&str, &[u8])]) -> Plan {
        self.try_plan(policy, arguments, inputs).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`Rig::plan`] for a job that may be refused.
    pub fn try_plan(
        &self,
        policy: &str,
        arguments: &[&str],
        inputs: &[(&str, &[u8])],
    ) -> Result<Plan, CompileError> {
        plan_for(&self.library, &self.host, self.sandbox.facts().landlock_abi, policy, arguments, inputs)
    }

    /// Runs a plan to its end.
    pub fn run_plan(&self, plan: Plan, inputs: &[(&str, &[u8])]) -> Result<Outcome, RunError> {
        let ran = self.sandbox.run(job_with(plan, inputs, CancellationToken::new()));
        self.runtime.block_on(ran).map_err(|not_run| not_run.error)
    }

    /// Runs a command under a policy's text.
    pub fn try_run(&self, policy: &str, arguments: &[&str]) -> Result<Outcome, RunError> {
        self.run_plan(self.plan(policy, arguments, &[]), &[])
    }

    /// Like [`Rig::try_run`] for a job that must start.
    pub fn run(&self, policy: &str, arguments: &[&str]) -> Outcome {
        self.try_run(policy, arguments).expect("the job starts")
    }

    /// Starts a job that can be cancelled, without waiting for it.
    pub fn start_job(
        &self,
        policy: &str,
        arguments: &[&str],
        cancel: &CancellationToken,
    ) -> tokio::task::JoinHandle<Result<Outcome, NotRun>> {
        let job = job_with(self.plan(policy, arguments, &[]), &[], cancel.clone());
        let sandbox = self.sandbox.clone();
        self.runtime.spawn(async move { sandbox.run(job).await })
    }

    /// The processes of its jobs, inits among them.
    pub fn processes(&self) -> Vec<Process> {
        let facts = self.sandbox.facts();
        let ids = facts.uid_base..facts.uid_base + facts.uid_slots;
        processes().into_iter().filter(|one| ids.contains(&one.uid)).collect()
    }

    /// How many of them have executed their command: until then they have the launcher's name, as inits keep.
    pub fn executed(&self) -> usize {
        self.processes().iter().filter(|one| !one.name.starts_with("stockade")).count()
    }

    /// Waits until so many have.
    pub fn until_executed(&self, count: usize) {
        let all = || (self.executed() == count).then_some(());
        eventually("jobs have executed their commands", patience(Duration::from_secs(20)), all);
    }

    /// Waits until one of them has stopped itself.
    pub fn until_stopped(&self) {
        let stopped = || self.processes().iter().any(|one| is_stopped(one.pid)).then_some(());
        eventually("a job has stopped itself", patience(Duration::from_secs(20)), stopped);
    }

    /// Lets everything go and checks that it goes.
    pub fn close(self) {
        self.runtime.block_on(self.sandbox.close()).expect("close");
    }
}

/// A job without inputs.
pub fn job(plan: Plan) -> SandboxJob {
    job_with(plan, &[], CancellationToken::new())
}

fn job_with(plan: Plan, inputs: &[(&str, &[u8])], cancel: CancellationToken) -> SandboxJob {
    SandboxJob {
        plan,
        inputs: inputs.iter().map(|(_, bytes)| bytes.to_vec()).collect(),
        stdin: Stdin::Empty,
        stdout: Sink::Keep,
        stderr: Sink::Keep,
        signals: Signals::NONE,
        cancel,
        network: None,
    }
}

/// Compiles a plan for a command under a policy given as a shipped policy's name or as a policy's text.
pub fn plan_for(
    library: &Library,
    host: &Host,
    landlock_abi: u8,
    policy: &str,
    arguments: &[&str],
    inputs: &[(&str, &[u8])],
) -> Result<Plan, CompileError> {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("policy.yaml");
    let name = if policy.contains('\n') {
        std::fs::write(&path, policy).expect("write policy");
        path.to_str().expect("path").to_owned()
    } else {
        policy.to_owned()
    };
    let effective = library.select(&name, Environment::Development).unwrap_or_else(|error| panic!("{error}"));
    let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let mut job = JobSpec::command(arguments).expect("command");
    for (name, bytes) in inputs {
        job = job.with_input(FileName::new(*name).expect("input name"), bytes.len() as u64);
    }
    compile(&effective, &job, host, landlock_abi)
}

/// A program of this build: beside the test's own, in the profile's directory.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("own path");
    let profile = own.parent().and_then(Path::parent).expect("profile directory");
    profile.join(name)
}

//! Policy and job to what a container engine is asked for. There is no host to look at: programs are the image's own.

use std::collections::BTreeMap;

use serde::Serialize;
use stockade_plan::{AbsPath, Arg, Digest, EnvName, EnvVar, Errand, FileName, Input, Network, WORK_DIR};

use super::command::environment_of;
use super::error::CompileError;
use super::job::{JobSpec, bounded};
use super::{limits, outputs, unenforced};
use crate::effective::{EffectivePolicy, members};
use crate::egress::Egress;
use crate::registry::DOCKER_ENFORCES;
use crate::seccomp::{container_profile, lacking_for_container};

/// One job in a container: what is run, with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerJob {
    /// The image, one of the policy's, `name@sha256:…`.
    pub image: String,
    /// The program and its arguments; `None` is what the image says.
    pub command: Option<Vec<String>>,
    /// Variables beyond the policy's.
    pub environment: BTreeMap<EnvName, Arg>,
    /// The files in `/job`, with their sizes; their bytes travel beside the plan.
    pub inputs: Vec<Input>,
    /// The input that is standard input too.
    pub stdin: Option<FileName>,
    /// The engine's runtime, if not its default.
    pub runtime: Option<String>,
}

/// What a container engine is asked for: a policy compiled for one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerPlan {
    /// The image by its digest.
    pub image: String,
    /// What its init is told. Without arguments, the image's own command is run.
    pub errand: Errand,
    /// The seccomp profile, JSON.
    pub seccomp: String,
    /// The error number by which that profile is known; see [`stockade_plan::SECCOMP_MARK`].
    pub seccomp_mark: u16,
    /// Directories and files of the host that it may read.
    pub binds: Vec<AbsPath>,
    /// Its `/etc/hosts`, if it has a network: the addresses of its loopback that stand for names.
    pub hosts: Option<String>,
    /// Open descriptors of each process.
    pub open_files: u64,
    /// The engine's runtime, if not its default.
    pub runtime: Option<String>,
    /// The layers, by their names, without which it does not start.
    pub required: Vec<&'static str>,
}

impl ContainerPlan {
    /// What the record names the plan by.
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

/// The plan of `job` in a container under `policy`.
///
/// # Errors
/// [`CompileError`]; nothing is left out or weakened to make a plan.
pub fn compile_container(
    policy: &EffectivePolicy,
    job: &ContainerJob,
) -> Result<ContainerPlan, CompileError> {
    if let Some(lack) = policy.not_enforced_by("docker", DOCKER_ENFORCES).into_iter().next() {
        return Err(unenforced(lack.clause, &lack.origin, lack.missing));
    }
    if let Some((clause, missing)) = uncontainable(policy).into_iter().next() {
        return Err(unenforced(clause, policy.name(), missing));
    }
    if !members(&policy.rights().images).any(|(image, _)| image.to_string() == job.image) {
        return Err(CompileError::ImageNotAllowed {
            policy: policy.name().to_string(),
            image: job.image.clone(),
        });
    }
    let limits = limits(&policy.limits());
    let spec =
        JobSpec { arguments: Vec::new(), inputs: job.inputs.clone(), caller_environment: BTreeMap::new() };
    let mut variables = environment_of(policy, &spec)?;
    variables.extend(job.environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    let environment = variables.into_iter().map(|(name, value)| EnvVar { name, value }).collect();
    let arguments = match &job.command {
        None => Vec::new(),
        Some(command) => JobSpec::command(command.clone())?.arguments,
    };
    let half = limits.disk_bytes / 2;
    let (seccomp, seccomp_mark) = container_profile(policy.rights().calls());
    let egress = Egress::of(policy);
    Ok(ContainerPlan {
        image: job.image.clone(),
        errand: Errand {
            arguments: bounded("arguments", arguments)?,
            environment: bounded("environment variables", environment)?,
            // Of the disk, half is `/job`'s.
            inputs: spec.checked_inputs(half)?,
            stdin: job.stdin.clone(),
            outputs: bounded("outputs", outputs(policy, &limits))?,
            network: egress.as_ref().map_or(Ok(Network::None), Egress::network)?,
            limits,
        },
        seccomp,
        seccomp_mark,
        binds: members(&policy.rights().read).map(|(read, _)| read.path.clone()).collect(),
        hosts: egress.map(|egress| egress.hosts_file()),
        open_files: policy.limits().open_files,
        runtime: job.runtime.clone(),
        required: required(policy),
    })
}

/// Of the layers that the policy asks for, those that an engine can have. That it never has the others is said when services
/// load, unless only the environment asks for them.
fn required(policy: &EffectivePolicy) -> Vec<&'static str> {
    let had = |name: &str| DOCKER_ENFORCES.iter().any(|known| known.strip_prefix("require: ") == Some(name));
    policy.rights().require.keys().map(|layer| layer.name()).filter(|name| had(name)).collect()
}

/// What the list of enforced clauses cannot say: values that the Docker runner does not carry out, with what is missing.
pub(crate) fn uncontainable(policy: &EffectivePolicy) -> Vec<(String, String)> {
    let rights = policy.rights();
    let mut found = Vec::new();
    let mut say = |clause: &str, missing: String| found.push((clause.to_owned(), missing));
    if members(&rights.read).any(|(read, _)| read.optional) {
        say(
            "filesystem.read",
            "a mount of a container cannot be optional: name what the engine's host has".to_owned(),
        );
    }
    for path in policy.writes().filter(|path| ![WORK_DIR, "/tmp"].contains(&path.as_str())) {
        say("filesystem.write", format!("in a container only `/job` and `/tmp` are writable, not `{path}`"));
    }
    let networked = Egress::of(policy).is_some();
    if let Some(call) = lacking_for_container(rights.calls(), networked) {
        let what = if networked {
            "start and measure the job, and to hand over its network"
        } else {
            "start and measure the job"
        };
        let why = format!("the first process of a container needs `{call}` to {what}, under the same filter");
        say("syscalls", why);
    }
    found
}

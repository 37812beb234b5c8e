//! Policy and job to plan.

mod command;
mod container;
mod decoy;
mod error;
mod job;
mod recording;
#[cfg(test)]
mod tests;
mod view;

use stockade_plan::{
    AbsPath, CPU_PERIOD_US, Command, Confinement, Filter, Hostname, Landlock, Limits, Network, Output,
    PLAN_VERSION, Plan, Rlimits, Task, View, encode,
};

pub(crate) use container::uncontainable;
pub use container::{ContainerJob, ContainerPlan, compile_container};
pub use error::CompileError;
pub use job::JobSpec;
pub(crate) use job::bounded;
pub use recording::Recording;
pub(crate) use recording::calls as recording_calls;
pub(crate) use view::{CODE_DIRS, LOADER_CACHE, MERGED};

use crate::effective::{EffectivePolicy, SHELL_ENFORCES, members};
use crate::egress::Egress;
use crate::host::Host;
use crate::policy::{DISKS, LANDLOCK_FULL, LayerName, LimitKey, OutputName, ResourceLimits};
use crate::seccomp::{init_filter, job_filter};
use command::Programs;
use view::Sight;

/// The host name of every sandbox.
const HOSTNAME: &str = "sandbox";
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// The usual stack of a process, bytes; threads take theirs from memory.
const STACK_BYTES: u64 = 8 * MIB;
/// More than a program with timers and worker threads queues, less than a host has.
const PENDING_SIGNALS: u64 = 1024;

/// The plan of `job` under `policy` on `host`, whose kernel has Landlock of `landlock_abi`.
///
/// # Errors
/// [`CompileError`]; nothing is left out or weakened to make a plan.
pub fn compile(
    policy: &EffectivePolicy,
    job: &JobSpec,
    host: &Host,
    landlock_abi: u8,
) -> Result<Plan, CompileError> {
    enforceable(policy, host, landlock_abi)?;
    let programs = Programs::of(policy, host);
    let command = command::command(policy, job, &programs)?;
    let sight = Sight::of(policy, &programs, host)?;
    let assembled = Assembled {
        view: decoy::with_decoys(sight.view()?)?,
        landlock: sight.landlock(landlock_abi)?,
        filter: job_filter(policy.rights().calls())?,
        command,
    };
    assemble(policy, job, assembled)
}

/// The parts of a plan in which a recording differs from a job.
struct Assembled {
    view: View,
    landlock: Landlock,
    filter: Filter,
    command: Command,
}

fn assemble(policy: &EffectivePolicy, job: &JobSpec, parts: Assembled) -> Result<Plan, CompileError> {
    let Assembled { view, landlock, filter, command } = parts;
    let resources = policy.limits();
    let limits = limits(&resources);
    let plan = Plan {
        version: PLAN_VERSION,
        confinement: Confinement {
            view,
            landlock,
            filter,
            init_filter: init_filter()?,
            rlimits: rlimits(&resources),
            limits,
            network: Egress::of(policy).map_or(Ok(Network::None), |egress| egress.network())?,
            hostname: Hostname::new(HOSTNAME)
                .map_err(|reason| CompileError::Name { text: HOSTNAME.to_owned(), reason })?,
        },
        task: Task {
            command,
            inputs: job.checked_inputs(limits.disk_bytes)?,
            outputs: bounded("outputs", outputs(policy, &limits))?,
        },
    };
    encode(&plan)?;
    Ok(plan)
}

fn path_of(text: &str) -> Result<AbsPath, CompileError> {
    AbsPath::new(text).map_err(|reason| CompileError::Name { text: text.to_owned(), reason })
}

/// Fails closed: a clause without a mechanism behind it stops the job.
fn enforceable(policy: &EffectivePolicy, host: &Host, landlock_abi: u8) -> Result<(), CompileError> {
    if let Some(lack) = policy.not_enforced_by("shell", SHELL_ENFORCES).into_iter().next() {
        return Err(unenforced(lack.clause, &lack.origin, lack.missing));
    }
    if landlock_abi == 0 {
        let missing = "the kernel has no Landlock; boot one that has, with `landlock` in its `lsm=` list";
        return Err(unenforced("commands, filesystem", policy.name(), missing));
    }
    if let (Some(decided), Some(why)) = (policy.rights().disk_limit(), host.lacks(DISKS)) {
        let clause = format!("resource_limits.{}", LimitKey::DiskReadMbPerSecond);
        return Err(unenforced(clause, &decided.origin, why));
    }
    for (layer, origin) in &policy.rights().require {
        let clause = || format!("require: {}", layer.name());
        if let Some(why) = host.lacks(layer.name()) {
            return Err(unenforced(clause(), origin, why));
        }
        if *layer == LayerName::LANDLOCK && landlock_abi < LANDLOCK_FULL {
            let missing = format!(
                "the kernel's Landlock has ABI {landlock_abi}, and signals and abstract sockets are confined from ABI \
                 {LANDLOCK_FULL}"
            );
            return Err(unenforced(clause(), origin, missing));
        }
    }
    Ok(())
}

fn unenforced(
    clause: impl Into<String>,
    origin: &impl std::fmt::Display,
    missing: impl Into<String>,
) -> CompileError {
    CompileError::Enforcement { clause: clause.into(), origin: origin.to_string(), missing: missing.into() }
}

pub(crate) fn limits(resources: &ResourceLimits) -> Limits {
    Limits {
        memory_bytes: resources.memory_mb * MIB,
        pids: u32::try_from(resources.pids).unwrap_or(u32::MAX),
        cpu_quota_us: resources.cpu_millicores * CPU_PERIOD_US / 1000,
        cpu_time_ms: resources.cpu_seconds * 1000,
        wall_time_ms: resources.wall_seconds * 1000,
        disk_bytes: resources.disk_mb * MIB,
        files: resources.files,
        disk_read_bytes_per_second: resources.disk_read_mb_per_second.map(|mb| mb * MIB),
        output_bytes: resources.output_kb * KIB,
    }
}

/// `RLIMIT_CPU` and `RLIMIT_NPROC` stand behind the control group's counts of the whole job: a little looser, so
/// that the group's come first and say why.
fn rlimits(resources: &ResourceLimits) -> Rlimits {
    Rlimits {
        open_files: resources.open_files,
        file_bytes: resources.disk_mb * MIB,
        processes: resources.pids + 16,
        cpu_seconds: resources.cpu_seconds + 1,
        stack_bytes: STACK_BYTES,
        pending_signals: PENDING_SIGNALS,
    }
}

/// The files that are named; `*` names none.
fn outputs(policy: &EffectivePolicy, limits: &Limits) -> Vec<Output> {
    let named = members(&policy.rights().outputs).filter_map(|(name, _)| match name {
        OutputName::File(path) => Some(path.clone()),
        OutputName::Any => None,
    });
    named.map(|path| Output { path, max_bytes: limits.output_bytes.min(limits.disk_bytes) }).collect()
}

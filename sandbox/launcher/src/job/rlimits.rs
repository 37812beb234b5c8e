//! Resource limits, `setrlimit(2)`.

use std::fs::File;
use std::io::Write;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use stockade_inside::proc_text;
use stockade_plan::Rlimits;

use crate::steps::{During, Fault};

/// Limits that are zero for every job: no locked memory, no message queues, no real-time priority.
const ZERO: [Resource; 4] =
    [Resource::RLIMIT_MEMLOCK, Resource::RLIMIT_MSGQUEUE, Resource::RLIMIT_RTPRIO, Resource::RLIMIT_NICE];

/// `RLIMIT_CORE`, bytes. At one the kernel writes no core: less than any file needs, and the value at which it
/// does not start a handler that runs as root on the host either. At zero it would; core(5), fs/coredump.c.
const CORE_BYTES: u64 = 1;

fn values(limits: &Rlimits) -> [(Resource, u64); 6] {
    [
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_FSIZE, limits.file_bytes),
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_CPU, limits.cpu_seconds),
        (Resource::RLIMIT_STACK, limits.stack_bytes),
        (Resource::RLIMIT_SIGPENDING, limits.pending_signals),
    ]
}

/// Sets every limit, soft and hard alike. A limit already lower than the plan's cannot be raised without
/// `CAP_SYS_RESOURCE`; it stays as it is, which is stricter.
pub(super) fn set(limits: &Rlimits) -> Result<(), Fault> {
    neutral_oom_score()?;
    for resource in ZERO {
        setrlimit(resource, 0, 0).during("setrlimit", &format!("{resource:?}"))?;
    }
    setrlimit(Resource::RLIMIT_CORE, CORE_BYTES, CORE_BYTES).during("setrlimit", "RLIMIT_CORE")?;
    for (resource, value) in values(limits) {
        let (_, hard) = getrlimit(resource).during("getrlimit", &format!("{resource:?}"))?;
        let value = value.min(hard);
        setrlimit(resource, value, value).during("setrlimit", &format!("{resource:?}"))?;
    }
    Ok(())
}

/// Reads every limit back, in the shape of a plan.
pub(super) fn read() -> Result<Rlimits, Fault> {
    let hard = |resource: Resource| {
        getrlimit(resource).during("getrlimit", &format!("{resource:?}")).map(|(_, hard)| hard)
    };
    read_back_core()?;
    Ok(Rlimits {
        open_files: hard(Resource::RLIMIT_NOFILE)?,
        file_bytes: hard(Resource::RLIMIT_FSIZE)?,
        processes: hard(Resource::RLIMIT_NPROC)?,
        cpu_seconds: hard(Resource::RLIMIT_CPU)?,
        stack_bytes: hard(Resource::RLIMIT_STACK)?,
        pending_signals: hard(Resource::RLIMIT_SIGPENDING)?,
    })
}

/// From `/proc/self/limits`: the filter that is in force by now refuses the call for this one limit.
fn read_back_core() -> Result<(), Fault> {
    const PATH: &str = "/proc/self/limits";
    let text = proc_text(PATH).during("read", PATH)?;
    let mut fields = text
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap_or_default()
        .split_whitespace()
        .map(|field| field.parse() == Ok(CORE_BYTES));
    match (fields.next(), fields.next()) {
        (Some(true), Some(true)) => Ok(()),
        _ => Err(Fault::new("read back", "RLIMIT_CORE", Errno::EPROTO)),
    }
}

/// Whether no limit is looser than the plan's.
pub(super) fn within(found: &Rlimits, plan: &Rlimits) -> bool {
    values(found).iter().zip(values(plan)).all(|((_, found), (_, plan))| *found <= plan)
}

/// A supervisor protected from the out-of-memory killer would pass its protection on, and with it make the
/// job's memory limit useless. Zero is neutral: a job is neither spared nor the host's first victim.
fn neutral_oom_score() -> Result<(), Fault> {
    const PATH: &str = "/proc/self/oom_score_adj";
    let inherited: i32 = proc_text(PATH).during("read", PATH)?.trim().parse().unwrap_or(-1000);
    if inherited >= 0 {
        return Ok(());
    }
    File::options().write(true).open(PATH).and_then(|mut file| file.write_all(b"0")).during("write", PATH)
}

//! Reading back what is in force in this container.

use std::fs::{read_dir, read_to_string};
use std::io;

use nix::errno::Errno;
use nix::unistd::{getegid, geteuid};
use stockade_inside::{Status, mounts, namespaces};
use stockade_plan::{ContainerEvidence, List};

use crate::cgroup::Group;
use crate::job::Fault;

const LIMITS: &str = "/proc/self/limits";

/// Reads everything.
pub(crate) fn read() -> Result<ContainerEvidence, Fault> {
    let status = Status::read()?;
    let limits = read_to_string(LIMITS).map_err(|error| Fault::io(format!("read `{LIMITS}`"), &error))?;
    Ok(ContainerEvidence {
        namespaces: namespaces()?,
        ids: (geteuid().as_raw(), getegid().as_raw()),
        groups: bounded("groups", status.groups()?)?,
        capabilities: status.capabilities()?,
        no_new_privs: status.number("NoNewPrivs")? == 1,
        seccomp_mode: status.number("Seccomp")?,
        seccomp_filters: status.number("Seccomp_filters").ok(),
        module: module(),
        mounts: bounded("mounts", mounts()?)?,
        limits: Group::find().limits(),
        open_files: limit(&limits, "Max open files")?,
        core_bytes: limit(&limits, "Max core file size")?,
        interfaces: bounded("network interfaces", names("/sys/class/net")?)?,
        // There is none yet.
        network: None,
        descriptors: bounded("descriptors", descriptors()?)?,
    })
}

fn bounded<T, const MAX: usize>(what: &str, items: Vec<T>) -> Result<List<T, MAX>, Fault> {
    items.try_into().map_err(|bound| Fault::new(format!("tell of {what}: {bound}"), Errno::E2BIG))
}

/// What a security module calls this process's confinement; empty where there is none.
fn module() -> Option<String> {
    let text = read_to_string("/proc/self/attr/current").ok()?;
    let text = text.trim_end_matches(['\n', '\0']);
    (!text.is_empty()).then(|| text.chars().take(128).collect())
}

/// Soft and hard; `unlimited` is the largest number. A job's filter refuses even to ask for some of them.
fn limit(limits: &str, name: &str) -> Result<(u64, u64), Fault> {
    let malformed = || Fault::new(format!("read `{name}` of `{LIMITS}`"), Errno::EBADMSG);
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(malformed)?;
    let mut numbers = line
        .split_whitespace()
        .map(|text| if text == "unlimited" { Some(u64::MAX) } else { text.parse().ok() });
    numbers.next().flatten().zip(numbers.next().flatten()).ok_or_else(malformed)
}

fn names(path: &str) -> Result<Vec<String>, Fault> {
    let fault = |error: &io::Error| Fault::io(format!("list `{path}`"), error);
    let mut names = Vec::new();
    for entry in read_dir(path).map_err(|error| fault(&error))? {
        names.push(entry.map_err(|error| fault(&error))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Those of the engine's making, and one that is open only to list them.
fn descriptors() -> Result<Vec<u32>, Fault> {
    let mut found: Vec<u32> = names("/proc/self/fd")?.iter().filter_map(|name| name.parse().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

//! Reading back what is in force in this container.

use std::fs::{metadata, read_dir, read_to_string};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getegid, geteuid};
use stockade_plan::{ContainerEvidence, List, Mounted, Namespaces};

use crate::cgroup::Group;
use crate::steps::Fault;

const MOUNTS: [&str; 5] = ["/", "/job", "/tmp", "/dev/shm", "/proc"];
const STATUS: &str = "/proc/self/status";
const LIMITS: &str = "/proc/self/limits";

/// Reads everything.
pub(crate) fn read() -> Result<ContainerEvidence, Fault> {
    let status = read_to_string(STATUS).map_err(|error| Fault::io(format!("read `{STATUS}`"), &error))?;
    let limits = read_to_string(LIMITS).map_err(|error| Fault::io(format!("read `{LIMITS}`"), &error))?;
    let mut capabilities = [0; 5];
    for (value, name) in capabilities.iter_mut().zip(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
        let text = field(&status, name)?;
        *value = u64::from_str_radix(text, 16).map_err(|_| malformed(name))?;
    }
    let groups: Vec<u32> =
        field(&status, "Groups")?.split_whitespace().filter_map(|group| group.parse().ok()).collect();
    Ok(ContainerEvidence {
        namespaces: namespaces()?,
        ids: (geteuid().as_raw(), getegid().as_raw()),
        groups: bounded("groups", groups)?,
        capabilities,
        no_new_privs: number(&status, "NoNewPrivs")? == 1,
        seccomp_mode: number(&status, "Seccomp")?,
        seccomp_filters: number(&status, "Seccomp_filters").ok(),
        module: module(),
        mounts: bounded("mounts", MOUNTS.iter().map(|path| mounted(path)).collect::<Result<_, _>>()?)?,
        limits: Group::find().limits(),
        open_files: limit(&limits, "Max open files")?,
        core_bytes: limit(&limits, "Max core file size")?,
        interfaces: bounded("network interfaces", names("/sys/class/net")?)?,
        // There is none yet.
        network: None,
        descriptors: bounded("descriptors", descriptors()?)?,
    })
}

fn field<'s>(status: &'s str, name: &str) -> Result<&'s str, Fault> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .ok_or_else(|| malformed(name))
}

fn number(status: &str, name: &str) -> Result<u32, Fault> {
    field(status, name)?.parse().map_err(|_| malformed(name))
}

fn malformed(name: &str) -> Fault {
    Fault::new(format!("read `{name}` of `{STATUS}`"), Errno::EBADMSG)
}

fn bounded<T, const MAX: usize>(what: &str, items: Vec<T>) -> Result<List<T, MAX>, Fault> {
    items.try_into().map_err(|bound| Fault::new(format!("tell of {what}: {bound}"), Errno::E2BIG))
}

fn namespaces() -> Result<Namespaces, Fault> {
    let inode = |name: &str| {
        let path = format!("/proc/self/ns/{name}");
        metadata(&path)
            .map(|found| found.ino())
            .map_err(|error| Fault::io(format!("look at `{path}`"), &error))
    };
    Ok(Namespaces {
        user: inode("user")?,
        mnt: inode("mnt")?,
        pid: inode("pid")?,
        net: inode("net")?,
        ipc: inode("ipc")?,
        uts: inode("uts")?,
        cgroup: inode("cgroup")?,
    })
}

/// What a security module calls this process's confinement; empty where there is none.
fn module() -> Option<String> {
    let text = read_to_string("/proc/self/attr/current").ok()?;
    let text = text.trim_end_matches(['\n', '\0']);
    (!text.is_empty()).then(|| text.chars().take(128).collect())
}

fn mounted(path: &str) -> Result<Mounted, Fault> {
    let found = statvfs(path).map_err(|errno| Fault::new(format!("statvfs `{path}`"), errno))?;
    let flags = found.flags();
    Ok(Mounted {
        path: path.to_owned(),
        read_only: flags.contains(FsFlags::ST_RDONLY),
        nosuid: flags.contains(FsFlags::ST_NOSUID),
        nodev: flags.contains(FsFlags::ST_NODEV),
        noexec: flags.contains(FsFlags::ST_NOEXEC),
        size_bytes: found.blocks().saturating_mul(found.fragment_size()),
        inodes: found.files(),
    })
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

//! Reading back what is in force in this container.

use std::fs::{metadata, read_dir, read_to_string};
use std::io;

use nix::errno::Errno;
use nix::unistd::{getegid, geteuid};
use rustix::fs::{Access, access};
use rustix::process::{Pid, getsid};
use stockade_inside::{Status, mount_at, mounts, namespaces};
use stockade_plan::{ContainerEvidence, List, Mounted, SECCOMP_MARK, SECCOMP_MARKS};

use crate::cgroup::Group;
use crate::job::Fault;

const LIMITS: &str = "/proc/self/limits";
const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Reads everything.
pub(crate) fn read() -> Result<ContainerEvidence, Fault> {
    let status = Status::read()?;
    let no_new_privs = status.number("NoNewPrivs")? == 1;
    let mounts = mounts()?;
    let limits = read_to_string(LIMITS).map_err(|error| Fault::io(format!("read `{LIMITS}`"), &error))?;
    Ok(ContainerEvidence {
        namespaces: namespaces()?,
        ids: (geteuid().as_raw(), getegid().as_raw()),
        groups: bounded("groups", status.groups()?)?,
        capabilities: status.capabilities()?,
        no_new_privs,
        seccomp_mode: status.number("Seccomp")?,
        seccomp_filters: status.number("Seccomp_filters").ok(),
        seccomp_mark: seccomp_mark(),
        module: module(),
        writable: bounded("writable mounts", writable(&mounts)?)?,
        mounts: bounded("mounts", mounts)?,
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

/// What only the job's own profile answers so.
fn seccomp_mark() -> Option<u16> {
    let answered = getsid(Pid::from_raw(SECCOMP_MARK)).err()?;
    u16::try_from(answered.raw_os_error()).ok().filter(|errno| SECCOMP_MARKS.contains(errno))
}

/// Engines mount more than they are asked for. The queues of `mqueue` have a limit of their own; mq_overview(7).
fn writable(known: &[Mounted]) -> Result<Vec<Mounted>, Fault> {
    let text = read_to_string(MOUNTINFO).map_err(|error| Fault::io(format!("read `{MOUNTINFO}`"), &error))?;
    let others = text.lines().filter_map(mount_of).filter(|(path, kind)| {
        let is_directory = metadata(path).is_ok_and(|found| found.is_dir());
        !known.iter().any(|known| known.path == *path) && *kind != "mqueue" && is_directory
    });
    let paths = others.map(|(path, _)| path).filter(|path| access(path, Access::WRITE_OK).is_ok());
    let look = |path: String| mount_at(&path).map_err(|errno| Fault::new(format!("look at `{path}`"), errno));
    paths.map(look).collect()
}

/// Mount point and type of a file system, of a line of proc_pid_mountinfo(5).
fn mount_of(line: &str) -> Option<(String, &str)> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let path = mount.split(' ').nth(4)?;
    // So it is written there.
    let path = [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", r"\")]
        .iter()
        .fold(path.to_owned(), |path, (octal, plain)| path.replace(octal, plain));
    Some((path, filesystem.split(' ').next()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_known_by_its_point_and_its_type() {
        let line = r"90 79 0:50 / /var/my\040tmp rw,nosuid shared:3 - tmpfs tmpfs rw,size=8k";
        assert_eq!(mount_of(line), Some(("/var/my tmp".to_owned(), "tmpfs")));
        assert_eq!(mount_of("90 79 0:50 / /x rw"), None);
    }

    #[test]
    fn without_a_profile_of_ours_there_is_no_mark() {
        assert_eq!(seccomp_mark(), None);
    }
}

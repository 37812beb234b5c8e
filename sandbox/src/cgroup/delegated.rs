//! A part of the cgroup2 hierarchy that the host's manager has given to this service.

use std::path::{Component, Path, PathBuf};

use super::CgroupError;
use super::file::{make_directory_if_missing, read, read_proc, write};

/// How systemd marks a group that it has delegated, as a user's and as root's attribute;
/// <https://systemd.io/CGROUP_DELEGATION/>.
const MARKS: [&str; 2] = ["user.delegate", "trusted.delegate"];
/// Where the service's own processes go, as a group with processes hands no controllers down: "No Internal Process
/// Constraint", cgroup-v2.rst.
const OWN: &str = "supervisor";
/// A process that forks while it is moved leaves a child behind for the next round.
const ROUNDS: u32 = 100;

/// The group that has been delegated to this process: its own, or, as with `DelegateSubgroup=`, the one above. One
/// farther up is another service's to use.
pub(super) fn find(unified: &Path) -> Option<PathBuf> {
    let text = read_proc("/proc/self/cgroup").ok()?;
    candidates(&text).map(|group| unified.join(group)).find(|group| is_marked(group))
}

/// From `/proc/self/cgroup`, cgroups(7). Above the root of this process's namespace there is nothing to find.
fn candidates(text: &str) -> impl Iterator<Item = &Path> {
    let own = text.lines().find_map(|line| line.strip_prefix("0::/")).map(Path::new);
    let within = own.filter(|own| own.components().all(|part| matches!(part, Component::Normal(_))));
    within.into_iter().flat_map(|own| own.ancestors().take(2)).filter(|group| !group.as_os_str().is_empty())
}

fn is_marked(group: &Path) -> bool {
    let mut value = [0; 8];
    MARKS.iter().any(|mark| {
        rustix::fs::getxattr(group, *mark, &mut value).is_ok_and(|len| value.get(..len) == Some(b"1"))
    })
}

/// Moves every process of the group, which are all this service's, into one of its own beneath it.
pub(super) fn make_room(group: &Path) -> Result<(), CgroupError> {
    let own = group.join(OWN);
    make_directory_if_missing(&own)?;
    for _ in 0..ROUNDS {
        let processes = read(group, "cgroup.procs")?;
        if processes.is_empty() {
            return Ok(());
        }
        for process in processes.lines() {
            match write(&own, "cgroup.procs", process) {
                // It has ended.
                Err(CgroupError::File { source, .. })
                    if source.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
                moved => moved?,
            }
        }
    }
    Err(CgroupError::File {
        what: "empty",
        path: group.join("cgroup.procs"),
        source: std::io::ErrorKind::ResourceBusy.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_group_and_the_one_above_are_looked_at() {
        let of = |text| candidates(text).map(|group| group.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            of("1:cpu:/x\n0::/system.slice/stockade.service/supervisor\n"),
            ["system.slice/stockade.service/supervisor", "system.slice/stockade.service"]
        );
        assert_eq!(of("0::/stockade.service"), ["stockade.service"]);
        for nowhere in ["0::/", "0::/../other.service", "1:memory:/x", ""] {
            assert_eq!(of(nowhere), Vec::<String>::new(), "{nowhere}");
        }
    }

    #[test]
    fn a_directory_without_a_mark_is_not_delegated() {
        assert!(!is_marked(tempfile::tempdir().unwrap().path()));
    }
}

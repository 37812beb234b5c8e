//! Finding the hierarchies of this host.

use std::path::{Path, PathBuf};

use super::{CgroupError, Controller, Hierarchy};

/// Mount points, from `/proc/self/mountinfo`; proc_pid_mountinfo(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mounts {
    pub(super) unified: PathBuf,
    /// Each controller, where it sits, and the mount point of its hierarchy.
    pub(super) controllers: Vec<(Controller, Hierarchy, PathBuf)>,
}

impl Mounts {
    pub(super) fn find() -> Result<Self, CgroupError> {
        let path = Path::new("/proc/self/mountinfo");
        let text = std::fs::read_to_string(path).map_err(|source| CgroupError::File {
            what: "read",
            path: path.to_owned(),
            source,
        })?;
        let mounts: Vec<Mount> = text.lines().filter_map(Mount::parse).collect();
        let unified = mounts.iter().find(|mount| mount.kind == "cgroup2").ok_or(CgroupError::NoUnified)?;
        let in_unified = super::file::read(&unified.point, "cgroup.controllers")?;
        Self::assign(&mounts, &unified.point, &in_unified)
    }

    /// Each controller that this host has, and where it sits; nothing without a cgroup2 hierarchy.
    pub(super) fn present() -> Vec<(Controller, Hierarchy)> {
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mounts: Vec<Mount> = text.lines().filter_map(Mount::parse).collect();
        let Some(unified) = mounts.iter().find(|mount| mount.kind == "cgroup2") else { return Vec::new() };
        let in_unified = super::file::read(&unified.point, "cgroup.controllers").unwrap_or_default();
        let place = |controller| place(&mounts, &unified.point, &in_unified, controller);
        Controller::ALL
            .into_iter()
            .filter_map(place)
            .map(|(controller, place, _)| (controller, place))
            .collect()
    }

    fn assign(mounts: &[Mount], unified: &Path, in_unified: &str) -> Result<Self, CgroupError> {
        let place = |controller: Controller| {
            place(mounts, unified, in_unified, controller).ok_or(CgroupError::NoController(controller.name()))
        };
        let controllers = Controller::ALL.into_iter().map(place).collect::<Result<_, _>>()?;
        Ok(Self { unified: unified.to_owned(), controllers })
    }
}

/// Where a controller sits, if it is anywhere.
fn place(
    mounts: &[Mount],
    unified: &Path,
    in_unified: &str,
    controller: Controller,
) -> Option<(Controller, Hierarchy, PathBuf)> {
    if in_unified.split_whitespace().any(|name| name == controller.name()) {
        return Some((controller, Hierarchy::V2, unified.to_owned()));
    }
    let v1 = mounts.iter().find(|mount| mount.kind == "cgroup" && mount.has_option(controller.name()))?;
    Some((controller, Hierarchy::V1, v1.point.clone()))
}

struct Mount {
    kind: String,
    point: PathBuf,
    options: String,
}

impl Mount {
    /// One line, if it mounts the root of a hierarchy (and not some group of it).
    fn parse(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ').skip(3);
        let root = fields.next()?;
        let point = PathBuf::from(unescape(fields.next()?));
        let mut after = after.split(' ');
        let kind = after.next()?.to_owned();
        let options = after.nth(1)?.to_owned();
        (root == "/").then_some(Self { kind, point, options })
    }

    fn has_option(&self, name: &str) -> bool {
        self.options.split(',').any(|option| option == name)
    }
}

/// Space, tab, newline and backslash are written as octal escapes.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSITION: &str = "\
30 23 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 23 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 23 0:29 / /sys/fs/cgroup/my\\040unified rw shared:5 - cgroup2 cgroup2 rw,nsdelegate
34 23 0:26 /docker/x /elsewhere rw - cgroup cgroup rw,memory";

    fn mounts(text: &str) -> Vec<Mount> {
        text.lines().filter_map(Mount::parse).collect()
    }

    #[test]
    fn controllers_are_taken_from_where_they_sit() {
        let unified = Path::new("/sys/fs/cgroup/my unified");
        let found = Mounts::assign(&mounts(TRANSITION), unified, "cpu io").unwrap();
        assert_eq!(
            found.controllers,
            [
                (Controller::Memory, Hierarchy::V1, PathBuf::from("/sys/fs/cgroup/memory")),
                (Controller::Pids, Hierarchy::V1, PathBuf::from("/sys/fs/cgroup/pids")),
                (Controller::Cpu, Hierarchy::V2, unified.to_owned()),
            ]
        );
    }

    #[test]
    fn a_missing_controller_is_named() {
        let without =
            TRANSITION.lines().filter(|line| !line.ends_with("pids")).collect::<Vec<_>>().join("\n");
        let error = Mounts::assign(&mounts(&without), Path::new("/u"), "").unwrap_err();
        assert!(matches!(error, CgroupError::NoController("pids")));
    }

    #[test]
    fn escaped_mount_points_are_unescaped() {
        let unified = mounts(TRANSITION).into_iter().find(|mount| mount.kind == "cgroup2").unwrap();
        assert_eq!(unified.point, Path::new("/sys/fs/cgroup/my unified"));
    }
}

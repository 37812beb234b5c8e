//! Finding the hierarchies of this host.

use std::path::{Path, PathBuf};

use super::{CgroupError, Controller, Hierarchy};

/// Mount points, from `/proc/self/mountinfo`; proc_pid_mountinfo(5).
#[derive(Debug)]
pub(super) struct Mounts {
    pub(super) unified: PathBuf,
    all: Vec<Mount>,
}

/// A controller, where it sits, and a directory there.
pub(super) type Placed = (Controller, Hierarchy, PathBuf);

/// The cgroup2 directory and those of the controllers: each once, though controllers may share a hierarchy.
pub(super) fn directories<'a>(unified: &'a PathBuf, controllers: &'a [Placed]) -> Vec<&'a PathBuf> {
    let mut all: Vec<_> = controllers.iter().map(|(_, _, path)| path).chain([unified]).collect();
    all.sort();
    all.dedup();
    all
}

impl Mounts {
    pub(super) fn find() -> Result<Self, CgroupError> {
        let text = super::file::read_proc("/proc/self/mountinfo")?;
        let all: Vec<Mount> = text.lines().filter_map(Mount::parse).collect();
        let unified = all.iter().find(|mount| mount.kind == "cgroup2").ok_or(CgroupError::NoUnified)?;
        Ok(Self { unified: unified.point.clone(), all })
    }

    /// Each controller that a job is limited by, where it sits, and the mount point of its hierarchy. In cgroup2 those
    /// count that `group` can hand down.
    pub(super) fn controllers(&self, group: &Path) -> Result<Vec<Placed>, CgroupError> {
        self.assign(&super::file::read(group, "cgroup.controllers")?)
    }

    /// What there is of [`Mounts::controllers`].
    pub(super) fn present(&self, group: &Path) -> Vec<Placed> {
        let in_unified = super::file::read(group, "cgroup.controllers").unwrap_or_default();
        Controller::ALL.into_iter().filter_map(|controller| self.place(&in_unified, controller)).collect()
    }

    fn assign(&self, in_unified: &str) -> Result<Vec<Placed>, CgroupError> {
        let place = |controller: Controller| match self.place(in_unified, controller) {
            None if controller.is_required() => Some(Err(CgroupError::NoController(controller.name()))),
            placed => placed.map(Ok),
        };
        Controller::ALL.into_iter().filter_map(place).collect()
    }

    /// Where a controller sits, if it is anywhere.
    fn place(&self, in_unified: &str, controller: Controller) -> Option<Placed> {
        if in_unified.split_whitespace().any(|name| name == controller.name()) {
            return Some((controller, Hierarchy::V2, self.unified.clone()));
        }
        let of_v1 = |mount: &&Mount| mount.kind == "cgroup" && mount.has_option(controller.v1_name());
        Some((controller, Hierarchy::V1, self.all.iter().find(of_v1)?.point.clone()))
    }
}

#[derive(Debug)]
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
35 23 0:30 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
33 23 0:29 / /sys/fs/cgroup/my\\040unified rw shared:5 - cgroup2 cgroup2 rw,nsdelegate
34 23 0:26 /docker/x /elsewhere rw - cgroup cgroup rw,memory";

    fn mounts(text: &str) -> Mounts {
        let all: Vec<Mount> = text.lines().filter_map(Mount::parse).collect();
        let unified = all.iter().find(|mount| mount.kind == "cgroup2").unwrap().point.clone();
        Mounts { unified, all }
    }

    #[test]
    fn controllers_are_taken_from_where_they_sit() {
        let found = mounts(TRANSITION).assign("cpu").unwrap();
        assert_eq!(
            found,
            [
                (Controller::Memory, Hierarchy::V1, PathBuf::from("/sys/fs/cgroup/memory")),
                (Controller::Pids, Hierarchy::V1, PathBuf::from("/sys/fs/cgroup/pids")),
                (Controller::Cpu, Hierarchy::V2, PathBuf::from("/sys/fs/cgroup/my unified")),
                (Controller::Io, Hierarchy::V1, PathBuf::from("/sys/fs/cgroup/blkio")),
            ]
        );
    }

    #[test]
    fn a_missing_controller_is_named_and_one_that_few_jobs_need_may_be_missing() {
        let without = |name| {
            let rest: Vec<_> = TRANSITION.lines().filter(|line| !line.ends_with(name)).collect();
            mounts(&rest.join("\n")).assign("")
        };
        assert!(matches!(without("pids"), Err(CgroupError::NoController("pids"))));
        assert_eq!(without("blkio").unwrap().len(), 3);
    }

    #[test]
    fn escaped_mount_points_are_unescaped() {
        assert_eq!(mounts(TRANSITION).unified, Path::new("/sys/fs/cgroup/my unified"));
    }
}

//! The disks that a job reads from when it reads what its view shows.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use rustix::fs::{major, makedev, minor, stat};
use stockade_plan::{Entry, View};

use super::CgroupError;

/// File systems that are memory: nothing of theirs is on a disk, and jobs have no swap.
const IN_MEMORY: [&str; 5] = ["tmpfs", "ramfs", "devtmpfs", "proc", "sysfs"];

/// A whole disk, by its number. Shown as `io.max` has it, cgroup-v2.rst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Disk {
    major: u32,
    minor: u32,
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// Every disk behind the files and directories that the view binds. A bind has no mounts beneath it, so the file system of
/// its source is all there is. One whose disk cannot be told is an error: its reads could not be limited.
pub(super) fn behind(view: &View) -> Result<BTreeSet<Disk>, CgroupError> {
    let sources = view.entries.iter().filter_map(|entry| match entry {
        Entry::Bind { source, .. } => Some(Path::new(source.as_str())),
        _ => None,
    });
    let mut devices = BTreeSet::new();
    let mut disks = BTreeSet::new();
    for source in sources {
        let device =
            stat(source).map_err(|errno| unknown(source, &std::io::Error::from(errno).to_string()))?.st_dev;
        if devices.insert(device) {
            disks.extend(disk_of(source, device)?);
        }
    }
    Ok(disks)
}

/// The disk of the file system with this number; `None` if it is in memory.
fn disk_of(source: &Path, device: u64) -> Result<Option<Disk>, CgroupError> {
    if major(device) != 0 {
        return whole(source, device).map(Some);
    }
    let mounted =
        mounted(device).ok_or_else(|| unknown(source, "it is on no file system that is mounted here"))?;
    if IN_MEMORY.contains(&mounted.kind.as_str()) {
        return Ok(None);
    }
    // One file system with a number of its own on one disk, such as btrfs.
    let on = stat(&mounted.source).ok().map(|found| found.st_rdev).filter(|device| major(*device) != 0);
    let on = on
        .ok_or_else(|| unknown(source, &format!("a file system of kind `{}` is on no disk", mounted.kind)))?;
    whole(source, on).map(Some)
}

/// Of a partition the disk that it is on: limits are for whole disks.
fn whole(source: &Path, device: u64) -> Result<Disk, CgroupError> {
    let entry = PathBuf::from(format!("/sys/dev/block/{}:{}", major(device), minor(device)));
    let read = |path: PathBuf| {
        std::fs::read_to_string(&path)
            .map_err(|error| unknown(source, &format!("cannot read `{}`: {error}", path.display())))
    };
    let is_partition = std::fs::symlink_metadata(entry.join("partition")).is_ok();
    let number = read(if is_partition { entry.join("../dev") } else { entry.join("dev") })?;
    let parsed = number.trim().split_once(':').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let (major, minor) =
        parsed.ok_or_else(|| unknown(source, &format!("`{number}` is no number of a disk")))?;
    Ok(Disk { major, minor })
}

/// What is mounted with this number.
struct Mounted {
    kind: String,
    source: PathBuf,
}

fn mounted(device: u64) -> Option<Mounted> {
    find_mounted(&super::file::read_proc("/proc/self/mountinfo").ok()?, device)
}

/// From `/proc/self/mountinfo`, proc_pid_mountinfo(5): the number is its third field.
fn find_mounted(text: &str, device: u64) -> Option<Mounted> {
    text.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let (a, b) = before.split(' ').nth(2)?.split_once(':')?;
        let mut after = after.split(' ');
        let mounted = Mounted { kind: after.next()?.to_owned(), source: PathBuf::from(after.next()?) };
        (makedev(a.parse().ok()?, b.parse().ok()?) == device).then_some(mounted)
    })
}

fn unknown(source: &Path, why: &str) -> CgroupError {
    CgroupError::NoDisk { path: source.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stockade_plan::AbsPath;

    fn bind(path: &str) -> View {
        let [source, path] = [path, "/shown"].map(|path| AbsPath::new(path).unwrap());
        View { entries: vec![Entry::Bind { source, path, executable: false }].try_into().unwrap() }
    }

    #[test]
    fn what_is_in_memory_is_on_no_disk() {
        assert!(behind(&bind("/proc/version")).unwrap().is_empty());
    }

    #[test]
    fn the_disk_of_a_file_is_a_whole_one() {
        let own = std::env::current_exe().unwrap();
        // In a container the file may be on no disk that can be told, and then that is said.
        match behind(&bind(own.to_str().unwrap())) {
            Ok(disks) => {
                let there = |path: String| std::fs::symlink_metadata(path).is_ok();
                let is_whole = |disk: &Disk| !there(format!("/sys/dev/block/{disk}/partition"));
                assert!(
                    disks.iter().all(|disk| there(format!("/sys/dev/block/{disk}/dev")) && is_whole(disk))
                );
            }
            Err(error) => assert!(error.to_string().contains("disk"), "{error}"),
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        assert!(matches!(behind(&bind("/absent/file")), Err(CgroupError::NoDisk { .. })));
    }

    #[test]
    fn a_file_system_is_found_by_its_number() {
        let text = "\
22 1 0:23 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/l\n\
30 22 0:41 /sub /data rw - btrfs /dev/vdb rw";
        let found = find_mounted(text, makedev(0, 41)).unwrap();
        assert_eq!((found.kind.as_str(), found.source.to_str()), ("btrfs", Some("/dev/vdb")));
        assert!(find_mounted(text, makedev(0, 42)).is_none());
    }
}

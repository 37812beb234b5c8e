//! Removing what a worker that was killed has left: its jobs' processes and groups.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::CgroupError;
use super::file::{keyed, read, read_proc, write};

/// How long killed processes may take to disappear.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// The name of a worker's group: its pid and the moment it started, so that a pid used again is not mistaken
/// for the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WorkerName {
    pid: i32,
    /// Clock ticks since boot; field 22 of `/proc/PID/stat`, proc_pid_stat(5).
    started: u64,
}

impl WorkerName {
    pub(super) fn of_this_process(pid: i32) -> Self {
        Self { pid, started: start_time(pid).unwrap_or(0) }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let (pid, started) = name.strip_prefix("w-")?.split_once('-')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }

    fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.started)
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w-{}-{}", self.pid, self.started)
    }
}

/// When a process that is alive started.
fn start_time(pid: i32) -> Option<u64> {
    let stat = read_proc(&format!("/proc/{pid}/stat")).ok()?;
    // The command in brackets may itself contain brackets and spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // A zombie has ended; only its parent has not looked yet.
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// Kills and removes the groups of workers that are no longer alive, under each of `parents`.
pub(super) fn sweep(unified: &Path, parents: &[&PathBuf]) -> Result<(), CgroupError> {
    let mut known = BTreeMap::new();
    for parent in parents {
        for dead in dead_workers(parent, &mut known)? {
            unless_gone(kill_and_wait(&unified.join(&dead)))?;
            unless_gone(remove_tree(&parent.join(&dead)))?;
        }
    }
    Ok(())
}

/// Who else starts at this moment sweeps too: a group that is gone is what both want. The kernel says ENOENT where one
/// is no longer found, and ENODEV where it went while its file was open (`kernfs_get_active`, fs/kernfs).
fn unless_gone(swept: Result<(), CgroupError>) -> Result<(), CgroupError> {
    match swept {
        Err(CgroupError::File { source, .. })
            if [Errno::NOENT, Errno::NODEV]
                .map(|gone| Some(gone.raw_os_error()))
                .contains(&source.raw_os_error()) =>
        {
            Ok(())
        }
        swept => swept,
    }
}

/// Those below `parent`. A worker has a group in each hierarchy: whether it is `known` to be alive is asked once.
fn dead_workers(parent: &Path, known: &mut BTreeMap<WorkerName, bool>) -> Result<Vec<String>, CgroupError> {
    let mut dead = subdirectories(parent)?;
    dead.retain(|name| {
        WorkerName::parse(name)
            .is_some_and(|worker| !*known.entry(worker).or_insert_with(|| worker.is_alive()))
    });
    Ok(dead)
}

fn kill_and_wait(group: &Path) -> Result<(), CgroupError> {
    write(group, "cgroup.kill", "1")?;
    for _ in 0..TRIES {
        if keyed(&read(group, "cgroup.events")?, "populated") == Some(0) {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Removes a worker's group and its jobs' groups; two levels, never more.
fn remove_tree(worker: &Path) -> Result<(), CgroupError> {
    for job in subdirectories(worker)? {
        remove(&worker.join(job))?;
    }
    remove(worker)
}

fn remove(path: &Path) -> Result<(), CgroupError> {
    let mut last = None;
    for _ in 0..TRIES {
        match std::fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => last = Some(error),
        }
        std::thread::sleep(PAUSE);
    }
    let source = last.unwrap_or_else(|| std::io::ErrorKind::ResourceBusy.into());
    Err(CgroupError::File { what: "remove", path: path.to_owned(), source })
}

fn subdirectories(path: &Path) -> Result<Vec<String>, CgroupError> {
    let failed = |source| CgroupError::File { what: "list", path: path.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_alive_only_with_its_own_start_time() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let this = WorkerName::of_this_process(pid);
        assert!(this.is_alive());
        assert_eq!(WorkerName::parse(&this.to_string()), Some(this));
        assert!(!WorkerName { started: this.started + 1, ..this }.is_alive());
    }

    #[test]
    fn who_starts_at_the_same_time_sweeps_the_same_groups_and_neither_fails() {
        let parent = tempfile::tempdir().unwrap();
        // No process has this number: it is above the kernel's largest (`PID_MAX_LIMIT`, linux/threads.h).
        let dead = |round: u32| parent.path().join(format!("w-99999999-{round}"));
        (0..300).for_each(|round| std::fs::create_dir_all(dead(round).join("job")).unwrap());
        let sweep = || sweep(parent.path(), &[&parent.path().to_owned()]);
        let both = std::thread::scope(|scope| {
            [scope.spawn(sweep), scope.spawn(sweep)].map(|one| one.join().unwrap())
        });
        assert!(both.iter().all(Result::is_ok), "{both:?}");
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_group_that_cannot_be_swept_for_another_reason_is_told() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("w-99999999-1"), "").unwrap();
        assert!(unless_gone(remove_tree(&parent.path().join("w-99999999-1"))).is_err());
        assert!(unless_gone(remove_tree(&parent.path().join("w-99999999-2"))).is_ok());
    }

    #[test]
    fn groups_of_others_are_not_taken_for_workers() {
        for name in ["w-1", "w-x-1", "job", "w--", "user.slice"] {
            assert_eq!(WorkerName::parse(name), None, "{name}");
        }
    }
}

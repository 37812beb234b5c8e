//! What a worker's sandboxes could leave behind on the host, counted. What others leave that run beside it is theirs.

use std::path::{Path, PathBuf};

use crate::processes::groups_of_worker;

/// Host ids of jobs; see the launcher's `uids.rs`.
pub(crate) const JOB_IDS: std::ops::Range<u32> = 0x7000_0000..0x7FFF_FFFF;
/// Where launchers of tests build their views.
const RUNTIME_DIR: &str = "/run/stockade";

/// What is there of a worker's, and must be the same before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    worker: u32,
    processes: Vec<String>,
    groups: Vec<PathBuf>,
    mounts: Vec<String>,
}

impl Leftovers {
    /// Looks now, for what this process has had made as a worker.
    pub fn now() -> Self {
        Self::of(std::process::id())
    }

    /// Looks now, for what the worker with this pid has had made, whether it still lives or not.
    pub fn of(worker: u32) -> Self {
        Self { worker, processes: job_processes(worker), groups: job_groups(worker), mounts: mounts() }
    }

    /// Processes under a job's id in a group of the worker's.
    pub fn processes(&self) -> &[String] {
        &self.processes
    }

    /// Waits up to two seconds until there is nothing that was not there `before`.
    pub fn assert_none_since(before: &Self) {
        for _ in 0..200 * crate::slack() {
            if Self::of(before.worker).beyond(before).is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(Self::of(before.worker).beyond(before), Vec::<String>::new(), "something is left");
    }

    /// Waits up to two seconds until there is nothing of a worker that has ended.
    pub fn assert_none_of(worker: u32) {
        let nothing = Self { worker, processes: Vec::new(), groups: Vec::new(), mounts: Vec::new() };
        Self::assert_none_since(&nothing);
    }

    /// What is here and was not there before.
    fn beyond(&self, before: &Self) -> Vec<String> {
        fn new<'a, T: PartialEq>(now: &'a [T], before: &'a [T]) -> impl Iterator<Item = &'a T> {
            now.iter().filter(|one| !before.contains(one))
        }
        let mut beyond: Vec<String> = new(&self.processes, &before.processes).cloned().collect();
        beyond.extend(new(&self.groups, &before.groups).map(|group| group.display().to_string()));
        beyond.extend(new(&self.mounts, &before.mounts).cloned());
        beyond
    }
}

/// Those under a job's id that are in a group of the worker's: its sandboxes' processes are in no other. A test that is a
/// launcher's only caller names its groups after itself as well.
fn job_processes(worker: u32) -> Vec<String> {
    let marks = [format!("/w-{worker}-"), format!("/stockade-test-{worker}-")];
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        let uid = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse::<u32>().ok());
        if !uid.is_some_and(|uid| JOB_IDS.contains(&uid)) {
            continue;
        }
        let groups = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if marks.iter().any(|mark| groups.contains(mark)) {
            let name = status.lines().next().unwrap_or_default();
            found.push(format!("{} {name}", entry.file_name().display()));
        }
    }
    found
}

/// Every job's group of the worker's, in every hierarchy.
fn job_groups(worker: u32) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        groups_of_worker(worker).iter().flat_map(|group| subdirectories(group)).collect();
    found.sort();
    found
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| std::fs::read_dir(path).is_ok()).collect()
}

/// Mounts of a launcher's that have come to the host. Which launcher's does not matter: none ever should.
fn mounts() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().filter(|line| line.contains(RUNTIME_DIR)).map(str::to_owned).collect()
}

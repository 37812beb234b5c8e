//! What a sandbox could leave behind on the host, counted.

use std::path::{Path, PathBuf};

/// Host ids of jobs; see the launcher's `uids.rs`.
pub(crate) const JOB_IDS: std::ops::Range<u32> = 0x7000_0000..0x7FFF_FFFF;

/// Counts that must be the same before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    processes: Vec<String>,
    groups: Vec<PathBuf>,
    mounts: usize,
}

impl Leftovers {
    /// Looks now.
    pub fn now() -> Self {
        Self { processes: job_processes(), groups: groups(), mounts: mounts() }
    }

    /// Processes under a job's id, wherever they come from.
    pub fn processes(&self) -> &[String] {
        &self.processes
    }

    /// Waits up to two seconds until there is nothing that was not there `before`.
    pub fn assert_none_since(before: &Self) {
        for _ in 0..200 * crate::slack() {
            if Self::now().beyond(before).is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(Self::now().beyond(before), Vec::<String>::new(), "something is left");
    }

    /// What is here and was not there before.
    fn beyond(&self, before: &Self) -> Vec<String> {
        let mut new: Vec<String> =
            self.processes.iter().filter(|one| !before.processes.contains(one)).cloned().collect();
        new.extend(
            self.groups
                .iter()
                .filter(|one| !before.groups.contains(one))
                .map(|one| one.display().to_string()),
        );
        if self.mounts > before.mounts {
            new.push(format!("{} mounts", self.mounts - before.mounts));
        }
        new
    }
}

fn job_processes() -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        let uid = status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse::<u32>().ok());
        if uid.is_some_and(|uid| JOB_IDS.contains(&uid)) {
            let name = status.lines().next().unwrap_or_default();
            found.push(format!("{} {name}", entry.file_name().display()));
        }
    }
    found
}

/// Every job's group under any worker's, in every hierarchy.
fn groups() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let points =
        mounts.lines().filter(|line| line.contains(" cgroup")).filter_map(|line| line.split(' ').nth(1));
    let mut found: Vec<PathBuf> = points
        .flat_map(|point| subdirectories(&Path::new(point).join("stockade")))
        .flat_map(|worker| subdirectories(&worker))
        .collect();
    found.sort();
    found
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| std::fs::read_dir(path).is_ok()).collect()
}

fn mounts() -> usize {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count()
}

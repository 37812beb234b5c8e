//! What a worker and its launcher hold while they live, counted from outside. A worker at rest holds the same after ten
//! thousand jobs as after a few.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use crate::processes::{Process, groups_of_worker, processes};

/// A worker at work.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The process that runs jobs.
    pub supervisor: u32,
    /// Its launcher.
    pub launcher: u32,
    /// The host ids of its jobs.
    pub ids: Range<u32>,
}

/// Counts that must be the same whenever the worker rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    supervisor_descriptors: usize,
    launcher_descriptors: usize,
    /// Those that a process of the worker is in, or that the launcher holds on to.
    namespaces: usize,
    /// In the mount namespaces of both.
    mounts: usize,
    groups: usize,
    /// Names of those under the id of a job, or children of the launcher or of the supervisor.
    processes: Vec<String>,
}

impl Holdings {
    /// Whether nothing is left of it.
    pub fn is_empty(&self) -> bool {
        self.namespaces + self.mounts + self.groups + self.processes.len() == 0
    }
}

impl Worker {
    /// The worker of this process, which has a launcher as its child.
    pub fn new(supervisor: u32, ids: Range<u32>) -> Self {
        let is_launcher = |process: &Process| process.name.starts_with("stockade-launch");
        let children = crate::processes::children(supervisor);
        let launcher = children.into_iter().find(is_launcher).expect("a launcher");
        Self { supervisor, launcher: launcher.pid, ids }
    }

    /// What it holds now.
    pub fn holdings(&self) -> Holdings {
        let both = [self.supervisor, self.launcher];
        let mut namespaces: BTreeSet<String> = BTreeSet::new();
        let directories = both.iter().flat_map(|pid| [format!("/proc/{pid}/ns"), format!("/proc/{pid}/fd")]);
        namespaces
            .extend(directories.flat_map(|directory| links(&directory)).filter(|link| is_namespace(link)));
        let mounts = both.iter().map(|pid| std::fs::read_to_string(format!("/proc/{pid}/mountinfo")));
        let others = processes().into_iter().filter(|process| {
            let is_child = process.parent == self.launcher || process.parent == self.supervisor;
            process.pid != self.launcher && (is_child || self.ids.contains(&process.uid))
        });
        Holdings {
            supervisor_descriptors: links(&format!("/proc/{}/fd", self.supervisor)).len(),
            launcher_descriptors: links(&format!("/proc/{}/fd", self.launcher)).len(),
            namespaces: namespaces.len(),
            mounts: mounts.map(|text| text.map_or(0, |text| text.lines().count())).sum(),
            groups: groups_of_worker(self.supervisor).iter().map(with_subgroups).sum(),
            processes: others.map(|process| process.name).collect(),
        }
    }
}

/// Where the links of a directory lead.
fn links(directory: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let links = entries.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.map(|link| link.display().to_string()).collect()
}

/// `mnt:[4026531841]`, namespaces(7). A pipe and a socket are written like that too.
fn is_namespace(link: &str) -> bool {
    ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
        .iter()
        .any(|kind| link.strip_prefix(kind).is_some_and(|rest| rest.starts_with(":[")))
}

/// The group and those in it.
fn with_subgroups(group: &PathBuf) -> usize {
    let Ok(entries) = std::fs::read_dir(group) else { return 0 };
    let is_group = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    1 + entries.flatten().filter(is_group).count()
}

/// Memory that would be free if the process ended, kibibytes: `Pss` of smaps_rollup, proc(5).
pub fn memory_kb(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).expect("Pss");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// How many network namespaces the kernel keeps, whoever holds them: `net_namespace` of slabinfo(5).
pub fn network_namespaces() -> u64 {
    let text = std::fs::read_to_string("/proc/slabinfo").expect("slabinfo");
    let line = text.lines().find_map(|line| line.strip_prefix("net_namespace ")).expect("net_namespace");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

//! Processes, seen from the host.

use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::leftovers::JOB_IDS;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number on the host.
    pub pid: u32,
    /// Whose it is, in the initial user namespace.
    pub uid: u32,
    /// The process that started it.
    pub parent: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its arguments, spaces between them.
    pub arguments: String,
}

/// All that run.
pub fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| read(&entry.path())).collect()
}

fn read(directory: &Path) -> Option<Process> {
    let pid = directory.file_name()?.to_str()?.parse().ok()?;
    let status = std::fs::read_to_string(directory.join("status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next().map(str::to_owned)
    };
    let arguments = std::fs::read(directory.join("cmdline")).ok()?;
    Some(Process {
        pid,
        uid: field("Uid")?.parse().ok()?,
        parent: field("PPid")?.parse().ok()?,
        name: field("Name")?,
        arguments: String::from_utf8_lossy(&arguments).replace('\0', " ").trim().to_owned(),
    })
}

/// Processes under a job's id that have `mark` among their arguments: a test gives each of its jobs a mark of its own,
/// so that it takes no other's for its own.
pub fn job_processes(mark: &str) -> Vec<Process> {
    let is_job = |process: &Process| JOB_IDS.contains(&process.uid) && process.arguments.contains(mark);
    processes().into_iter().filter(is_job).collect()
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<Process> {
    processes().into_iter().filter(|process| process.parent == pid).collect()
}

/// Whether a process is stopped, as by `SIGSTOP`: `T` in stat of proc(5). A job of a test says so that it is ready.
pub fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Sends a signal to a process that a test has started, or that one of those has.
pub fn signal(pid: u32, signal: Signal) {
    let raw = i32::try_from(pid).expect("a pid");
    kill_process(Pid::from_raw(raw).expect("a pid"), signal).expect("signal a process");
}

/// The groups, in every hierarchy, of the worker with this pid.
pub fn groups_of_worker(pid: u32) -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    let points =
        mounts.lines().filter(|line| line.contains(" cgroup")).filter_map(|line| line.split(' ').nth(1));
    let is_its = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("w-{pid}-")))
    };
    points
        .filter_map(|point| std::fs::read_dir(Path::new(point).join("stockade")).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(is_its)
        .collect()
}

//! Control groups from outside: what the kernel's own files say of a job that runs.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use stockade_sandbox::{End, NotRun, RunError};
use stockade_tests::{Leftovers, Rig, Suite, eventually, is_stopped, patience};
use tokio_util::sync::CancellationToken;

const POLICY: &str = "\
policy: grouped
version: 1
description: Limits to be found again.
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {memory_mb: 96, cpu_cores: 0.75, pids: 20, cpu_seconds: 60, wall_seconds: 60}
";

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("every_process_of_a_job_is_in_its_group_in_every_hierarchy", || whole_job(&rig));
    suite.test("the_kernels_files_say_the_limits", || limits_in_files(&rig));
    suite.test("one_process_killed_for_memory_takes_all_with_it", || whole_group_out_of_memory(&rig));
    suite.test("a_job_that_never_stops_forking_is_killed_whole", || fork_storm(&rig));
    rig.close();
}

/// The groups of a process: `controllers:path` of each hierarchy that has something of ours, cgroups(7).
fn groups(pid: u32) -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let split = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':').map(|(names, path)| (names.to_owned(), path.to_owned()))
    };
    text.lines().filter_map(split).filter(|(_, path)| path.contains("stockade/w-")).collect()
}

/// Runs `look` while a job of two processes does nothing.
fn beside_a_job(rig: &Rig, look: impl FnOnce(&[u32])) {
    let cancel = CancellationToken::new();
    let job = rig.start_job(POLICY, &["/bin/sh", "-c", "kill -STOP $$"], &cancel);
    let found = eventually("init and the job", patience(Duration::from_secs(5)), || {
        let found: Vec<u32> = rig.processes().iter().map(|one| one.pid).collect();
        Some(found).filter(|found| found.len() == 2 && found.iter().any(|pid| is_stopped(*pid)))
    });
    look(&found);
    cancel.cancel();
    // Its start may not be known yet.
    match rig.runtime.block_on(job).unwrap() {
        Ok(outcome) => assert_eq!(outcome.end, End::Cancelled),
        Err(not_run) => assert!(not_run.host_uid.is_some(), "{not_run}"),
    }
}

fn whole_job(rig: &Rig) {
    beside_a_job(rig, |found| {
        let of_first = groups(found[0]);
        assert!(found.iter().all(|pid| groups(*pid) == of_first), "{of_first:?}");
        let own = std::process::id();
        let leaf = |(_, path): &(String, String)| {
            let in_worker = path.split_once(&format!("/w-{own}-")).and_then(|(_, rest)| rest.split_once('/'));
            in_worker.is_some_and(|(_, leaf)| leaf.starts_with('j'))
        };
        assert!(!of_first.is_empty() && of_first.iter().all(leaf), "{of_first:?}");
    });
}

fn limits_in_files(rig: &Rig) {
    // As many microseconds of every 100000 as the policy gives, and one process more than it gives: init.
    let (memory, pids, quota) = ((96 << 20).to_string(), "21", "75000");
    beside_a_job(rig, |found| {
        let v2 = file(found[0], "", "cgroup.controllers").map_or(String::new(), |text| text);
        let has = |name: &str| v2.split_whitespace().any(|one| one == name);
        let of = |controller: &str, name: &str| {
            let hierarchy = if has(controller) { "" } else { controller };
            file(found[0], hierarchy, name).unwrap_or_else(|| panic!("no {name}"))
        };
        assert_eq!(of("pids", "pids.max"), pids);
        if has("memory") {
            assert_eq!(of("memory", "memory.max"), memory);
            assert_eq!(
                (of("memory", "memory.swap.max"), of("memory", "memory.oom.group")),
                ("0".into(), "1".into())
            );
        } else {
            assert_eq!(of("memory", "memory.limit_in_bytes"), memory);
            assert_eq!(of("memory", "memory.memsw.limit_in_bytes"), memory);
        }
        match has("cpu") {
            true => assert_eq!(of("cpu", "cpu.max"), format!("{quota} 100000")),
            false => assert_eq!(of("cpu", "cpu.cfs_quota_us"), quota),
        }
    });
}

/// A file of the process's group in the hierarchy of `controller`; that of version 2 has none in its name.
fn file(pid: u32, controller: &str, name: &str) -> Option<String> {
    let (_, path) =
        groups(pid).into_iter().find(|(names, _)| names.split(',').any(|one| one == controller))?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let is_its = |fields: &Vec<&str>| match controller {
        "" => fields[2] == "cgroup2",
        _ => fields[2] == "cgroup" && fields[3].split(',').any(|option| option == controller),
    };
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(is_its)?;
    let text = std::fs::read_to_string(PathBuf::from(mount[1]).join(path.trim_start_matches('/')).join(name))
        .ok()?;
    Some(text.trim().to_owned())
}

/// The parent would go on without its child for longer than the job may take.
fn whole_group_out_of_memory(rig: &Rig) {
    let before = Leftovers::now();
    let greedy = "import os, time\nif os.fork() == 0: bytearray(1 << 30)\nos.wait()\ntime.sleep(60)";
    let outcome = rig.run(POLICY, &["/usr/bin/python3", "-c", greedy]);
    assert_eq!(outcome.end, End::OutOfMemory);
    assert!(outcome.denials.iter().any(|denial| denial.what == "out_of_memory"), "{:?}", outcome.denials);
    Leftovers::assert_none_since(&before);
}

fn fork_storm(rig: &Rig) {
    let before = Leftovers::now();
    let storm = "\
import os
while True:
  try:
    if os.fork() == 0: os.setsid()
  except OSError: pass";
    // Init has to share the job's processors with the storm, and may not have said yet that the job has begun.
    let known = (0..5).any(|_| {
        let cancel = CancellationToken::new();
        let job = rig.start_job(POLICY, &["/usr/bin/python3", "-c", storm], &cancel);
        // Init is not counted against the job's own limit.
        let full = || (rig.processes().len() > 20).then_some(());
        eventually("as many processes as there may be", patience(Duration::from_secs(10)), full);
        cancel.cancel();
        let ended = rig.runtime.block_on(job).unwrap();
        Leftovers::assert_none_since(&before);
        match ended {
            Ok(outcome) => {
                assert_eq!((outcome.end, outcome.usage.peak_processes), (End::Cancelled, Some(20)));
                true
            }
            Err(NotRun { error: RunError::Cancelled, .. }) => false,
            Err(other) => panic!("{other:?}"),
        }
    });
    assert!(known, "none of five storms was known to have begun");
}

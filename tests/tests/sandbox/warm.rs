//! Sandboxes made ahead of their jobs: as confined, used once, bounded, and gone when they are not wanted.

use std::path::Path;
use std::time::{Duration, Instant};

use stockade_plan::Entry;
use stockade_sandbox::{End, Outcome, State, Warm};
use stockade_tests::{Leftovers, Rig, Suite, eventually, is_stopped, patience};
use tokio_util::sync::CancellationToken;

const POLICY: &str = "\
policy: warm
version: 1
description: A shell and python.
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {memory_mb: 64, pids: 16, wall_seconds: 20}
";

/// How many sandboxes wait, and for how long.
fn kept() -> Warm {
    Warm { ready: 3, spare: 2, idle: patience(Duration::from_secs(2)) }
}

pub(crate) fn run(suite: &mut Suite) {
    let before = Leftovers::now();
    let rig = Rig::start_with(None, kept());
    suite.test("the_second_job_of_a_policy_finds_its_sandbox_made", || second_is_ahead(&rig));
    suite.test("a_sandbox_made_ahead_enforces_every_layer", || every_layer(&rig));
    suite.test("no_two_jobs_share_anything_that_was_made_ahead", || nothing_is_shared(&rig));
    suite.test("another_limit_or_another_right_is_another_sandbox", || others_are_not_taken(&rig));
    suite.test("a_file_that_was_replaced_is_seen_by_the_next_job", || replaced_files(&rig));
    suite.test("what_waits_is_bounded", || bounded(&rig));
    suite.test("inputs_and_streams_reach_a_job_in_a_sandbox_made_ahead", || inputs(&rig));
    suite.test("a_command_that_cannot_be_executed_says_so_and_the_next_job_runs", || no_such_command(&rig));
    suite.test("a_job_out_of_memory_or_time_ends_as_in_a_cold_one", || limits_hold(&rig));
    suite.test("a_job_whose_caller_has_gone_is_ended", || caller_gone(&rig));
    suite.test("draining_leaves_nothing_that_waits", || drained(&rig));
    suite.test("what_is_not_used_is_let_go", || expired(&rig));
    suite.test("a_hundred_jobs_from_sixteen_callers", || many(&rig));
    rig.close();
    suite.test("closing_leaves_nothing", || Leftovers::assert_none_since(&before));
}

fn python(rig: &Rig, code: &str) -> Outcome {
    rig.run(POLICY, &["/usr/bin/python3", "-c", code])
}

/// Runs jobs of the policy until one finds its sandbox made.
fn ahead(rig: &Rig, code: &str) -> Outcome {
    until_ahead(|| python(rig, code))
}

/// Runs jobs until one finds its sandbox made.
fn until_ahead(mut run: impl FnMut() -> Outcome) -> Outcome {
    let made_ahead = || Some(run()).filter(|outcome| outcome.made_ahead);
    eventually("a sandbox that was made ahead", patience(Duration::from_secs(10)), made_ahead)
}

fn second_is_ahead(rig: &Rig) {
    assert!(!python(rig, "pass").made_ahead);
    let outcome = ahead(rig, "print('out')");
    assert_eq!((outcome.end, outcome.stdout.bytes.as_slice()), (End::Exited(0), &b"out\n"[..]));
}

fn every_layer(rig: &Rig) {
    let outcome = ahead(rig, "pass");
    let layers = &outcome.enforcement.0;
    assert!(layers.len() >= 20, "{layers:?}");
    // What kernels before 6.12 lack of Landlock, and of its evidence those before 6.15.
    let abi = rig.sandbox.facts().landlock_abi;
    let as_it_should_be = |name: &str| match name {
        "landlock" if abi < 6 => State::Degraded,
        "evidence" if abi < 7 => State::Degraded,
        _ => State::Enforced,
    };
    assert!(layers.iter().all(|(name, layer)| layer.state == as_it_should_be(name)), "{layers:?}");
}

fn nothing_is_shared(rig: &Rig) {
    let leave = "\
import os
for d in ('/job', '/tmp', '/dev/shm'): open(d + '/left', 'w').write('x')
print(sorted(os.listdir('/job') + os.listdir('/tmp') + os.listdir('/dev/shm')), os.getpid())
for ns in ('user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'): print(os.readlink('/proc/self/ns/' + ns))
if os.fork() == 0: os.setsid(); os.execv('/bin/sh', ['sh', '-c', 'kill -STOP $$'])";
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let outcome = ahead(rig, leave);
        let text = String::from_utf8(outcome.stdout.bytes).unwrap();
        let mut lines = text.lines();
        let first = lines.next().unwrap();
        // What made its user namespace may have had a number here before it.
        assert!(["['left', 'left', 'left'] 2", "['left', 'left', 'left'] 3"].contains(&first), "{first}");
        assert!(seen.insert(outcome.host_uid.to_string()), "an id used twice");
        // The kernel may give a number again once its namespace is gone: the pair of all is what must differ.
        seen.insert(lines.collect::<Vec<_>>().join(" "));
    }
}

fn others_are_not_taken(rig: &Rig) {
    ahead(rig, "pass");
    for (what, with) in
        [("memory_mb: 64", "memory_mb: 65"), ("/usr/bin/python3, /bin/sh", "/usr/bin/python3")]
    {
        let other = POLICY.replace(what, with);
        assert_ne!(other, POLICY);
        assert!(!rig.run(&other, &["/usr/bin/python3", "-c", "pass"]).made_ahead, "{with}");
    }
    // The wall clock is this side's to watch.
    let shorter = POLICY.replace("wall_seconds: 20", "wall_seconds: 1");
    let stuck = ["/usr/bin/python3", "-c", "import time; time.sleep(60)"];
    assert!(
        (0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            rig.run(&shorter, &["/usr/bin/python3", "-c", "pass"]).made_ahead
        }),
        "a sandbox of the same making"
    );
    assert_eq!(rig.run(&shorter, &stuck).end, End::TimedOut);
}

fn replaced_files(rig: &Rig) {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    set_readable(directory.path());
    let file = directory.path().join("data");
    let policy = format!(
        "policy: warm-file\nversion: 1\ndescription: One file.\ncommands: [/bin/sh]\n\
         filesystem: {{read: [{}], write: [/job]}}\n",
        file.display()
    );
    let read = format!("read line < {}; echo $line", file.display());
    for content in ["first", "second", "third"] {
        let next = directory.path().join("next");
        std::fs::write(&next, format!("{content}\n")).unwrap();
        set_readable(&next);
        std::fs::rename(&next, &file).unwrap();
        for _ in 0..3 {
            let outcome = rig.run(&policy, &["/bin/sh", "-c", &read]);
            assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes).trim(), content);
            std::thread::sleep(Duration::from_millis(30));
        }
    }
    let plan = rig.plan(&policy, &["/bin/sh", "-c", &read], &[]);
    let binds = plan.confinement.view.entries.iter().filter(|entry| matches!(entry, Entry::Bind { .. }));
    assert!(binds.count() > 1, "the file is one of the binds that are looked at");
}

fn set_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Processes under the ids of this launcher's jobs.
fn waiting(rig: &Rig) -> usize {
    rig.processes().len()
}

/// A ready one is an init and the job's process, both under the job's id; a spare one is an init that is root's.
fn bounded(rig: &Rig) {
    let most = 2 * kept().ready;
    // What is not used is let go again: on a slow host the last one may not be made before the first one goes.
    let mut number = 0;
    let as_many_as_may = || {
        number += 1;
        let policy = POLICY.replace("memory_mb: 64", &format!("memory_mb: {}", 32 + number % 6));
        rig.run(&policy, &["/usr/bin/python3", "-c", "pass"]);
        // One that is let go for another takes a moment to end.
        let bounded = || (waiting(rig) <= most).then_some(());
        eventually("no more wait than may", patience(Duration::from_secs(5)), bounded);
        (number > 6 && waiting(rig) == most).then_some(())
    };
    eventually("as many wait as may", patience(Duration::from_secs(20)), as_many_as_may);
}

fn inputs(rig: &Rig) {
    let large = vec![7_u8; 3 << 20];
    let files: [(&str, &[u8]); 3] = [("small", b"\0\xff"), ("large", &large), ("empty", b"")];
    let code = "import os; print([len(open(f, 'rb').read()) for f in sorted(os.listdir('.'))], os.stat('large').st_uid)";
    let plan = rig.plan(POLICY, &["/usr/bin/python3", "-c", code], &files);
    let outcome = until_ahead(|| rig.run_plan(plan.clone(), &files).unwrap());
    assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes).trim(), "[0, 3145728, 2] 1000");
}

fn no_such_command(rig: &Rig) {
    ahead(rig, "pass");
    std::thread::sleep(patience(Duration::from_millis(100)));
    let mut plan = rig.plan(POLICY, &["/bin/sh", "-c", "true"], &[]);
    plan.task.command.executable = stockade_plan::AbsPath::new("/usr/bin/absent").unwrap();
    match rig.run_plan(plan, &[]) {
        Err(stockade_sandbox::RunError::Setup(error)) => assert_eq!(error.stage.name(), "exec", "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(python(rig, "pass").end, End::Exited(0));
}

fn limits_hold(rig: &Rig) {
    assert_eq!(ahead(rig, "x = bytearray(200 << 20); print(len(x))").end, End::OutOfMemory);
    let busy = "import os, signal, time\nwhile time.process_time() < 0.05: pass\nos.kill(os.getpid(), signal.SIGSTOP)";
    let outcome = until_ahead(|| {
        let cancel = CancellationToken::new();
        let job = rig.start_job(POLICY, &["/usr/bin/python3", "-c", busy], &cancel);
        rig.until_stopped();
        cancel.cancel();
        rig.runtime.block_on(job).unwrap().unwrap()
    });
    assert_eq!(outcome.end, End::Cancelled);
    let used = outcome.usage.user_cpu_ms + outcome.usage.system_cpu_ms;
    assert!(used > 20.0, "{:?}", outcome.usage);
}

fn caller_gone(rig: &Rig) {
    let cancel = CancellationToken::new();
    // At every moment of a job's life: before its sandbox is there, while it starts, while it runs.
    for after_ms in [0, 1, 2, 3, 5, 8, 20, 100] {
        let job = rig.start_job(POLICY, &["/bin/sh", "-c", "kill -STOP $$"], &cancel);
        std::thread::sleep(Duration::from_millis(after_ms));
        job.abort();
        assert!(rig.runtime.block_on(job).unwrap_err().is_cancelled());
    }
    let deadline = Instant::now() + patience(Duration::from_secs(5));
    while waiting(rig) > 2 * kept().ready || rig.processes().iter().any(|one| is_stopped(one.pid)) {
        assert!(Instant::now() < deadline, "{:?}", Leftovers::now().processes());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(python(rig, "pass").end, End::Exited(0));
}

fn drained(rig: &Rig) {
    ahead(rig, "pass");
    rig.runtime.block_on(async { rig.sandbox.drain() });
    assert!(!python(rig, "pass").made_ahead);
}

fn expired(rig: &Rig) {
    ahead(rig, "pass");
    let deadline = Instant::now() + kept().idle + patience(Duration::from_secs(5));
    while waiting(rig) > 0 {
        assert!(Instant::now() < deadline, "{:?}", Leftovers::now().processes());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn many(rig: &Rig) {
    let cancel = CancellationToken::new();
    let mut made_ahead = 0;
    for _ in 0..7 {
        let jobs: Vec<_> =
            (0..16).map(|_| rig.start_job(POLICY, &["/bin/sh", "-c", "echo $$"], &cancel)).collect();
        for job in jobs {
            let outcome = rig.runtime.block_on(job).unwrap().unwrap();
            assert!(["2", "3"].contains(&String::from_utf8_lossy(&outcome.stdout.bytes).trim()));
            made_ahead += usize::from(outcome.made_ahead);
        }
    }
    assert!(made_ahead > 0);
}

//! Limits: each one is hit, stops the job, and is named; and below each one a job runs.

use std::time::{Duration, Instant};

use stockade_plan::NotCollected;
use stockade_sandbox::{End, Limit, Outcome, OutputState};
use stockade_tests::{Leftovers, Rig, Suite, patience};
use tokio_util::sync::CancellationToken;

const POLICY: &str = "\
policy: limited
version: 1
description: Small limits, to be hit; and time enough to hit them on a slow machine.
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {memory_mb: 64, cpu_cores: 1.0, cpu_seconds: 30, wall_seconds: 40, pids: 16, disk_mb: 8,
                  files: 64, open_files: 32, output_kb: 64}
";

fn python(rig: &Rig, code: &str) -> Outcome {
    rig.run(POLICY, &["/usr/bin/python3", "-c", code])
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.stdout.bytes).into_owned()
}

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("a_job_below_every_limit_runs_and_is_measured", || below_every_limit(&rig));
    suite.test("memory", || memory(&rig));
    suite.test("processes", || processes(&rig));
    suite.test("processor_time_of_all_processes_together", || cpu_time(&rig));
    suite.test("processor_share", || cpu_share(&rig));
    suite.test("wall_time", || wall_time(&rig));
    suite.test("a_job_that_ends_as_its_time_does_has_one_end", || one_end(&rig));
    suite.test("disk_bytes_and_files", || disk(&rig));
    suite.test("open_files", || open_files(&rig));
    suite.test("output", || output(&rig));
    suite.test("cancel_ends_a_job_within_a_second", || cancel(&rig));
    suite.test("a_limit_of_one_job_is_not_the_next_ones", || no_memory_of_limits(&rig));
    suite.test("exit_status_137_is_not_out_of_memory", || spoofed_status(&rig));
    suite.test("survivors_die_with_the_job", || survivors(&rig));
    rig.close();
}

fn below_every_limit(rig: &Rig) {
    let outcome = python(rig, "x = bytearray(8 << 20); open('/job/a', 'w').write('b'); print(len(x))");
    assert_eq!((outcome.end, text(&outcome).trim()), (End::Exited(0), "8388608"));
    let usage = &outcome.usage;
    assert!(usage.wall_ms > 0.0 && usage.setup_ms > 0.0, "{usage:?}");
    assert!(usage.user_cpu_ms + usage.system_cpu_ms > 0.0, "{usage:?}");
    assert!(usage.peak_memory_mb.unwrap() >= 8.0 && usage.peak_memory_mb.unwrap() < 64.0, "{usage:?}");
    assert_eq!(usage.peak_processes, Some(1));
    assert!(usage.read_bytes.unwrap() > 0 && usage.written_bytes.unwrap() >= 9, "{usage:?}");
    assert_eq!(usage.output_bytes, 8);
    assert!(outcome.denials.is_empty(), "{:?}", outcome.denials);
}

fn memory(rig: &Rig) {
    let outcome = python(rig, "x = bytearray(1 << 30); print('still here')");
    assert_eq!((outcome.end, text(&outcome).as_str()), (End::OutOfMemory, ""));
    assert!(outcome.usage.peak_memory_mb.unwrap() <= 64.0);
    assert!(outcome.denials.iter().any(|denial| denial.what == "out_of_memory"), "{:?}", outcome.denials);
    // A child that is killed for memory is the job's end too, although its parent would go on.
    let outcome =
        python(rig, "import os, time\nif os.fork() == 0: bytearray(1 << 30)\nos.wait(); time.sleep(9)");
    assert_eq!(outcome.end, End::OutOfMemory);
}

fn processes(rig: &Rig) {
    let bomb = "import os, time\ntry:\n  while True:\n    if os.fork() == 0: time.sleep(9)\nexcept OSError as e: print(e.errno)";
    let outcome = python(rig, bomb);
    assert_eq!(outcome.end, End::Exited(0));
    assert_eq!(text(&outcome).trim(), "11", "EAGAIN");
    assert_eq!(outcome.usage.peak_processes, Some(16));
    assert!(outcome.denials.iter().any(|denial| denial.what == "fork" && denial.count >= 1));
}

fn cpu_time(rig: &Rig) {
    // Two processes share one core: neither reaches its own limit of a second before the job does.
    let policy = POLICY.replace("cpu_seconds: 30", "cpu_seconds: 1");
    let outcome = rig.run(&policy, &["/usr/bin/python3", "-c", "import os\nos.fork()\nwhile True: pass"]);
    assert_eq!(outcome.end, End::LimitExceeded(Limit::CpuTime));
    let used = outcome.usage.user_cpu_ms + outcome.usage.system_cpu_ms;
    assert!(
        (1000.0..1000.0 + patience(Duration::from_millis(500)).as_secs_f64() * 1e3).contains(&used),
        "{used}"
    );
}

fn cpu_share(rig: &Rig) {
    // A fifth of a core is throttled on a busy host too, where half of one might not be had.
    let fifth = POLICY.replace("cpu_cores: 1.0", "cpu_cores: 0.2");
    let spin = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass";
    let outcome = rig.run(&fifth, &["/usr/bin/python3", "-c", spin]);
    assert_eq!(outcome.end, End::Exited(0));
    // Set-up that is still going on when the clock starts is the job's share too, so: less than twice the fifth.
    let (share, throttled) = (outcome.usage.cpu_usage_percent, outcome.usage.throttled_ms);
    assert!((5.0..40.0).contains(&share), "a fifth of a core for a second, got {share} %");
    assert!(throttled > 100.0, "throttled for {throttled} ms");
    let denial = outcome.denials.iter().find(|denial| denial.what == "cpu_throttled").unwrap();
    assert!(denial.layer == "cgroup" && denial.count > 1, "{denial:?}");
    assert_eq!(denial.target, format!("{} ms", throttled.trunc()));
}

fn wall_time(rig: &Rig) {
    let policy = POLICY.replace("wall_seconds: 40", "wall_seconds: 2");
    let began = Instant::now();
    let outcome = rig.run(&policy, &["/bin/sh", "-c", "kill -STOP $$"]);
    assert_eq!(outcome.end, End::TimedOut);
    assert!((Duration::from_secs(2)..patience(Duration::from_secs(4))).contains(&began.elapsed()));
}

fn one_end(rig: &Rig) {
    let policy = POLICY.replace("wall_seconds: 2", "wall_seconds: 1");
    for wait in ["0.97", "0.99", "1.0"] {
        let code = format!("import time; time.sleep({wait})");
        let outcome = rig.run(&policy, &["/usr/bin/python3", "-S", "-c", &code]);
        assert!(matches!(outcome.end, End::Exited(0) | End::TimedOut), "{:?}", outcome.end);
    }
}

fn disk(rig: &Rig) {
    let fill = "\
try:
  with open('/tmp/x', 'wb', 0) as f:
    while True: f.write(bytes(1 << 18))
except OSError as e: print(e.errno)
try: open('/job/y', 'wb', 0).write(b'z')
except OSError as e: print(e.errno)
import os
os.unlink('/tmp/x'); os.unlink('/job/y')
try:
  for i in range(1000): open(f'/job/{i}', 'w').close()
except OSError as e: print(e.errno, i)
try: os.truncate('/job/0', 1 << 60)
except OSError as e: print(e.errno)";
    let outcome = python(rig, fill);
    // EFBIG for one file as large as all may be, ENOSPC for anything beside it, ENOSPC after as many files as
    // the policy gives, EFBIG for a sparse one.
    assert_eq!(text(&outcome).lines().collect::<Vec<_>>(), ["27", "28", "28 64", "27"]);
}

fn open_files(rig: &Rig) {
    let outcome = python(
        rig,
        "import os\ntry:\n  while True: last = os.open('/dev/null', 0)\nexcept OSError as e: print(e.errno, last)",
    );
    assert_eq!(text(&outcome).trim(), "24 31", "EMFILE after descriptor 31");
}

fn output(rig: &Rig) {
    let outcome = python(rig, "import sys\nwhile True: sys.stdout.buffer.write(b'\\0\\xff' * 4096)");
    assert_eq!(outcome.end, End::LimitExceeded(Limit::Output));
    assert!(outcome.stdout.truncated && outcome.stdout.bytes.len() == 64 * 1024);
    assert!(outcome.stdout.bytes.starts_with(b"\0\xff\0\xff"));
    assert!(outcome.denials.iter().any(|denial| denial.layer == "output"));
}

/// Whatever was heard of its start: it has begun, so it is told as a job that ran.
fn cancel(rig: &Rig) {
    for _ in 0..20 {
        let cancel = CancellationToken::new();
        let job = rig.start_job(POLICY, &["/bin/sh", "-c", "kill -STOP $$"], &cancel);
        rig.until_executed(1);
        let began = Instant::now();
        cancel.cancel();
        let outcome = rig.runtime.block_on(job).unwrap().unwrap();
        assert_eq!(outcome.end, End::Cancelled);
        assert!(began.elapsed() < patience(Duration::from_secs(1)));
    }
}

fn no_memory_of_limits(rig: &Rig) {
    let larger = POLICY.replace("memory_mb: 64", "memory_mb: 256");
    for _ in 0..2 {
        assert_eq!(python(rig, "bytearray(128 << 20)").end, End::OutOfMemory);
        let outcome = rig.run(&larger, &["/usr/bin/python3", "-c", "bytearray(128 << 20)"]);
        assert_eq!(outcome.end, End::Exited(0));
    }
}

fn spoofed_status(rig: &Rig) {
    assert_eq!(rig.run(POLICY, &["/bin/sh", "-c", "exit 137"]).end, End::Exited(137));
    assert_eq!(rig.run(POLICY, &["/bin/sh", "-c", "kill -9 $$"]).end, End::Signaled(9));
}

fn survivors(rig: &Rig) {
    let before = Leftovers::now();
    let outlive = "\
import os, time
for _ in range(3):
  if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: time.sleep(60)
    os._exit(0)
os.symlink('/etc/passwd', '/job/result.json')
print('gone')";
    let outcome = python(rig, outlive);
    assert_eq!((outcome.end, text(&outcome).trim()), (End::Exited(0), "gone"));
    assert_eq!(outcome.outputs[0].state, OutputState::Not(NotCollected::Symlink));
    Leftovers::assert_none_since(&before);
}

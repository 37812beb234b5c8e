//! Jobs beside each other and one after the other: none sees anything of another.

use std::collections::BTreeSet;
use std::time::Duration;

use stockade_sandbox::{End, NotRun, Outcome};
use stockade_tests::{Leftovers, Rig, Suite, eventually, patience};
use tokio_util::sync::CancellationToken;

const POLICY: &str = "\
policy: separate
version: 1
description: A shell and python.
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {memory_mb: 64, pids: 16, wall_seconds: 20}
";

pub(crate) fn run(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("concurrent_jobs_have_different_host_ids", || concurrent_ids(&rig));
    suite.test("what_a_job_leaves_the_next_does_not_find", || nothing_persists(&rig));
    suite.test("jobs_cannot_signal_or_see_each_other", || no_signals(&rig));
    suite.test("jobs_beside_each_other_share_no_channel", || no_channel(&rig));
    suite.test("kernel_objects_are_counted_against_the_jobs_own_id", || kernel_objects(&rig));
    suite.test("two_hundred_jobs_leave_nothing_behind", || many_jobs(&rig));
    rig.close();
}

/// All eight run at once. The start of some may not be known yet when they are cancelled: those have had an id too.
fn concurrent_ids(rig: &Rig) {
    let cancel = CancellationToken::new();
    let jobs: Vec<_> =
        (0..8).map(|_| rig.start_job(POLICY, &["/bin/sh", "-c", "kill -STOP $$"], &cancel)).collect();
    rig.until_executed(8);
    cancel.cancel();
    let ended = jobs.into_iter().map(|job| rig.runtime.block_on(job).unwrap());
    let id = |ended: Result<Outcome, NotRun>| match ended {
        Ok(outcome) => outcome.host_uid,
        Err(not_run) => not_run.host_uid.expect("it had a sandbox"),
    };
    let ids: BTreeSet<u32> = ended.map(id).collect();
    assert_eq!(ids.len(), 8, "{ids:?}");
}

fn nothing_persists(rig: &Rig) {
    let leave = "\
import os
for d in ('/job', '/tmp', '/dev/shm'): open(d + '/left', 'w').write('x')
print(sorted(os.listdir('/job') + os.listdir('/tmp') + os.listdir('/dev/shm')))";
    for _ in 0..2 {
        let outcome = rig.run(POLICY, &["/usr/bin/python3", "-c", leave]);
        assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes).trim(), "['left', 'left', 'left']");
    }
}

fn no_signals(rig: &Rig) {
    let cancel = CancellationToken::new();
    let victim = rig.start_job(POLICY, &["/bin/sh", "-c", "kill -STOP $$"], &cancel);
    rig.until_executed(1);
    // Every pid of its namespace and far beyond: there is nobody but itself and its init.
    let attack = "\
import os, signal
seen = []
for pid in range(1, 40000):
  if pid == os.getpid(): continue
  try: os.kill(pid, 0); seen.append(pid)
  except ProcessLookupError: pass
  except PermissionError: seen.append(-pid)
print(seen)";
    let outcome = rig.run(POLICY, &["/usr/bin/python3", "-c", attack]);
    let seen = String::from_utf8_lossy(&outcome.stdout.bytes).into_owned();
    assert!(["[1]", "[-1]"].contains(&seen.trim()), "its own init alone: {seen}");
    cancel.cancel();
    assert_eq!(rig.runtime.block_on(victim).unwrap().unwrap().end, End::Cancelled);
}

/// A segment of shared memory, an abstract name, a file in memory: the job that made them finds them, from another
/// process of its own, and no other job does.
fn no_channel(rig: &Rig) {
    const LOOK: &str = "\
import ctypes, os, signal, socket
libc = ctypes.CDLL(None)
def look():
  found = [libc.shmget(4242, 0, 0) >= 0, os.path.exists('/dev/shm/channel')]
  try: socket.socket(socket.AF_UNIX).connect('\\0stockade-channel'); found.append(True)
  except OSError: found.append(False)
  print(found, flush=True)
";
    let make = format!(
        "{LOOK}assert libc.shmget(4242, 4096, 0o1666) >= 0\nopen('/dev/shm/channel', 'w').close()\n\
         s = socket.socket(socket.AF_UNIX); s.bind('\\0stockade-channel'); s.listen()\n\
         if os.fork() == 0: look(); os._exit(0)\nos.wait(); os.kill(os.getpid(), signal.SIGSTOP)"
    );
    let cancel = CancellationToken::new();
    let maker = rig.start_job(POLICY, &["/usr/bin/python3", "-c", &make], &cancel);
    rig.until_stopped();
    let other = rig.run(POLICY, &["/usr/bin/python3", "-c", &format!("{LOOK}look()")]);
    cancel.cancel();
    let maker = rig.runtime.block_on(maker).unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&maker.stdout.bytes), "[True, True, True]\n");
    assert_eq!(String::from_utf8_lossy(&other.stdout.bytes), "[False, False, False]\n");
}

/// The kernel counts inotify instances by the owner of the user namespace, and by the owner's in turn:
/// /proc/sys/fs/inotify/max_user_instances, inotify(7). Were the owner root, one job could take all of root's.
fn kernel_objects(rig: &Rig) {
    const TAKE_ALL: &str = "\
import ctypes, os, signal
libc = ctypes.CDLL(None)
taken = 0
while libc.inotify_init1(0) >= 0: taken += 1
print(taken, flush=True)
HOLD";
    let hold = TAKE_ALL.replace("HOLD", "os.kill(os.getpid(), signal.SIGSTOP)");
    let cancel = CancellationToken::new();
    let greedy = rig.start_job(POLICY, &["/usr/bin/python3", "-c", &hold], &cancel);
    rig.until_stopped();
    let other = rig.run(POLICY, &["/usr/bin/python3", "-c", &TAKE_ALL.replace("HOLD", "")]);
    cancel.cancel();
    let greedy = rig.runtime.block_on(greedy).unwrap().unwrap();
    let count = |outcome: &stockade_sandbox::Outcome| -> u32 {
        String::from_utf8_lossy(&outcome.stdout.bytes).trim().parse().unwrap()
    };
    assert!(count(&greedy) > 0, "the first job takes what it can get");
    assert_eq!(count(&other), count(&greedy), "and the second as much, while the first holds its own");
}

fn many_jobs(rig: &Rig) {
    let before = Leftovers::now();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let open = descriptors();
    for _ in 0..200 {
        assert_eq!(rig.run("shell-utils", &["/bin/sh", "-c", "exit 3"]).end, End::Exited(3));
    }
    Leftovers::assert_none_since(&before);
    // The last ones are closed behind the scenes.
    let closed = || (descriptors() <= open).then_some(());
    eventually("no descriptor is kept", patience(Duration::from_secs(5)), closed);
}

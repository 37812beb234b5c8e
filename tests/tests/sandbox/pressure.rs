//! A launcher and a supervisor that are pressed: descriptors run out, a peer reads no more, a kill comes at any moment. A
//! clear error, no job unconfined, nothing left.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::SendFlags;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use stockade_plan::{Plan, Reply, Request, encode};
use stockade_policies::{Host, Library};
use stockade_sandbox::{End, State};
use stockade_tests::{Leftovers, Rig, Suite, ended, eventually, groups_of_worker, job, patience, plan_for};
use tokio_util::sync::CancellationToken;

use super::launcher_input::Raw;

const STOP: [&str; 3] = ["/bin/sh", "-c", "kill -STOP $$"];
/// Longer than a launcher waits for room in its socket.
const PATIENCE: Duration = Duration::from_secs(20);
/// A descriptor that is lost is missed at once: an answer takes what a set-up takes, milliseconds here and a tenth of a second
/// under emulation. Whatever waited for it would wait until set-up's own deadline of twenty seconds, which is longer than
/// this even with the slack that an emulated machine has.
const ANSWER: Duration = Duration::from_secs(2);
const KILLS: u64 = 200;

pub(crate) fn launcher(suite: &mut Suite) {
    let before = Leftovers::now();
    suite.test("a_launcher_has_one_thread", || {
        let raw = Raw::start();
        let tasks = std::fs::read_dir(format!("/proc/{}/task", raw.child.id())).unwrap();
        assert_eq!(tasks.count(), 1);
        raw.end();
    });
    suite.test("a_launcher_out_of_descriptors_says_so_and_serves_on", launcher_without_descriptors);
    suite.test("a_request_whose_descriptors_have_no_room_is_refused", request_without_room);
    suite.test("a_launcher_whose_replies_nobody_reads_ends", nobody_reads);
    suite.test("a_launcher_killed_at_any_moment_leaves_nothing", killed_at_any_moment);
    suite.test("pressing_the_launcher_leaves_nothing", || Leftovers::assert_none_since(&before));
}

pub(crate) fn supervisor(suite: &mut Suite) {
    let rig = Rig::start(None);
    suite.test("a_supervisor_out_of_descriptors_says_so_and_runs_the_next_job", || {
        supervisor_without_descriptors(&rig);
    });
    suite.test("a_job_is_ended_though_no_descriptor_is_to_spare", || ended_without_descriptors(&rig));
    rig.close();
}

/// A control group of the test's own.
struct Leaf(PathBuf);

impl Leaf {
    fn new(name: &str) -> Self {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let point = mounts.lines().find(|line| line.starts_with("cgroup2 ") || line.contains(" cgroup2 "));
        let point = point.and_then(|line| line.split(' ').nth(1)).expect("a cgroup2 hierarchy");
        let path = Path::new(point).join(format!("stockade-test-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> OwnedFd {
        std::fs::File::open(&self.0).unwrap().into()
    }

    fn is_empty(&self) -> bool {
        std::fs::read_to_string(self.0.join("cgroup.procs")).unwrap().is_empty()
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        let gone = || std::fs::remove_dir(&self.0).is_ok().then_some(());
        let _left_for_the_next_check = stockade_tests::polled(Duration::from_secs(5), gone);
    }
}

fn plan() -> Plan {
    plan_for(&Library::shipped().unwrap(), &Host::new(), 1, "shell-utils", &STOP, &[]).unwrap()
}

fn prepare(id: u64) -> Vec<u8> {
    encode(&Request::Prepare { id, v1_groups: 0, terminal: false }).unwrap()
}

fn build(id: u64, plan: &Plan) -> Vec<u8> {
    let confinement = Box::new(plan.confinement.clone());
    encode(&Request::Build { id, version: stockade_plan::PLAN_VERSION, confinement }).unwrap()
}

/// Lets the launcher open that many more.
fn allow(raw: &Raw, more: u64) {
    let pid = Pid::from_raw(i32::try_from(raw.child.id()).unwrap());
    let current = Some(raw.descriptors() as u64 + more);
    // It has the hard limit of the process that started it.
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

fn launcher_without_descriptors() {
    let (raw, leaf) = (Raw::start(), Leaf::new("descriptors"));
    // What it keeps for all sandboxes, and what it makes ahead, is there before its descriptors are counted.
    raw.send(&prepare(99), &[leaf.open().as_fd()]);
    end_prepared(&raw, &leaf, raw.receive_all());
    let at_rest = raw.descriptors_at_rest();
    let mut refused = 0;
    for id in 0..40 {
        allow(&raw, id);
        raw.send(&prepare(id), &[leaf.open().as_fd()]);
        match raw.receive_all() {
            Some((Reply::Failed { error, .. }, _)) => {
                assert!(
                    error.to_string().contains("open files") || error.target.contains("larger"),
                    "{error}"
                );
                assert!(leaf.is_empty(), "{id}");
                refused += 1;
            }
            reply => end_prepared(&raw, &leaf, reply),
        }
    }
    assert!((1..40).contains(&refused), "{refused} of 40 were refused");
    assert_eq!(raw.descriptors_at_rest(), at_rest, "a refusal keeps nothing open");
    raw.end();
}

fn end_prepared(raw: &Raw, leaf: &Leaf, reply: Option<(Reply, Vec<OwnedFd>)>) {
    let Some((Reply::Prepared { .. }, fds)) = reply else { panic!("{reply:?}") };
    assert_eq!(fds.len(), 5);
    drop(fds);
    std::fs::write(leaf.0.join("cgroup.kill"), "1").unwrap();
    assert!(matches!(raw.receive_all(), Some((Reply::Exited { .. }, _))));
}

fn request_without_room() {
    let (raw, leaf) = (Raw::start(), Leaf::new("room"));
    let null = std::fs::File::open("/dev/null").unwrap();
    allow(&raw, 5);
    raw.send(&prepare(1), &[null.as_fd(); 60]);
    assert!(raw.refusal().target.contains("larger"));
    allow(&raw, 60);
    raw.send(&prepare(2), &[leaf.open().as_fd()]);
    assert!(matches!(raw.receive_all(), Some((Reply::Prepared { .. }, _))));
    raw.end();
}

fn nobody_reads() {
    let mut raw = Raw::start();
    let leaf = Leaf::new("reads");
    raw.send(&prepare(1), &[leaf.open().as_fd()]);
    eventually("an init", PATIENCE, || (!leaf.is_empty()).then_some(()));
    // Until neither direction has room.
    while rustix::net::send(&raw.socket, &[0xff; 512], SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok()
        || !is_stuck(raw.child.id())
    {
        std::thread::sleep(Duration::from_micros(50));
    }
    let status = ended(&mut raw.child, PATIENCE).expect("it ends");
    assert!(!status.success());
    eventually("no process", PATIENCE, || leaf.is_empty().then_some(()));
}

/// Whether a process sleeps in a call that sends.
fn is_stuck(pid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    // sendmsg(2), syscall_64.tbl.
    call.starts_with("46 ")
}

fn killed_at_any_moment() {
    let plan = plan();
    let task = encode(&plan.task).unwrap();
    for round in 0..KILLS {
        let (mut raw, leaf) = (Raw::start(), Leaf::new(&format!("kill-{round}")));
        let group = leaf.open();
        raw.send(&prepare(round), &[group.as_fd()]);
        raw.send(&build(round, &plan), &[]);
        // Every other launcher has also been asked to let a job run.
        let fds = if round % 2 == 0 { Vec::new() } else { give_task(&raw, &task) };
        std::thread::sleep(Duration::from_micros(round * 7919 % 12_000));
        raw.child.kill().unwrap();
        raw.child.wait().unwrap();
        eventually("no process", PATIENCE, || leaf.is_empty().then_some(()));
        drop(fds);
    }
}

fn give_task(raw: &Raw, task: &[u8]) -> Vec<OwnedFd> {
    let Some((Reply::Prepared { .. }, fds)) = raw.receive_all() else { panic!("not prepared") };
    let pipe: BorrowedFd<'_> = fds[4].as_fd();
    let len = u32::try_from(task.len()).unwrap().to_le_bytes();
    rustix::io::write(pipe, &[&len, task].concat()).unwrap();
    fds
}

/// Sets how many descriptors this process may have, counted from the lowest that is free.
fn allow_self(more: u64) {
    let probe = std::fs::File::open("/dev/null").unwrap();
    let lowest = u64::try_from(probe.as_raw_fd()).unwrap();
    drop(probe);
    set_self(lowest + more);
}

fn set_self(limit: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum }).unwrap();
}

fn supervisor_without_descriptors(rig: &Rig) {
    let usual = getrlimit(Resource::Nofile).current.unwrap();
    let plan = rig.plan("shell-utils", &["/bin/sh", "-c", "echo out"], &[]);
    rig.run_plan(plan.clone(), &[]).unwrap();
    let (mut ran, mut refused) = (0, 0);
    for more in 0..24 {
        allow_self(more);
        let answer = patience(ANSWER);
        let running = async { tokio::time::timeout(answer, rig.sandbox.run(job(plan.clone()))).await };
        let outcome = rig.runtime.block_on(running);
        set_self(usual);
        match outcome.expect("an answer, and not because time was up") {
            Ok(outcome) => {
                assert_eq!((outcome.end, outcome.stdout.bytes.as_slice()), (End::Exited(0), &b"out\n"[..]));
                assert!(outcome.enforcement.0.values().all(|layer| layer.state != State::Absent));
                ran += 1;
            }
            Err(error) => {
                // Each says what there was no room for.
                assert!(error.to_string().contains("Too many open files"), "{more}: {error}");
                refused += 1;
            }
        }
        eventually("no group of a job", PATIENCE, || own_groups_are_empty().then_some(()));
    }
    assert!(ran > 0 && refused > 0, "{ran} ran, {refused} were refused");
    assert_eq!(rig.run_plan(plan, &[]).unwrap().end, End::Exited(0));
}

fn own_groups_are_empty() -> bool {
    groups_of_worker(std::process::id()).iter().all(|group| {
        let entries = std::fs::read_dir(group).unwrap().flatten();
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).count() == 0
    })
}

fn ended_without_descriptors(rig: &Rig) {
    let usual = getrlimit(Resource::Nofile).current.unwrap();
    let cancel = CancellationToken::new();
    let running = rig.start_job("shell-utils", &STOP, &cancel);
    rig.until_executed(1);
    allow_self(0);
    cancel.cancel();
    std::thread::sleep(Duration::from_millis(300));
    let waits = !running.is_finished();
    set_self(usual);
    let ended = rig.runtime.block_on(async { tokio::time::timeout(PATIENCE, running).await });
    let ended = ended.expect("an end").unwrap();
    assert!(waits, "it cannot have been killed: {ended:?}");
    assert!(matches!(&ended, Ok(outcome) if outcome.end == End::Cancelled) || ended.is_err(), "{ended:?}");
    eventually("no group of a job", PATIENCE, || own_groups_are_empty().then_some(()));
}

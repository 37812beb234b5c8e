//! How containers end: cancelled, left behind, beside each other.

use std::time::{Duration, Instant};

use super::alike::keys;
use super::between::{Between, Changed};
use super::*;

const SOON: Duration = Duration::from_secs(20);

/// Waits until the container of a job runs: its name, and the host's id of its first process.
pub(super) fn running(engine: &Engine, job: &str) -> (String, u32) {
    stockade_tests::eventually("the container runs", SOON, || {
        let name = engine.container_of(job)?;
        let pid = engine.docker(&["inspect", "--format", "{{.State.Pid}}", &name]);
        let pid: u32 = String::from_utf8_lossy(&pid.stdout).trim().parse().ok()?;
        // Init is there before the job is: two processes.
        let both = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        (!both.trim().is_empty()).then_some((name, pid))
    })
}

/// With the volumes that it has in Podman.
fn removed(engine: &Engine, job: &str) {
    let left = || engine.containers().into_iter().chain(engine.volumes()).any(|name| name.contains(job));
    stockade_tests::eventually("nothing is left of it", SOON, || (!left()).then_some(()));
}

fn is_alive(pid: u32) -> bool {
    std::fs::symlink_metadata(format!("/proc/{pid}")).is_ok()
}

fn state(engine: &Engine, name: &str) -> String {
    let output = engine.docker(&["inspect", "--format", "{{.State.Running}}", name]);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_cancelled_job_is_gone_within_a_second_from_the_engine_and_from_the_process_table() {
    let (server, engine) = (&RIG.server, &RIG.engine);
    let id = server.submit("box", "long", &json!({}));
    let (name, pid) = running(engine, &id);
    let child: u32 =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().trim().parse().unwrap();
    let asked = Instant::now();
    let cancelled = server.place().stockade(&["jobs", "cancel", &id]);
    assert!(cancelled.status.success(), "{}", String::from_utf8_lossy(&cancelled.stderr));
    while is_alive(pid) || is_alive(child) {
        assert!(asked.elapsed() < Duration::from_secs(1), "it lives after {:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    stockade_tests::eventually("the engine knows", Duration::from_secs(1), || {
        (state(engine, &name) != "true").then_some(())
    });
    let job = server.until(&id, SOON, |job| job["status"] == "cancelled");
    assert_eq!(only_attempt(server, &job)["status"], "cancelled");
    removed(engine, &id);
}

#[test]
fn a_job_that_is_cancelled_before_its_start_is_heard_of_is_on_record_like_one_that_ran() {
    let (engine, between) = (&RIG.engine, Between::start(&RIG.engine.socket()));
    let server = Server::start_in(place(&services_of(&RIG.image), engine).with_engine(between.address()));
    let ended = |changed: Changed| {
        between.change(changed);
        let id = server.submit("box", "long", &json!({}));
        let (name, _) = running(engine, &id);
        let user = engine.said(&["inspect", "--format", "{{.Config.User}}", &name]);
        assert!(server.place().stockade(&["jobs", "cancel", &id]).status.success());
        let job = server.until(&id, SOON, |job| job["status"] == "cancelled");
        removed(engine, &id);
        let context = only_attempt(&server, &job)["security_context"].clone();
        assert_eq!(format!("{0}:{0}", context["host_uid"]), user, "{context}");
        context
    };
    let [heard_of, not] = [Changed::Nothing, Changed::NoStart].map(ended);
    assert_eq!(not["enforcement"]["seccomp"]["state"], "enforced", "{not}");
    for part in ["enforcement", "target"] {
        assert_eq!(keys(&heard_of[part]), keys(&not[part]));
    }
    assert_eq!(heard_of["target"]["image_id"], not["target"]["image_id"]);
}

#[test]
fn a_worker_that_dies_leaves_nothing_running_and_its_next_start_removes_the_rest() {
    let engine = &RIG.engine;
    let mut server = Server::start_in(place(&services_of(&RIG.image), engine));
    let id = server.submit("box", "again", &json!({}));
    let (name, pid) = running(engine, &id);
    server.kill();
    // Its connection is gone: the container ends by itself.
    stockade_tests::eventually("the container ends", Duration::from_secs(5), || {
        (!is_alive(pid)).then_some(())
    });
    assert!(engine.containers().contains(&name), "nobody has removed it yet");
    let volumes = engine.volumes().iter().filter(|volume| volume.starts_with(&name)).count();
    assert_eq!(volumes, if MAKER == Maker::Podman { 3 } else { 0 });
    server.start_again();
    assert!(!engine.containers().contains(&name));
    assert!(!engine.volumes().iter().any(|volume| volume.starts_with(&name)));
    assert!(server.log().contains("an earlier run of this worker left containers"), "{}", server.log());
    // The job is made again, under the next number.
    let (again, _) = running(engine, &id);
    assert_ne!(again, name);
    assert!(server.stop().success());
    removed(engine, &id);
}

#[test]
fn two_workers_share_an_engine_and_leave_each_other_alone() {
    let engine = &RIG.engine;
    let [mut one, mut other] = [(); 2].map(|()| Server::start_in(place(&services_of(&RIG.image), engine)));
    let ids = [one.submit("box", "long", &json!({})), other.submit("box", "long", &json!({}))];
    let pids = ids.each_ref().map(|id| running(engine, id).1);
    let uid = |pid: u32| {
        std::fs::read_to_string(format!("/proc/{pid}/status"))
            .unwrap()
            .lines()
            .find(|l| l.starts_with("Uid:"))
            .unwrap()
            .to_owned()
    };
    assert_ne!(uid(pids[0]), uid(pids[1]), "each has an id of its own");
    one.kill();
    one.start_again();
    assert!(is_alive(pids[1]), "the other's container lives");
    other.stop();
    one.stop();
}

//! The supervisor is told to stop.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use stockade_tests::{Leftovers, Server, eventually, groups_of_worker, job_processes, processes};

use super::{SOON, assert_record_holds, server, submit, until_gone, until_running, verdicts};

#[test]
fn a_running_job_may_finish_first() {
    let mut server = server();
    let id = submit(&server, "sleep 1.09375; echo done");
    until_running("1.09375");
    let (launcher, postgres) = (server.launcher().pid, server.postgres().pid);
    let pid = server.pid();
    assert_eq!(server.stop().code(), Some(0), "{}", server.log());
    assert!(!processes().iter().any(|process| process.pid == launcher || process.pid == postgres));
    assert_eq!(groups_of_worker(pid), Vec::<std::path::PathBuf>::new(), "it takes its groups with it");
    server.start_again();
    let job = server.job(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(1)), "{job}");
    assert_record_holds(&server);
}

#[test]
fn a_job_that_does_not_finish_in_time_goes_back_and_keeps_its_attempts() {
    let mut server = server();
    let id = submit(&server, "sleep 4.09375; echo done");
    until_running("4.09375");
    let told = Instant::now();
    server.signal(Signal::TERM);
    // The end of the server is also that of its database, which may take its time.
    eventually("the job is ended", SOON, || job_processes("4.09375").is_empty().then_some(()));
    let took = told.elapsed();
    assert!((2.0..4.0).contains(&took.as_secs_f64()), "{took:?}, and the time of grace is two seconds");
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    server.start_again();
    let job = server.ended(&id);
    assert_eq!((&job["status"], &job["attempts"]), (&json!("completed"), &json!(1)), "{job}");
    assert_eq!(verdicts(&server, &id), ["interrupted", "completed"]);
    assert_record_holds(&server);
}

#[test]
fn told_twice_it_does_not_wait() {
    let mut server = server();
    submit(&server, "sleep 67.09375");
    until_running("67.09375");
    let told = Instant::now();
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    server.signal(Signal::INT);
    // The end of the server is also that of its database, which may take its time.
    until_gone("67.09375");
    assert!(told.elapsed() < Duration::from_millis(1800), "{:?}", told.elapsed());
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

#[test]
fn a_signal_to_all_of_its_processes_is_as_orderly() {
    let mut server = server();
    let id = submit(&server, "sleep 1.15625; echo done");
    until_running("1.15625");
    interrupt_group(&server);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    server.start_again();
    assert_eq!(verdicts(&server, &id), ["completed"]);
}

/// What a terminal does on Ctrl-C, and a service manager when it stops a service.
fn interrupt_group(server: &Server) {
    let leader = Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    kill_process_group(leader, Signal::INT).unwrap();
}

#[test]
fn nothing_is_left_of_a_server_that_has_stopped() {
    let mut server = server();
    let worker = server.pid();
    for _ in 0..3 {
        assert_eq!(server.ended(&submit(&server, "sleep 0.07812"))["status"], "completed");
    }
    server.stop();
    Leftovers::assert_none_of(worker);
}

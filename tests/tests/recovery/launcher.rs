//! The launcher is killed: nothing can be confined any more, so nothing may run.

use rustix::process::Signal;
use serde_json::json;
use stockade_tests::signal;

use super::{assert_record_holds, server, submit, until_gone, until_running, verdicts};

#[test]
fn a_supervisor_without_its_launcher_ends_and_its_job_is_done_after_a_restart() {
    let mut server = server();
    let id = submit(&server, "sleep 2.09375; echo done");
    until_running("2.09375");
    signal(server.launcher().pid, Signal::KILL);
    let status = server.wait();
    assert_eq!(status.code(), Some(1), "{}", server.log());
    until_gone("2.09375");
    let log = server.log();
    assert!(log.contains("the launcher is gone"), "{log}");
    server.start_again();
    let job = server.ended(&id);
    assert_eq!(
        (&job["status"], &job["output_data"]["stdout"]),
        (&json!("completed"), &json!("done\n")),
        "{job}"
    );
    assert_eq!(verdicts(&server, &id).last(), Some(&json!("completed")));
    assert_record_holds(&server);
}

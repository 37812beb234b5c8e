//! Starting where something is already.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::{server, submit};

#[test]
fn a_second_server_of_one_state_directory_is_refused_and_the_first_goes_on() {
    let server = server();
    let output = server.place().worker("up", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("another worker runs with the state directory") && said.contains("--state-dir"),
        "{said}"
    );
    assert!(said.contains(&server.place().state_dir().display().to_string()), "{said}");
    assert_eq!(server.ended(&submit(&server, "echo on"))["output_data"]["stdout"], "on\n");
}

/// A process of Stockade's own user that has nothing to do with the database.
struct Bystander(Child);

impl Bystander {
    #[expect(clippy::disallowed_methods, reason = "the bystander is what this test is about")]
    fn start() -> Self {
        let account = ["--reuid", "stockade", "--regid", "stockade", "--clear-groups", "--", "sleep", "60"];
        Self(Command::new("setpriv").args(account).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        // It may have gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stale_pid_file_is_no_obstacle_and_what_was_there_is_kept() {
    let mut server = server();
    let id = submit(&server, "echo before");
    server.ended(&id);
    assert_eq!(server.stop().code(), Some(0));
    // Postgres itself would take the bystander for a server: it is the same user's.
    let mut bystander = Bystander::start();
    let file = server.place().state_dir().join("postgres/data/postmaster.pid");
    std::fs::write(&file, format!("{}\n/nowhere\n1700000000\n5432\n\n\n0 0\nready\n", bystander.0.id()))
        .unwrap();
    server.start_again();
    assert_eq!(server.job(&id)["output_data"]["stdout"], "before\n");
    let job = server.ended(&submit(&server, "echo after"));
    assert_eq!((&job["status"], &job["output_data"]["stdout"]), (&json!("completed"), &json!("after\n")));
    assert!(bystander.0.try_wait().unwrap().is_none(), "a process that is not ours was ended");
}

//! Who takes what: a worker claims only what it has a runner for.

use std::time::Duration;

use serde_json::{Value, json};

use super::{SERVER, script};

fn shown(id: &str, arguments: &[&str]) -> String {
    let output = SERVER.place().stockade(&[&["jobs", "show", id], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_no_worker_takes_waits_and_says_why() {
    let more = [("execution_type", json!("docker"))];
    let waits = SERVER.submit_with("scripts", "python", &script("print(1)"), &more);
    // Handed in later, and taken.
    let taken = SERVER.run("scripts", "python", &script("print(1)"));
    assert_eq!(taken["status"], "completed", "{taken}");
    assert_eq!(SERVER.job(&waits)["status"], "pending");
    let why = "no worker takes jobs of execution type `docker`: they take http, serverless, shell";
    assert!(shown(&waits, &[]).contains(why));
    let value: Value = serde_json::from_str(&shown(&waits, &["--json"])).unwrap();
    assert!(value["waits_because"].as_str().unwrap().contains(why), "{value}");
    let value: Value = serde_json::from_str(&shown(taken["id"].as_str().unwrap(), &["--json"])).unwrap();
    assert!(value["waits_because"].is_null(), "{value}");
    assert!(SERVER.log().contains("http, serverless, shell"), "{}", SERVER.log());
    SERVER.sql(&format!("UPDATE jobs.tb_job_run SET execution_type = 'shell' WHERE id = '{waits}'"));
    SERVER.sql(&format!("SELECT jobs.cancel_job('{waits}', 'the test')"));
    SERVER.until(&waits, Duration::from_secs(5), |job| job["status"] == "cancelled");
}

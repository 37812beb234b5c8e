//! The command line as a caller meets it: streams, exit codes, the object of `--json`, errors. Needs root.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::Value;
use stockade_tests::{Place, job_processes};

fn place() -> Place {
    Place::new("services: []\n")
}

fn exec(place: &Place, options: &[&str], command: &[&str]) -> Output {
    let arguments: Vec<&str> =
        ["exec"].iter().chain(options).chain(&["--"]).chain(command).copied().collect();
    place.stockade(&arguments)
}

fn policy(place: &Place, text: &str) -> String {
    let path = place.path().join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SMALL: &str = "\
policy: small
extends: script-standard
commands: [/usr/bin/python3, /bin/sh]
resource_limits: {memory_mb: 48, wall_seconds: 1}
outputs: [result.json]
";

#[test]
fn streams_and_exit_codes_pass_through() {
    let place = place();
    let script = "echo out; echo err >&2; exit 3";
    let output = exec(&place, &["--policy", "shell-utils"], &["/bin/sh", "-c", script]);
    assert_eq!((text(&output.stdout), output.status.code()), ("out\n".to_owned(), Some(3)));
    assert!(text(&output.stderr).contains("err\n"));
    let killed = exec(&place, &["--policy", "shell-utils"], &["/bin/sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.status.code(), Some(128 + 9));
}

#[test]
fn the_reserved_exit_codes_say_what_ended_a_job() {
    let place = place();
    let small = policy(&place, SMALL);
    let code = |options: &[&str], command: &[&str]| exec(&place, options, command).status.code();
    let python = |code| ["/usr/bin/python3", "-c", code];
    assert_eq!(code(&["--policy", &small], &["/bin/sh", "-c", "kill -STOP $$"]), Some(124));
    assert_eq!(code(&["--policy", &small, "--fail-at", "landlock"], &["/bin/sh", "-c", "true"]), Some(125));
    assert_eq!(code(&["--policy", &small], &["/usr/bin/env"]), Some(126));
    assert_eq!(code(&["--policy", &small], &python("bytearray(1 << 30)")), Some(137));
    assert_eq!(code(&["--policy", &small], &python("pass")), Some(0));
}

#[test]
fn json_prints_the_object_of_the_contract() {
    let place = place();
    let options = ["--policy", "script-standard", "--json"];
    let output = exec(&place, &options, &["/usr/bin/python3", "-c", "print(6*7)"]);
    let object = json(&output);
    assert_eq!((object["status"].as_str(), object["stdout"].as_str()), (Some("completed"), Some("42\n")));
    assert_eq!((&object["exit_code"], &object["signal"]), (&Value::from(0), &Value::Null));
    for key in ["stderr", "truncated", "outputs", "resource_usage", "security_context"] {
        assert!(!object[key].is_null(), "{key}: {object}");
    }
    let context = &object["security_context"];
    for key in ["policy", "plan_sha256", "enforcement", "denials", "user", "limits", "host"] {
        assert!(!context[key].is_null(), "{key}: {context}");
    }
    assert_eq!(context["enforcement"]["seccomp"]["state"], "enforced");
    assert!(object["resource_usage"]["peak_memory_mb"].as_f64().unwrap() > 0.0);
}

#[test]
fn what_was_refused_is_in_the_object() {
    let place = place();
    let code = "import ctypes, socket, subprocess\n\
                def attempt(what):\n\
                \x20   try: what()\n\
                \x20   except OSError: pass\n\
                attempt(lambda: open('/etc/shadow'))\n\
                ctypes.CDLL(None).syscall(425, 1, 0)\n\
                attempt(lambda: socket.create_connection(('192.0.2.1', 80), 1))\n\
                attempt(lambda: subprocess.run(['/usr/bin/id']))\n";
    let options = ["--policy", "script-standard", "--json"];
    let object = json(&exec(&place, &options, &["/usr/bin/python3", "-c", code]));
    let denials = object["security_context"]["denials"].as_array().unwrap();
    let mut targets: Vec<&str> = denials.iter().map(|denial| denial["target"].as_str().unwrap()).collect();
    targets.sort_unstable();
    assert_eq!(targets, ["/etc/shadow", "/usr/bin/id", "192.0.2.1:80", "io_uring_setup"], "{object}");
}

#[test]
fn output_that_is_not_text_comes_in_base64_beside_it() {
    let place = place();
    let code = "import sys; sys.stdout.buffer.write(b'\\0\\xff')";
    let output = exec(&place, &["--policy", "script-standard", "--json"], &["/usr/bin/python3", "-c", code]);
    assert_eq!(json(&output)["stdout_base64"], "AP8=");
}

#[test]
fn inputs_go_in_and_outputs_come_out_but_links_do_not() {
    let place = place();
    let input = place.path().join("data.txt");
    std::fs::write(&input, "hello").unwrap();
    let results = place.path().join("results");
    std::fs::create_dir(&results).unwrap();
    // Root is given up before the job runs, so the results are written by Stockade's own user.
    std::fs::set_permissions(&results, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let options = [
        "--policy",
        "script-standard",
        "--input",
        input.to_str().unwrap(),
        "--output",
        results.to_str().unwrap(),
    ];
    let good = "open('result.json', 'w').write(open('data.txt').read().upper())";
    assert_eq!(exec(&place, &options, &["/usr/bin/python3", "-c", good]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(results.join("result.json")).unwrap(), "HELLO");
    std::fs::remove_file(results.join("result.json")).unwrap();
    exec(
        &place,
        &options,
        &["/usr/bin/python3", "-c", "import os; os.symlink('/etc/shadow', 'result.json')"],
    );
    assert!(results.join("result.json").symlink_metadata().is_err());
}

#[test]
fn a_bad_policy_is_told_with_its_place_and_nothing_runs() {
    let place = place();
    let bad = policy(&place, "policy: bad\ncomands: [/bin/sh]\nresource_limits: {memory_mb: lots}\n");
    let output = exec(&place, &["--policy", &bad], &["/bin/sh", "-c", "echo ran"]);
    assert_eq!(output.status.code(), Some(125));
    let said = text(&output.stderr);
    assert!(
        said.contains("policy.yaml:2:1") && said.contains("policy.yaml:3:"),
        "all errors at once: {said}"
    );
    assert!(said.contains("commands"), "a suggestion: {said}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn without_a_record_nothing_runs() {
    let place = place();
    let run = || exec(&place, &["--policy", "shell-utils"], &["/bin/sh", "-c", "echo ran"]);
    assert_eq!(text(&run().stdout), "ran\n");
    let record = place.state_dir().join("exec-record.jsonl");
    std::fs::remove_file(&record).unwrap();
    let refused = || {
        let output = run();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(125), String::new()));
        let said = text(&output.stderr);
        assert!(said.contains(record.to_str().unwrap()), "the error names the record: {said}");
        let ran = job_processes("echo ran");
        assert!(ran.is_empty(), "{ran:?}");
    };
    // It cannot be opened; it can be, and nothing can be appended when the sandbox is being built already.
    std::fs::create_dir(&record).unwrap();
    refused();
    std::fs::remove_dir(&record).unwrap();
    std::fs::write(&record, "not an entry\n").unwrap();
    refused();
    std::fs::remove_file(&record).unwrap();
    assert_eq!(text(&run().stdout), "ran\n");
}

#[test]
fn a_bad_registry_stops_the_start_with_all_its_errors() {
    let services =
        "services:\n  - {name: a, execution_type: shell, bogus: 1}\n  - {name: b, execution_type: rocket}\n";
    let output = Place::new(services).worker("up", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("bogus") && said.contains("rocket") && said.contains("services.yaml:3:"), "{said}");
}

#[test]
fn policy_check_finds_every_error_without_root_or_database() {
    let place = place();
    let bad = policy(&place, "policy: bad\ncomands: []\nnetwork: {mode: telepathy}\n");
    let output = place.stockade(&["policy", "check", &bad, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(json(&output)["diagnostics"].as_array().unwrap().len(), 2);
    let good = policy(&place, SMALL);
    assert_eq!(place.stockade(&["policy", "check", &good]).status.code(), Some(0));
}

#[test]
fn every_command_has_help_with_an_example() {
    let place = place();
    for command in [
        "up",
        "serve",
        "demo",
        "exec",
        "submit",
        "jobs list",
        "jobs show",
        "jobs cancel",
        "policy check",
        "policy explain",
        "policy diff",
        "policy schema",
        "policy learn",
        "doctor",
        "migrate",
    ] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = text(&place.stockade(&arguments).stdout);
        assert!(help.contains("Example"), "{command}: {help}");
    }
}

#[test]
fn doctor_finds_every_layer_of_this_host() {
    let output = place().stockade(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("landlock"));
}

#[test]
fn doctor_says_what_there_is_for_jobs_outside_of_a_sandbox() {
    let found = |arguments: &[&str]| {
        let arguments = [&["doctor", "--json"], arguments].concat();
        let report: serde_json::Value = serde_json::from_slice(&place().stockade(&arguments).stdout).unwrap();
        let checks = report["checks"].as_array().unwrap().clone();
        move |name: &str| checks.iter().find(|check| check["name"] == name).unwrap().clone()
    };
    let none = found(&["--http-authorities", "/nowhere/ca.pem"]);
    let nowhere = found(&["--docker-host", "unix:///nowhere/docker.sock"]);
    for (check, says) in [
        (none("container engine"), "none is named"),
        (nowhere("container engine"), "no container engine answers at `/nowhere/docker.sock`"),
        (none("certificate authorities"), "cannot read the authorities in `/nowhere/ca.pem`"),
        (none("functions of aws"), "no credentials but those that services name"),
        (none("functions of gcp"), "no credentials but those that services name"),
    ] {
        assert_eq!(check["standing"], "gap", "{check}");
        assert!(check["found"].as_str().unwrap().contains(says), "{check}");
        assert!(check["cost"].is_string() && check["remedy"].is_string(), "{check}");
        assert_eq!(check["required"], false);
    }
    assert_eq!(nowhere("certificate authorities")["standing"], "good");
}

#[test]
fn the_demo_comes_out_as_it_must() {
    let output = place().stockade(&["demo"]);
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}{}", text(&output.stderr));
    for job in ["transform a CSV", "fork bomb", "memory bomb", "outlive the job"] {
        assert!(table.contains(job), "{table}");
    }
}

//! What is on record of a job: its usage, what was in force, what was refused, what it printed and left.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use stockade_tests::{bytes, eventually, job_processes, signal};

use super::{SERVER, id_of, only_attempt, script};

fn sha256(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[test]
fn what_a_job_used_is_measured() {
    let busy = "import time\nhoard = bytearray(40 << 20)\nend = time.monotonic() + 0.3\nwhile time.monotonic() < end: pass";
    let job = SERVER.run("scripts", "python", &script(busy));
    let usage = &job["resource_usage"];
    let number = |key: &str| usage[key].as_f64().unwrap_or_else(|| panic!("`{key}` of {usage}"));
    assert!((0.3..5.0).contains(&number("duration_seconds")), "{usage}");
    assert!((10.0..=110.0).contains(&number("cpu_usage_percent")), "{usage}");
    assert!((40.0..=128.0).contains(&number("peak_memory_mb")), "{usage}");
    assert!(number("memory_mb") > 1.0 && number("memory_mb") <= number("peak_memory_mb"), "{usage}");
    for key in [
        "wall_ms",
        "setup_ms",
        "user_cpu_ms",
        "system_cpu_ms",
        "peak_processes",
        "read_bytes",
        "written_bytes",
        "output_bytes",
    ] {
        assert!(number(key) >= 0.0);
    }
    let null: Vec<&String> = usage.as_object().unwrap().keys().filter(|key| usage[*key].is_null()).collect();
    let explained: Vec<&String> = usage["unknown"].as_object().unwrap().keys().collect();
    assert_eq!(null, explained);
    assert_eq!(only_attempt(id_of(&job))["resource_usage"], *usage);
}

#[test]
fn what_was_in_force_is_read_back_layer_by_layer() {
    let job = SERVER.run("scripts", "python", &script("print(6 * 7)"));
    let context = &job["security_context"];
    assert_eq!(context["policy"]["name"], "script-standard");
    assert_eq!(context["policy"]["version"], 1);
    assert!(sha256(&context["policy"]["sha256"]) && sha256(&context["plan_sha256"]), "{context}");
    assert_eq!(context["limits"]["memory_mb"], 128);
    let layers = context["enforcement"].as_object().unwrap();
    for layer in ["seccomp", "landlock", "cgroup_memory", "network_namespace", "capabilities", "no_new_privs"]
    {
        assert_eq!(layers[layer]["state"], "enforced", "{layer}: {context}");
    }
    assert!(layers.values().all(|layer| layer["detail"].is_string()));
    assert_eq!(context["denials"], json!([]));
    for key in ["tenant_id", "user", "host"] {
        assert!(context.get(key).is_some(), "{key}");
    }
    let attempt = only_attempt(id_of(&job));
    assert_eq!(attempt["security_context"], *context);
    assert_eq!(attempt["plan_sha256"], context["plan_sha256"]);
    assert_eq!((&attempt["status"], &attempt["exit_code"]), (&json!("completed"), &json!(0)));
}

#[test]
fn what_was_refused_a_job_is_counted() {
    let forks = "import os, time\nfor _ in range(40):\n    try:\n        if os.fork() == 0: time.sleep(5)\n    \
                 except OSError: pass";
    let job = SERVER.run("scripts", "python_once", &script(forks));
    let denials = job["security_context"]["denials"].as_array().unwrap();
    let fork = denials.iter().find(|denial| denial["what"] == "fork").unwrap_or_else(|| panic!("{job}"));
    assert!(
        fork["count"].as_u64().unwrap() >= 1 && fork["layer"].is_string() && fork["at"].is_string(),
        "{fork}"
    );
    let event = SERVER.events(id_of(&job)).pop().unwrap();
    assert_eq!(event["body"]["detail"]["denials"], job["security_context"]["denials"]);
}

/// It asks for a host that its policy does not name: nothing is looked up, and nothing leaves.
#[test]
fn a_jobs_connections_are_in_its_row_and_on_record() {
    let ask = "import socket\ns = socket.create_connection(('127.0.0.1', 3128))\n\
               s.sendall(b'CONNECT evil.example:443 HTTP/1.1\\r\\n\\r\\n')\nprint(s.recv(12))";
    let job = SERVER.run("packages", "python", &script(ask));
    assert_eq!(job["output_data"]["stdout"], "b'HTTP/1.1 403'\n", "{job}");
    let context = &job["security_context"];
    let [connection] = context["network"]["connections"].as_array().unwrap().as_slice() else {
        panic!("{context}")
    };
    for (key, value) in [("destination", "evil.example:443"), ("how", "connect"), ("verdict", "refused")] {
        assert_eq!(connection[key], value, "{connection}");
    }
    let denials = context["denials"].as_array().unwrap();
    let denial = denials.iter().find(|denial| denial["layer"] == "egress").unwrap();
    assert_eq!((&denial["target"], &denial["count"]), (&json!("evil.example:443"), &json!(1)));
    assert_eq!(context["enforcement"]["egress"]["state"], "enforced");
    let event = SERVER.events(id_of(&job)).pop().unwrap();
    assert_eq!(event["body"]["detail"]["network"], context["network"], "{event}");
}

/// A path, a call, an address and a program that the policy does not let it have.
const FOUR: &str = "\
import ctypes, socket, subprocess
def attempt(what):
    try: what()
    except OSError as error: print(error.errno)
attempt(lambda: open('/etc/shadow'))
ctypes.CDLL(None).syscall(425, 1, 0)
attempt(lambda: socket.create_connection(('192.0.2.1', 80), 1))
attempt(lambda: subprocess.run(['/usr/bin/id']))
";

#[test]
fn refused_path_call_address_and_program_are_in_the_job_row() {
    let job = SERVER.run("scripts", "python", &script(FOUR));
    assert_eq!(job["status"], "completed", "{job}");
    let denials = job["security_context"]["denials"].as_array().unwrap();
    let mut found: Vec<(&str, &str, &str)> = denials
        .iter()
        .map(|denial| ["layer", "what", "target"].map(|key| denial[key].as_str().unwrap()).into())
        .collect();
    found.sort_unstable();
    let expected = [
        ("landlock", "read", "/etc/shadow"),
        ("network", "connect", "192.0.2.1:80"),
        ("seccomp", "system_call", "io_uring_setup"),
        ("view", "execute", "/usr/bin/id"),
    ];
    assert_eq!(found, expected, "{job}");
    assert!(denials.iter().all(|denial| denial["count"] == 1 && denial["at"].is_string()));
}

#[test]
fn an_attempt_is_on_record_before_it_ends_and_again_when_it_has() {
    // It goes on when what it waits for is ended, so that there is time to look.
    let id = SERVER.submit("tools", "sh", &script("sleep 61.0625; exit 0"));
    let sleeps = || job_processes("61.0625").into_iter().find(|process| process.name == "sleep");
    let sleeping = eventually("the job runs", Duration::from_secs(10), sleeps);
    let events = SERVER.events(&id);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["kind"], "attempt.started");
    assert_eq!(only_attempt(&id)["status"], "running");
    signal(sleeping.pid, Signal::TERM);
    let job = SERVER.ended(&id);
    let events = SERVER.events(&id);
    assert_eq!(events.len(), 2, "{events:?}");
    let [started, ended] = [&events[0], &events[1]];
    assert_eq!(ended["kind"], "attempt.ended");
    assert_eq!((&started["body"]["service"], &started["body"]["operation"]), (&json!("tools"), &json!("sh")));
    assert_eq!(started["body"]["plan_sha256"], job["security_context"]["plan_sha256"]);
    assert_eq!(ended["body"]["status"], "completed");
    assert_eq!(ended["body"]["resource_usage"], job["resource_usage"]);
    assert!(started["seq"].as_i64() < ended["seq"].as_i64());
    assert_eq!(SERVER.broken_record(), Vec::<Value>::new());
}

#[test]
fn bytes_that_are_no_text_come_through_unchanged() {
    let writes = "import sys\nsys.stdout.buffer.write(b'a\\0b\\xff\\xfe\\n')\nsys.stderr.buffer.write(b'\\xc3(\\0')\n\
                  open('raw.bin', 'wb').write(bytes(range(256)))";
    let job = SERVER.run("scripts", "python", &script(writes));
    assert_eq!(job["status"], "completed", "{job}");
    let attempt = only_attempt(id_of(&job));
    assert_eq!(bytes(&attempt["stdout"]), b"a\0b\xff\xfe\n");
    assert_eq!(bytes(&attempt["stderr"]), b"\xc3(\0");
    assert_eq!(attempt["stdout_truncated"], false);
    let outputs = SERVER.rows(&format!(
        "SELECT state, bytes FROM jobs.tb_job_output WHERE job_id = '{}' AND path = 'raw.bin'",
        id_of(&job)
    ));
    assert_eq!(outputs[0]["state"], "file");
    assert_eq!(bytes(&outputs[0]["bytes"]), (0..=255).collect::<Vec<u8>>());
    assert_eq!(job["output_data"]["outputs"]["raw.bin"], json!({"state": "file", "size": 256}));
    assert!(job["output_data"]["stdout"].as_str().unwrap().starts_with("a\u{fffd}b"), "{job}");
}

#[test]
fn a_result_with_a_nul_in_it_does_not_keep_the_job_from_ending() {
    let job = SERVER.run(
        "scripts",
        "python",
        &script("open('result.json', 'w').write('{\"name\": \"a\\\\u0000b\"}')"),
    );
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(job["output_data"]["result"]["name"], "a\u{fffd}b");
    assert_eq!(job["output_data"]["result"]["name_base64"], "YQBi");
}

#[test]
fn a_link_as_a_result_is_reported_and_not_followed() {
    let job = SERVER.run("scripts", "python", &script("import os\nos.symlink('/etc/passwd', 'result.json')"));
    assert_eq!(job["output_data"]["outputs"]["result.json"]["state"], "symlink", "{job}");
    assert_eq!(job["output_data"].get("result"), None);
    let kept =
        SERVER.sql(&format!("SELECT count(bytes) FROM jobs.tb_job_output WHERE job_id = '{}'", id_of(&job)));
    assert_eq!(kept, "0");
}

#[test]
fn a_result_that_breaks_its_promise_fails_the_job() {
    let promised = |rows: &str| {
        let text = format!("open('result.json', 'w').write('{{\"rows\": {rows}}}')");
        SERVER.run("scripts", "promised", &script(&text))
    };
    assert_eq!(promised("3")["status"], "completed");
    let broken = promised("\"three\"");
    assert_eq!(broken["status"], "failed");
    assert!(broken["error_message"].as_str().unwrap().contains("rows"), "{broken}");
}

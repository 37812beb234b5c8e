//! A row proposes, the registry disposes: what a row asks for can only take away.

use serde_json::{Value, json};

use super::{SERVER, id_of, only_attempt, script};

fn run_with(column: &str, value: &Value) -> Value {
    let id =
        SERVER.submit_with("scripts", "python_once", &script("print('ran')"), &[(column, value.clone())]);
    SERVER.ended(&id)
}

#[test]
fn a_row_that_asks_for_more_than_the_registry_grants_is_refused() {
    let asked = [
        ("security_context", json!({"resource_limits": {"memory_mb": 4096}}), "memory_mb"),
        ("security_context", json!({"resource_limits": {"pids": 17}}), "pids"),
        ("security_context", json!({"use": "base"}), "base"),
        ("security_context", json!({"network": {"mode": "host"}}), "network"),
        ("security_context", json!({"filesystem": {"read": ["/etc"]}}), "/etc"),
        ("security_context", json!({"filesystem": {"write": ["/usr/local"]}}), "/usr/local"),
        ("security_context", json!({"commands": ["/usr/bin/python3", "/usr/bin/id"]}), "/usr/bin/id"),
        ("security_context", json!({"outputs": ["other.txt"]}), "other.txt"),
        ("security_context", json!({"syscalls": {"profile": "none"}}), "profile"),
        ("security_context", json!({"enforcement": {}}), "enforcement"),
        ("security_context", json!(5), "security_context"),
        ("runner_config", json!({"command": ["/usr/bin/id"]}), "command"),
        ("runner_config", json!({"interpreter": ["/bin/sh"]}), "interpreter"),
        ("runner_config", json!({"interpreter": ["/usr/bin/python3", "-i"]}), "interpreter"),
        ("runner_config", json!({"script_from_input": "note"}), "script_from_input"),
        ("runner_config", json!({"allowed_commands": ["/usr/bin/python3", "/usr/bin/id"]}), "/usr/bin/id"),
        ("runner_config", json!({"allowed_images": ["debian"]}), "allowed_images"),
    ];
    for (column, value, named) in asked {
        let job = run_with(column, &value);
        assert_eq!(job["status"], "failed", "{column} {value}: {job}");
        let message = job["error_message"].as_str().unwrap();
        assert!(message.contains(named), "{column} {value}: {message}");
        assert_eq!(only_attempt(id_of(&job))["status"], "refused", "{column} {value}");
    }
}

#[test]
fn a_row_that_asks_for_no_more_than_that_runs() {
    let asked = [
        ("security_context", json!({})),
        ("security_context", Value::Null),
        ("security_context", json!({"use": "script-standard"})),
        ("runner_config", json!({"allowed_commands": ["/usr/bin/python3"]})),
        ("runner_config", json!({"allowed_commands": "['/usr/bin/python3']"})),
        ("runner_config", json!({"interpreter": ["/usr/bin/python3"], "script_from_input": "script"})),
    ];
    for (column, value) in asked {
        let job = run_with(column, &value);
        assert_eq!(job["output_data"]["stdout"], "ran\n", "{column} {value}: {}", job["error_message"]);
    }
}

#[test]
fn what_a_row_gives_up_is_taken_and_holds() {
    let hoard = script("hoard = bytearray(80 << 20)\nprint('had it')");
    let given_up = json!({"resource_limits": {"memory_mb": 48, "pids": 5}});
    let id = SERVER.submit_with("scripts", "python_once", &hoard, &[("security_context", given_up)]);
    let job = SERVER.ended(&id);
    let context = &job["security_context"];
    assert_eq!((&context["limits"]["memory_mb"], &context["limits"]["pids"]), (&json!(48), &json!(5)));
    assert!(
        context["enforcement"]["cgroup_memory"]["detail"].as_str().unwrap().contains("50331648"),
        "{context}"
    );
    assert_eq!(only_attempt(&id)["status"], "out_of_memory");
    // The same script has room in what the registry grants.
    assert_eq!(SERVER.run("scripts", "python_once", &hoard)["output_data"]["stdout"], "had it\n");
}

#[test]
fn a_retry_does_not_take_what_was_recorded_for_a_wish() {
    let given_up = json!({"resource_limits": {"memory_mb": 64}});
    let more = [("security_context", given_up), ("max_attempts", json!(2))];
    let id = SERVER.submit_with("scripts", "python", &script("raise SystemExit(1)"), &more);
    SERVER.ended(&id);
    let attempts = SERVER.attempts(&id);
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!((&attempt["status"], &attempt["exit_code"]), (&json!("failed"), &json!(1)), "{attempt}");
        assert_eq!(attempt["security_context"]["limits"]["memory_mb"], 64);
    }
}

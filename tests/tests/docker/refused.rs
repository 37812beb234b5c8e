//! Bad input: each a clear, classified error, and nothing has run.

use super::*;

/// A job that must not have run: its error, its class, and the status of its only attempt.
fn not_run(service: &str, operation: &str, input: &Value) -> (String, Value, String) {
    let job = RIG.server.run(service, operation, input);
    let attempt = only_attempt(&RIG.server, &job);
    let class = job["output_data"]["error_class"].clone();
    (job["error_message"].as_str().unwrap().to_owned(), class, attempt["status"].as_str().unwrap().to_owned())
}

#[test]
fn an_image_that_the_engine_does_not_have_is_never_fetched() {
    let missing = format!("box@sha256:{}", "0".repeat(64));
    let (error, class, status) = not_run("two", "choose", &json!({"image": missing}));
    assert!(error.contains("the engine has no image") && error.contains("none is fetched"), "{error}");
    assert_eq!((class, status.as_str()), (json!("permanent"), "setup_failed"));
}

#[test]
fn a_tag_another_image_a_command_and_a_volume_are_not_a_jobs_to_say() {
    for (input, word) in [
        (json!({"image": "box:latest"}), "names no digest"),
        (json!({"image": "box"}), "names no digest"),
        (json!({"image": format!("other@sha256:{}", "1".repeat(64))}), "does not allow"),
        (json!({"image": ["box"]}), "`image` is not what the registry says"),
        (json!({"command": ["/bin/sh", "-c", "id"]}), "`command` is not what the registry says"),
        (json!({"command": "/bin/echo fixed"}), "`command` is not what the registry says"),
        (json!({"volumes": ["/etc"]}), "`volumes` is not what the registry says"),
        (json!({"volumes": {"/": "/host"}}), "`volumes` is not what the registry says"),
    ] {
        let (error, _, status) = not_run("box", "fixed", &input);
        assert!(error.contains(word), "{input}: {error}");
        assert_eq!(status, "refused");
    }
    // The same that the registry says is no harm.
    let job = RIG.server.run(
        "box",
        "fixed",
        &json!({"command": ["/bin/echo", "fixed"], "image": RIG.image, "volumes": []}),
    );
    assert_eq!(job["status"], "completed", "{job}");
}

#[test]
fn an_image_that_declares_a_volume_where_the_kernels_own_is_mounted_is_refused() {
    let (error, class, _) = not_run("proc-volume", "script", &script("echo ran"));
    assert!(error.contains("/proc/data") && error.contains("VOLUME"), "{error}");
    assert_eq!(class, "permanent");
}

#[test]
fn a_program_that_the_image_does_not_have_is_not_tried_again() {
    let (error, class, _) = not_run("box", "absent", &json!({}));
    assert!(error.contains("execute `/bin/no-such-program`"), "{error}");
    assert_eq!(class, "permanent");
}

#[test]
fn an_operation_that_does_not_say_what_runs_loads_and_refuses_every_job() {
    let (error, _, status) = not_run("box", "unsaid", &json!({"command": ["/bin/id"]}));
    assert!(error.contains("does not say what runs"), "{error}");
    assert_eq!(status, "refused");
}

#[test]
fn a_row_can_only_give_up_rights() {
    let server = &RIG.server;
    let with = |column: &str, value: Value| {
        server.ended(&server.submit_with("box", "fixed", &json!({}), &[(column, value)]))
    };
    for (column, value) in [
        ("runner_config", json!({"allowed_images": ["evil:latest"]})),
        ("runner_config", json!({"privileged": true})),
        ("security_context", json!({"resource_limits": {"memory_mb": 4096}})),
        ("security_context", json!({"network": {"mode": "allowlist", "hosts": ["example.com:443"]}})),
    ] {
        let job = with(column, value.clone());
        assert_eq!(only_attempt(server, &job)["status"], "refused", "{value}: {job}");
    }
    let job = with("security_context", json!({"resource_limits": {"memory_mb": 32}}));
    assert_eq!(
        (&job["status"], &job["security_context"]["limits"]["memory_mb"]),
        (&json!("completed"), &json!(32)),
        "{job}"
    );
    assert!(
        job["security_context"]["enforcement"]["cgroup_memory"]["detail"]
            .as_str()
            .unwrap()
            .contains("33554432 bytes")
    );
}

#[test]
fn nothing_runs_in_a_runtime_that_does_not_show_what_is_in_force() {
    let (error, class, status) = not_run("gvisor", "script", &script("echo it ran"));
    let said = match MAKER {
        // Its container is up, with gVisor's kernel in it.
        Maker::Docker => {
            "read `NoNewPrivs` (a runtime with a kernel of its own, such as runsc, does not show it"
        }
        Maker::Podman => "Podman cannot be asked for the runtime `runsc`",
    };
    assert!(error.contains(said), "{error}");
    assert_eq!((class, status.as_str()), (json!("permanent"), "setup_failed"));
}

#[test]
fn a_runtime_that_the_engine_cannot_be_asked_for_is_not_left_out() {
    let (error, class, status) = not_run("unknown", "runtime", &json!({}));
    let said = match MAKER {
        Maker::Docker => "nobody-s",
        Maker::Podman => "Podman cannot be asked for the runtime `nobody-s`, its own is `runc`",
    };
    assert!(error.contains(said), "{error}");
    assert_eq!((class, status.as_str()), (json!("permanent"), "setup_failed"));
}

//! What a job is given and what it leaves.

use super::*;

#[test]
fn a_job_finds_its_input_on_standard_input_and_in_its_directory_and_leaves_a_result() {
    let job = run(
        "cat; echo; cat /job/input.json; echo complaint >&2; mkdir deep; echo a > deep/report.txt; echo '{\"rows\": 3}' > result.json",
    );
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!(stdout(&job).matches("\"script\":").count(), 2, "{job}");
    let output = &job["output_data"];
    assert_eq!((&output["stderr"], &output["result"]), (&json!("complaint\n"), &json!({"rows": 3})));
    assert_eq!(output["outputs"]["deep/report.txt"], json!({"state": "file", "size": 2}));
    assert_eq!(output["outputs"]["link"]["state"], "missing");
    let usage = &job["resource_usage"];
    for known in
        ["duration_seconds", "user_cpu_ms", "memory_mb", "peak_memory_mb", "peak_processes", "setup_ms"]
    {
        assert!(usage[known].is_number(), "{known}: {usage}");
    }
    // What nobody can know is null, with the reason.
    assert!(usage["read_bytes"].is_null() && usage["unknown"]["read_bytes"].is_string(), "{usage}");
    assert!(stockade_tests::eventually(
        "the container is removed",
        std::time::Duration::from_secs(10),
        || { RIG.engine.container_of(job["id"].as_str().unwrap()).is_none().then_some(true) }
    ));
}

#[test]
fn bytes_survive_and_the_exit_code_is_the_programs() {
    let job = run("printf 'a\\000\\377b'; exit 3");
    assert_eq!(job["status"], "failed");
    let attempt = only_attempt(&RIG.server, &job);
    assert_eq!(stockade_tests::bytes(&attempt["stdout"]), b"a\0\xffb");
    assert_eq!(attempt["exit_code"], 3);
}

#[test]
fn what_ran_is_on_record_by_its_digest() {
    let job = RIG.server.run("box", "fixed", &json!({}));
    assert_eq!(stdout(&job), "fixed\n");
    let context = &job["security_context"];
    let target = &context["target"];
    assert_eq!(target["image"], RIG.image);
    assert_eq!(target["image_id"], RIG.image.split_once('@').unwrap().1);
    let (version, podman) = match MAKER {
        Maker::Docker => ("20.10", false),
        Maker::Podman => ("4.3.", true),
    };
    assert!(target["engine"]["version"].as_str().unwrap().starts_with(version), "{target}");
    assert_eq!(target["engine"]["podman"], podman);
    assert!(target["runtime"].as_str().unwrap().starts_with("runc 1."), "{target}");
    assert!(target["started_at"].is_string() && target["finished_at"].is_string());
    assert!(context["policy"]["sha256"].is_string() && context["plan_sha256"].is_string(), "{context}");
    assert_eq!(context["limits"]["memory_mb"], 64);
    assert_eq!(RIG.server.broken_record(), Vec::<Value>::new());
}

#[test]
fn an_images_own_command_runs_where_the_registry_says_so() {
    let job = RIG.server.run("own", "words", &json!({}));
    assert_eq!(stdout(&job), "its own words\n");
}

#[test]
fn a_job_sets_the_variables_that_the_registry_lets_it_set() {
    let server = &RIG.server;
    let greeting = |variables: Value| {
        server.run("box", "script", &json!({"script": "echo $GREETING; env | cat", "env_vars": variables}))
    };
    let job = greeting(json!({"GREETING": "hello; rm -rf /"}));
    assert!(stdout(&job).starts_with("hello; rm -rf /\n"), "{job}");
    for refused in
        [json!({"LD_PRELOAD": "/x"}), json!({"OTHER": "x"}), json!({"GREETING": 1}), json!(["GREETING=x"])]
    {
        let job = greeting(refused);
        assert!(job["error_message"].as_str().unwrap().contains("env_vars"), "{job}");
        assert_eq!(only_attempt(server, &job)["status"], "refused");
    }
}

#[test]
fn a_job_chooses_among_the_images_that_the_registry_allows() {
    let chosen = RIG.server.run("two", "choose", &json!({"image": RIG.image}));
    assert_eq!(stdout(&chosen), "chosen\n");
    let unsaid = RIG.server.run("two", "choose", &json!({}));
    assert!(unsaid["error_message"].as_str().unwrap().contains("`image` is missing"), "{unsaid}");
}

#[test]
fn the_demo_shows_a_job_in_a_container_where_an_engine_answers_and_says_why_not_elsewhere() {
    let row = |place: Place| {
        let output = place.stockade(&["demo"]);
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
        table.lines().find(|line| line.starts_with("job in a container")).unwrap().to_owned()
    };
    let shown = row(place("", &RIG.engine));
    assert!(shown.contains("completed") && shown.contains("without network"), "{shown}");
    assert!(row(Place::new("")).contains("not run         no container engine was named"));
    assert!(!RIG.engine.said(&["images"]).contains("stockade-demo"), "its image is removed");
}

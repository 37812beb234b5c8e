//! Secrets of a service: its jobs have them, and nobody else.

use std::sync::LazyLock;
use std::time::Duration;

use super::*;

const SECRET: &str = "sk_live_7f3a90c1";
const SOON: Duration = Duration::from_secs(20);

fn services() -> String {
    format!(
        "services:\n  - name: keyed\n    execution_type: docker\n    runner_config: {{allowed_images: [\"{}\"], allowed_env: [API_KEY], \
         secrets: {{API_KEY: \"env:BATCH_KEY\"}}}}\n    security_policy: {{secrets: [\"env:BATCH_KEY\"], outputs: [result.json, key.txt]}}\n    \
         operations:\n      - {{name: script, max_retries: 0, runner_config: {{interpreter: [/bin/sh], script_from_input: script}}}}\n",
        RIG.image
    )
}

static KEYED: LazyLock<Server> = LazyLock::new(|| {
    Server::start_with(place(&services(), &RIG.engine), |worker| {
        worker.env("BATCH_KEY", SECRET);
    })
});

#[test]
fn a_container_has_the_secret_of_its_service_and_neither_the_engine_nor_the_record_does() {
    let text = "echo rest ${API_KEY#sk_live_}; echo $API_KEY; echo $API_KEY >&2; echo \"{\\\"key\\\": \\\"$API_KEY\\\"}\" > result.json; \
                printf \"<$API_KEY>\" > key.txt; sleep 3";
    let id = KEYED.submit("keyed", "script", &script(text));
    let inspected = stockade_tests::eventually("the job runs", SOON, || {
        let found = RIG.engine.docker(&["inspect", &RIG.engine.container_of(&id)?]);
        let text = String::from_utf8_lossy(&found.stdout).into_owned();
        text.contains("\"Running\": true").then_some(text)
    });
    assert!(inspected.contains("stockade.job") && !inspected.contains(SECRET), "{inspected}");
    let job = KEYED.ended(&id);
    assert_eq!(stdout(&job), "rest 7f3a90c1\n***\n", "{job}");
    let output = &job["output_data"];
    assert_eq!((&output["stderr"], &output["result"]), (&json!("***\n"), &json!({"key": "***"})), "{job}");
    assert_eq!(output["outputs"]["key.txt"], json!({"state": "file", "size": 5}), "{job}");
    let everything = format!("{job} {:?} {:?} {}", KEYED.attempts(&id), KEYED.events(&id), KEYED.log());
    assert!(!everything.contains(SECRET));
    assert_eq!(KEYED.broken_record(), Vec::<Value>::new());
}

#[test]
fn a_job_neither_sets_nor_keeps_a_secret_that_is_not_its_own_to_have() {
    let text = "echo rest ${API_KEY#sk_live_}";
    let input = json!({"script": text, "env_vars": {"API_KEY": "sk_live_of_its_own"}});
    assert_eq!(stdout(&KEYED.run("keyed", "script", &input)), "rest 7f3a90c1\n");
    let given_up = [("security_context", json!({"secrets": []}))];
    let job = KEYED.ended(&KEYED.submit_with("keyed", "script", &script(text), &given_up));
    let error = job["error_message"].as_str().unwrap();
    assert!(error.contains("does not grant the secret `env:BATCH_KEY`"), "{error}");
    assert_eq!(only_attempt(&KEYED, &job)["status"], "refused", "{job}");
}

#[test]
fn a_worker_that_lacks_the_secret_of_a_container_or_may_not_give_it_does_not_start_and_says_so() {
    let granted = "secrets: [\"env:BATCH_KEY\"], outputs";
    for (services, said) in [
        (services(), "service `keyed` lacks a secret: the secret `env:BATCH_KEY`"),
        (services().replace(granted, "outputs"), "`env:BATCH_KEY` is none of the policy's `secrets`"),
    ] {
        let output = place(&services, &RIG.engine).worker("up", &[]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(said), "{error}");
    }
}

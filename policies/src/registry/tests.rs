//! Registries in both shapes, jobs made from them, and rows that ask for more.

use serde_json::json;

use super::*;
use crate::compile::JobSpec;

fn load(text: &str) -> Result<Registry, Diagnostics> {
    load_for(text, &Capabilities::complete(&["shell", "http", "docker", "serverless"]))
}

/// Of a worker with these runners.
fn load_for(text: &str, capabilities: &Capabilities) -> Result<Registry, Diagnostics> {
    let library = Library::shipped().unwrap();
    Registry::parse("services.yaml", text, &library, Environment::Production, capabilities)
}

/// The design's own example.
const DATA_PROCESSOR: &str = r#"
services:
  - name: data_processor
    type: script
    execution_type: shell
    runner_config:
      allowed_commands: ["/usr/bin/python3", "/usr/bin/node"]
    security_policy:
      use: script-standard
      resource_limits: {memory_mb: 512, cpu_cores: 1.0}
    operations:
      - name: transform
        input_schema: {rows: integer, mode: string}
        timeout: 60
        max_retries: 4
        runner_config: {command: ["/usr/bin/python3", "/srv/jobs/transform.py"]}
      - name: run_script
        runner_config: {interpreter: ["/usr/bin/python3"], script_from_input: script}
"#;

fn registry() -> Registry {
    load(DATA_PROCESSOR).unwrap_or_else(|found| panic!("{found}"))
}

fn prepare(operation: &str, input: &Value, proposal: &JobProposal<'_>) -> Result<Prepared, Refusal> {
    let registry = registry();
    let operation = registry.operation("data_processor", operation).unwrap();
    operation.check_input(input)?;
    operation.shell().unwrap().prepare(input, proposal)
}

fn arguments(job: &JobSpec) -> Vec<&str> {
    job.arguments().iter().map(stockade_plan::Arg::as_str).collect()
}

#[test]
fn the_list_shape_is_read() {
    let registry = registry();
    let operation = registry.operation("data_processor", "transform").unwrap();
    assert_eq!(operation.execution_type().as_str(), "shell");
    assert_eq!(operation.timeout(), Some(Duration::from_secs(60)));
    assert_eq!(operation.max_attempts(), 5);
    assert_eq!(registry.operation("data_processor", "run_script").unwrap().max_attempts(), 3);
    let service = registry.services().next().unwrap();
    assert_eq!(
        (service.name(), service.kind(), service.operations().count()),
        ("data_processor", Some("script"), 2)
    );
    let commands: Vec<_> = operation.shell().unwrap().policy().commands().map(ToString::to_string).collect();
    assert_eq!(commands, ["/usr/bin/node", "/usr/bin/python3"]);
}

#[test]
fn the_map_shape_is_read_and_its_execution_type_defaults_to_http() {
    let registry = load(
        "services:\n  stripe:\n    base_url: https://api.example.org\n    auth_type: bearer_token\n    timeout: 30\n    \
         retry_policy: {max_attempts: 5, backoff: exponential}\n    operations:\n      create_charge:\n        method: POST\n        \
         path: /v1/charges\n        input_schema: {amount: integer}\n        output_schema: {charge_id: string}\n",
    )
    .unwrap_or_else(|found| panic!("{found}"));
    let operation = registry.operation("stripe", "create_charge").unwrap();
    assert_eq!((operation.execution_type().as_str(), operation.max_attempts()), ("http", 5));
    assert_eq!(operation.timeout(), Some(Duration::from_secs(30)));
    let Runner::Http(http) = operation.runner() else { panic!("{operation:?}") };
    let http = http.settings();
    assert_eq!((http.method.as_deref(), http.path.as_deref()), (Some("POST"), Some("/v1/charges")));
    assert!(operation.shell().is_none());
    assert!(operation.check_output(&json!({"charge_id": "x"})).is_ok());
    assert!(operation.check_output(&json!({})).is_err());
}

#[test]
fn docker_and_serverless_settings_are_read() {
    let registry = load(
        "services:\n  - name: images\n    execution_type: docker\n    runner_config: {allowed_images: [a:1], default_timeout: 60, \
         network_mode: none, resource_limits: {cpu: 0.5, memory_mb: 64, disk_mb: 10}}\n    security_policy: {allowed_mounts: [/srv/data]}\n    \
         operations: [{name: run}]\n  - name: functions\n    execution_type: serverless\n    runner_config: {provider: aws, region: eu-west-1, \
         auth: {type: iam_role}, timeout: 30, memory_size: 256}\n    operations: [{name: call}]\n",
    )
    .unwrap_or_else(|found| panic!("{found}"));
    let Runner::Docker(docker) = registry.operation("images", "run").unwrap().runner() else { panic!() };
    let docker = docker.settings();
    assert_eq!(
        (docker.cpu_millicores, docker.allowed_mounts.as_slice()),
        (Some(500), &["/srv/data".to_owned()][..])
    );
    let Runner::Serverless(function) = registry.operation("functions", "call").unwrap().runner() else {
        panic!()
    };
    let function = function.settings();
    assert_eq!((function.provider.as_deref(), function.auth.as_deref()), (Some("aws"), Some("iam_role")));
}

#[test]
fn a_docker_service_gives_secrets_that_its_policy_grants_and_nothing_else() {
    let of = |secrets: &str| {
        load(&format!(
            "services:\n  - name: images\n    execution_type: docker\n    runner_config: {{allowed_images: [\"a@sha256:{}\"], \
             secrets: {secrets}}}\n    security_policy: {{secrets: [\"env:KEY\"]}}\n    operations:\n      \
             - {{name: run, runner_config: {{command: [/bin/run]}}}}\n",
            "0".repeat(64)
        ))
    };
    let registry = of("{API_KEY: \"env:KEY\"}").unwrap_or_else(|found| panic!("{found}"));
    let Runner::Docker(docker) = registry.operation("images", "run").unwrap().runner() else { panic!() };
    let prepared = docker.prepare(&json!({}), &JobProposal::default()).unwrap();
    let given: Vec<_> = prepared.secrets.iter().map(|(name, named)| format!("{name}={named}")).collect();
    assert_eq!(given, ["API_KEY=env:KEY"]);
    let lacking = registry.check_secrets(|_| Some("it is not here".to_owned())).unwrap_err().to_string();
    assert!(lacking.contains("service `images` lacks a secret: it is not here"), "{lacking}");
    for (secrets, said) in [
        ("{API_KEY: \"env:OTHER\"}", "`env:OTHER` is none of the policy's `secrets`"),
        ("{LD_PRELOAD: \"env:KEY\"}", "steers the dynamic loader"),
        ("{API_KEY: sk_live_1}", "this is no reference to a secret"),
        ("[API_KEY]", "variables, each with a reference to a secret"),
    ] {
        let found = of(secrets).unwrap_err().to_string();
        assert!(found.contains(said), "{found}");
    }
}

#[test]
fn a_runner_that_is_not_ours_gets_its_settings_as_they_are() {
    let text = "services:\n  - name: q\n    execution_type: quantum\n    runner_config: {qubits: 5}\n    operations:\n      \
                - {name: o, runner_config: {shots: [1, \"2\"]}}\n";
    let registry = load_for(text, &Capabilities::complete(&["quantum"])).unwrap();
    let Runner::Other(action) = registry.operation("q", "o").unwrap().runner() else { panic!() };
    let OtherSettings { service, operation } = action.settings();
    assert_eq!((service, operation), (&json!({"qubits": 5}), &json!({"shots": [1, "2"]})));
}

/// A service under a policy, whose runner puts these clauses in force.
fn under(policy: &str, enforces: crate::Enforces) -> Result<Registry, Diagnostics> {
    let text = format!(
        "services:\n  - name: s\n    execution_type: rocket\n    security_policy: {policy}\n    operations: [{{name: o}}]\n"
    );
    load_for(&text, &Capabilities::new().runner("rocket", enforces))
}

#[test]
fn a_clause_that_the_runner_does_not_enforce_is_refused_with_its_name() {
    const CLOCK: crate::Enforces = &["resource_limits.wall_seconds", "resource_limits.output_kb"];
    assert!(under("{resource_limits: {wall_seconds: 5}}", CLOCK).is_ok());
    for (policy, clause) in [
        ("{use: script-standard}", "`commands`"),
        ("{use: container-batch}", "`resource_limits.memory_mb`"),
        ("{resource_limits: {memory_mb: 64}}", "`resource_limits.memory_mb`"),
        ("{use: http-call, http: {hosts: [\"a.example:443\"]}}", "`http`"),
        ("{functions: [\"arn:aws:lambda:eu-west-1:123456789012:function:f:1\"]}", "`functions`"),
        ("{require: [seccomp]}", "`require`"),
    ] {
        let shown = under(policy, CLOCK).unwrap_err().to_string();
        assert!(
            shown.contains(&format!("service `s` cannot be enforced here: {clause}")),
            "{policy}: {shown}"
        );
    }
}

#[test]
fn a_service_may_say_what_an_abstract_policy_leaves_open_and_no_more() {
    let service = |policy: &str, url: &str| {
        load(&format!(
            "services:\n  - name: s\n    base_url: {url}\n    security_policy: {policy}\n    operations: [{{name: o}}]\n"
        ))
    };
    let registry = service("{use: http-webhook}", "https://hooks.example.com/in").unwrap();
    let policy = registry.operation("s", "o").unwrap().effective_policy();
    let name = |text: &str| crate::HostName::parse(text.as_bytes()).unwrap();
    let http = policy.http();
    assert!(http.allows_host(&name("hooks.example.com"), 443) && http.allows_path("/in/a"));
    assert!(
        !http.allows_host(&name("hooks.example.com"), 80) && !http.allows_host(&name("example.com"), 443)
    );
    assert!(!http.allows_path("/") && !http.allows_path("/inn") && !http.allows_method("GET"));
    // What the policy says itself stays.
    let found = service("{use: http-webhook, http: {response_kb: 65}}", "https://a.example").unwrap_err();
    assert!(found.to_string().contains("`http.response_kb` 65"), "{found}");
    let found = service("{http: {hosts: [\"a.example:443\"]}}", "https://b.example").unwrap_err();
    assert!(found.to_string().contains("`http.hosts` `b.example:443`"), "{found}");
}

#[test]
fn a_base_url_has_one_spelling_and_holds_no_secret() {
    let service =
        |url: &str| load(&format!("services: {{s: {{base_url: '{url}', operations: {{o: {{}}}}}}}}\n"));
    let registry = service("http://127.0.0.1:8080/v1").unwrap();
    let policy = registry.operation("s", "o").unwrap().effective_policy();
    assert!(policy.http().names_address([127, 0, 0, 1].into(), 8080));
    assert!(!policy.http().names_address([127, 0, 0, 1].into(), 8081));
    for url in [
        "api.example.com",
        "ftp://a.example",
        "https://",
        "https://user:pw@a.example",
        "https://a.example?x=1",
        "https://a.example/#x",
        "https://2130706433",
        "https://0x7f.1",
        "https://0177.0.0.1",
        "https://localhost:80",
        "https://A.example",
        "https://a.example:0",
        "https://a.example:99999",
        "https://a.example/../b",
        "https://a.example/%2e%2e/b",
        "https://a.example//b",
        "https://a.example.",
        "https:///a.example",
        "https://[::ffff:127.0.0.1",
        "https://0.0.0.0",
        "http://a.example\\@b.example",
    ] {
        assert!(service(url).is_err(), "{url}");
    }
}

#[test]
fn a_clause_of_a_row_that_the_runner_does_not_enforce_refuses_the_job() {
    let registry = under("{}", &["resource_limits.wall_seconds", "resource_limits.output_kb"]).unwrap();
    let Runner::Other(action) = registry.operation("s", "o").unwrap().runner() else { panic!() };
    let tightened = |asked: Value| {
        action.tightened(&JobProposal { security_context: Some(&asked), ..JobProposal::default() })
    };
    assert_eq!(tightened(json!({"resource_limits": {"wall_seconds": 5}})).unwrap().limits().wall_seconds, 5);
    for (asked, clause) in [
        (json!({"require": ["landlock"]}), "`require`"),
        (json!({"resource_limits": {"memory_mb": 64}}), "`resource_limits.memory_mb`"),
    ] {
        let shown = tightened(asked).unwrap_err().to_string();
        assert!(shown.contains(&format!("the job's {clause} cannot be enforced")), "{shown}");
    }
}

#[test]
fn a_row_may_repeat_what_the_registry_says_of_a_runner_and_choose_within_its_lists() {
    let registry = load(
        "services:\n  - name: s\n    execution_type: serverless\n    runner_config: {region: eu-west-1, allowed_functions: \
         [\"arn:aws:lambda:eu-west-1:123456789012:function:f:1\"]}\n    operations: [{name: o}]\n",
    )
    .unwrap_or_else(|found| panic!("{found}"));
    let Runner::Serverless(action) = registry.operation("s", "o").unwrap().runner() else { panic!() };
    let tightened = |config: Value| {
        action.tightened(&JobProposal { runner_config: Some(&config), ..JobProposal::default() })
    };
    assert_eq!(tightened(json!({})).unwrap().functions().count(), 1);
    assert!(tightened(json!({"region": "eu-west-1"})).is_ok());
    assert!(
        tightened(json!({"allowed_functions": ["arn:aws:lambda:eu-west-1:123456789012:function:f:1"]}))
            .is_ok()
    );
    assert_eq!(tightened(json!({"allowed_functions": []})).unwrap().functions().count(), 0);
    for config in
        [json!({"region": "us-east-1"}), json!({"allowed_functions": ["x"]}), json!({"endpoint": "http://x"})]
    {
        assert!(
            tightened(config.clone()).unwrap_err().to_string().contains("is not what the registry says"),
            "{config}"
        );
    }
}

#[test]
fn an_unknown_service_or_operation_is_named_with_its_near_miss() {
    let registry = registry();
    let error = registry.operation("data_procesor", "transform").unwrap_err();
    assert_eq!(error.to_string(), "there is no service `data_procesor`; did you mean `data_processor`?");
    let error = registry.operation("data_processor", "delete").unwrap_err();
    assert_eq!(error.to_string(), "there is no operation `delete`");
}

#[test]
fn a_job_of_a_command_finds_its_input_beside_it() {
    let input = json!({"rows": 3, "mode": "fast"});
    let prepared = prepare("transform", &input, &JobProposal::default()).unwrap();
    assert_eq!(arguments(&prepared.job), ["/usr/bin/python3", "/srv/jobs/transform.py"]);
    let names: Vec<&str> = prepared.job.inputs().iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["input.json"]);
    assert_eq!(serde_json::from_slice::<Value>(&prepared.files[0]).unwrap(), input);
    assert_eq!(prepared.policy.limits().wall_seconds, 60);
}

#[test]
fn a_job_that_brings_its_script_gets_it_as_a_file() {
    let input = json!({"script": "print('$(id)')\n"});
    let prepared = prepare("run_script", &input, &JobProposal::default()).unwrap();
    assert_eq!(arguments(&prepared.job), ["/usr/bin/python3", "/job/script"]);
    assert_eq!(prepared.files[1], b"print('$(id)')\n");
    assert_eq!(prepared.job.inputs()[1].size, 15);
}

#[test]
fn an_input_that_lacks_a_field_is_refused_by_its_name() {
    let refused = |operation: &str, input: Value| {
        prepare(operation, &input, &JobProposal::default()).unwrap_err().to_string()
    };
    assert_eq!(refused("transform", json!({"rows": 3})), "input field `mode` is missing, expected text");
    assert_eq!(
        refused("run_script", json!({})),
        "input field `script` is missing, expected the text of a script"
    );
    assert_eq!(
        refused("run_script", json!({"script": 1})),
        "input field `script` is not the text of a script"
    );
}

#[test]
fn a_script_of_ten_megabytes_is_refused_with_the_bound() {
    let input = json!({"script": "#".repeat(10 * 1024 * 1024)});
    let error = prepare("run_script", &input, &JobProposal::default()).unwrap_err().to_string();
    assert_eq!(error, "input field `script` is 10485760 bytes, at most 1048576 are allowed");
}

fn proposed(runner_config: Value, security_context: Value) -> Result<Prepared, Refusal> {
    let proposal = JobProposal {
        runner_config: Some(&runner_config),
        security_context: Some(&security_context),
        timeout_seconds: Some(300),
    };
    prepare("transform", &json!({"rows": 3, "mode": "fast"}), &proposal)
}

#[test]
fn a_row_may_tighten() {
    let prepared = proposed(
        json!({"allowed_commands": ["/usr/bin/python3"]}),
        json!({"resource_limits": {"memory_mb": 64, "cpu_cores": 0.5}, "syscalls": {"profile": "strict"}}),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(prepared.policy.limits().memory_mb, 64);
    assert_eq!(prepared.policy.limits().wall_seconds, 60);
    assert_eq!(prepared.policy.commands().count(), 1);
}

#[test]
fn a_row_that_asks_for_more_is_refused_with_both_values() {
    let more = |config: Value, context: Value| proposed(config, context).unwrap_err().to_string();
    let memory = more(json!({}), json!({"resource_limits": {"memory_mb": 1024}}));
    assert!(
        memory.contains(
            "the job asks for `resource_limits.memory_mb` 1024, more than the 512 of service `data_processor`"
        ),
        "{memory}"
    );
    assert!(memory.contains("--> the job's security_context:3:"), "{memory}");
    for (config, context) in [
        (json!({"allowed_commands": ["/bin/sh"]}), json!({})),
        (json!({"command": ["/usr/bin/python3", "-c", "evil"]}), json!({})),
        (json!({"interpreter": ["/usr/bin/python3"]}), json!({})),
        (json!({"image": "evil:latest"}), json!({})),
        (json!({}), json!({"use": "base"})),
        (json!({}), json!({"network": {"mode": "allowlist"}})),
        (json!({}), json!({"filesystem": {"read": ["/usr/share"]}})),
        (json!({}), json!({"filesystem": {"read": ["/"]}})),
        (json!({}), json!({"privileged": true})),
        (json!([]), json!({})),
        (json!({}), json!("all")),
    ] {
        let error = more(config.clone(), context.clone());
        assert!(error.contains("error["), "{config} {context}: {error}");
    }
}

#[test]
fn a_row_as_generated_sql_writes_it_is_understood() {
    let prepared = proposed(
        json!({"allowed_commands": "['/usr/bin/python3', '/usr/bin/node']"}),
        json!({"use": "script-standard", "resource_limits": "{'memory_mb': 512, 'cpu_cores': 1.0}"}),
    );
    assert_eq!(prepared.unwrap_or_else(|error| panic!("{error}")).policy.limits().memory_mb, 512);
    assert!(proposed(json!({"allowed_commands": "['/bin/sh']"}), json!({})).is_err());
    assert!(proposed(json!({"allowed_commands": "[&a /bin/sh, *a]"}), json!({})).is_err());
}

#[test]
fn hostile_json_in_a_row_is_refused_and_never_understood_otherwise() {
    for context in [
        json!({"resource_limits": {"memory_mb": "64\u{0}"}}),
        json!({"resource_limits": {"memory_mb": "64\n  pids: 9999"}}),
        json!({"resource_limits\": {}, \"use": 1}),
        json!({"use": "script-standard\u{202e}"}),
        json!({"resource_limits": {"memory_mb": 1e308}}),
        json!({"resource_limits": {"memory_mb": -1}}),
    ] {
        assert!(proposed(json!({}), context.clone()).is_err(), "{context}");
    }
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert!(proposed(json!({}), json!({ "outputs": deep })).is_err());
}

#[test]
fn a_service_that_names_no_policy_gets_the_standard_one() {
    let text = "services:\n  - name: s\n    execution_type: shell\n    operations:\n      - {name: o, runner_config: {command: [/bin/sh]}}\n";
    let registry = load(text).unwrap_or_else(|found| panic!("{found}"));
    let policy = registry.operation("s", "o").unwrap().shell().unwrap().policy().clone();
    assert_eq!(policy.name().as_str(), "script-standard");
}

#[test]
fn what_this_host_cannot_run_shows_when_services_load() {
    let text = |command: &str| {
        format!(
            "services:\n  - name: s\n    execution_type: shell\n    security_policy: {{use: shell-utils}}\n    operations:\n      - name: o\n        runner_config: {{command: [{command}]}}\n"
        )
    };
    let check = |command: &str, abi| load(&text(command)).unwrap().check_on(&Host::new(), abi);
    assert_eq!(check("/bin/sh", 6), Ok(()));
    let shown = check("/bin/sh", 0).unwrap_err().to_string();
    assert!(shown.contains("operation `s.o` cannot run on this host: `commands, filesystem`"), "{shown}");
    assert!(shown.contains("services.yaml:6:15"), "{shown}");
}

#[test]
fn a_registry_file_that_others_can_write_or_that_is_a_link_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("services.yaml");
    std::fs::write(&file, DATA_PROCESSOR).unwrap();
    let set_mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    let library = Library::shipped().unwrap();
    let capabilities = Capabilities::new().runner("shell", crate::SHELL_ENFORCES);
    let load = |path: &Path| Registry::load(path, &library, Environment::Production, &capabilities);
    set_mode(0o644);
    assert_eq!(load(&file).unwrap().sha256(), Digest::of(DATA_PROCESSOR.as_bytes()));
    for mode in [0o664, 0o646, 0o666] {
        set_mode(mode);
        assert!(load(&file).unwrap_err().to_string().contains("can be written by others"));
    }
    set_mode(0o644);
    let link = directory.path().join("link.yaml");
    symlink(&file, &link).unwrap();
    assert!(load(&link).unwrap_err().to_string().contains("is a symbolic link"));
    assert!(load(directory.path()).unwrap_err().to_string().contains("is not a regular file"));
    assert!(load(&directory.path().join("none")).unwrap_err().to_string().contains("No such file"));
    std::fs::write(&file, "#".repeat(2 * 1024 * 1024)).unwrap();
    assert!(load(&file).unwrap_err().to_string().contains("is larger than 1048576 bytes"));
}

#[test]
fn every_place_of_a_secret_is_asked_for_whoever_carries_the_service_out() {
    let function = "arn:aws:lambda:eu-west-1:123456789012:function:f:7";
    let registry = load(&format!(
        "services:\n  - name: web\n    execution_type: http\n    base_url: https://api.example.com\n    \
         auth_type: bearer_token\n    operations: [{{name: a, path: /}}]\n  - name: stated\n    \
         execution_type: serverless\n    runner_config: {{region: eu-west-1, allowed_functions: ['{function}'], \
         auth: {{type: access_key, access_key_id: 'env:ID', secret_access_key: 'credential:key'}}}}\n    \
         security_policy: {{secrets: ['env:ID', 'credential:key']}}\n    operations: [{{name: a}}]\n  - name: usual\n    \
         execution_type: serverless\n    runner_config: {{region: eu-west-1, allowed_functions: ['{function}'], \
         auth: {{type: access_key}}}}\n    operations: [{{name: a}}]\n  - name: role\n    execution_type: serverless\n    \
         runner_config: {{region: eu-west-1, allowed_functions: ['{function}']}}\n    operations: [{{name: a}}]\n"
    ))
    .unwrap_or_else(|found| panic!("{found}"));
    let asked = std::cell::RefCell::new(Vec::new());
    let ask = |secret: &SecretRef| {
        asked.borrow_mut().push(secret.to_string());
        None
    };
    assert!(registry.check_secrets(ask).is_ok());
    let mut asked = asked.into_inner();
    asked.sort();
    let wanted =
        ["credential:key", "env:AWS_ACCESS_KEY_ID", "env:AWS_SECRET_ACCESS_KEY", "env:ID", "env:WEB_TOKEN"];
    assert_eq!(asked, wanted);
    let lacking = registry.check_secrets(|secret| Some(format!("`{secret}` is not there"))).unwrap_err();
    assert_eq!(lacking.to_string().matches("is not there").count(), wanted.len(), "{lacking}");
}

#[test]
fn a_path_begins_with_a_slash_or_does_not_load() {
    let with = |path: &str| {
        load(&format!(
            "services:\n  - name: web\n    execution_type: http\n    base_url: https://api.example.com/v1\n    \
             operations: [{{name: a, path: {path}}}]\n"
        ))
    };
    for path in ["'{id}/profile'", "charges", "'.evil.example/'", "'@evil.example/'"] {
        let found = with(path).expect_err(path).to_string();
        assert!(found.contains("does not start with `/`") && found.contains("write `/"), "{found}");
    }
    for path in ["'/{id}/profile'", "/", "''", "'?page=1'"] {
        assert!(with(path).is_ok(), "{path}");
    }
}

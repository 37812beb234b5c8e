//! What a registry of 1,000 services costs: reading and validating it in both shapes, down to the plan of each operation, finding an operation and its runner,
//! checking an input. `make bench`. Fails if a median is over its bound.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark prints, and fails loudly"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stockade::runner::serverless::Endpoints;
use stockade::runner::{
    Boxed, JobRunner, Refusal, Request, RunnerError, RunnerRegistry, ServerlessRunner, Work,
};
use stockade::store::AttemptId;
use stockade_policies::{
    DOCKER_ENFORCES, Enforces, Environment, HTTP_ENFORCES, Host, Library, Operation, Registry, SHELL_ENFORCES,
};

const SERVICES: usize = 1_000;
const LOADS: usize = 40;
const PICKS: usize = 2_000;
const CHECKS: usize = 2_000;

/// Of a host that has all of it: what is compiled here is not run.
const LANDLOCK_ABI: u8 = 6;

/// The bounds, at the median.
const LOAD_BOUND: Duration = Duration::from_millis(100);
const PICK_BOUND: Duration = Duration::from_micros(10);
const CHECK_BOUND: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    let directory = tempfile::tempdir().expect("a directory");
    let runners = [
        ("shell", SHELL_ENFORCES),
        ("http", HTTP_ENFORCES),
        ("docker", DOCKER_ENFORCES),
        ("serverless", ServerlessRunner::new(Endpoints::default()).enforces()),
    ]
    .into_iter()
    .try_fold(RunnerRegistry::default(), |runners, (name, enforces)| runners.with(Named(name, enforces)))
    .expect("four names");
    println!("a registry of {SERVICES} services                       median          p95        bound");
    let mut good = true;
    let mut registry = None;
    for (shape, text) in [("a list", listed()), ("a map", mapped())] {
        let path = directory.path().join("services.yaml");
        std::fs::write(&path, &text).expect("the registry is written");
        let times = (0..LOADS).map(|_| {
            let began = Instant::now();
            let loaded = load(&path, &runners);
            let took = began.elapsed();
            registry = Some(loaded);
            took
        });
        let what = format!("load and validate {shape}, {} KiB", text.len() / 1024);
        good &= report(&what, times.collect(), LOAD_BOUND);
    }
    let registry = registry.expect("it was loaded");
    good &= picks(&registry, &runners);
    let short = registry.operation("tool_1", "run").expect("a service");
    let json_schema = registry.operation("tool_2", "run").expect("a service");
    for (what, operation) in [("short form", short), ("JSON Schema", json_schema)] {
        good &= checks(&format!("check an input of 10 lines, {what}"), operation, &order(10));
        good &= checks(&format!("check an input of 500 lines, {what}"), operation, &order(500));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn load(path: &Path, runners: &RunnerRegistry) -> Registry {
    let library = Library::shipped().expect("the library");
    let registry = Registry::load(path, &library, Environment::Production, &runners.capabilities())
        .unwrap_or_else(|found| panic!("{found}"));
    registry.check_on(&Host::new(), LANDLOCK_ABI).unwrap_or_else(|found| panic!("{found}"));
    registry
}

fn picks(registry: &Registry, runners: &RunnerRegistry) -> bool {
    let names: Vec<(String, String)> = registry
        .services()
        .flat_map(|service| service.operations())
        .map(|operation| (operation.service().to_owned(), operation.name().to_owned()))
        .collect();
    let times = (0..PICKS).zip(names.iter().cycle()).map(|(_, (service, operation))| {
        let began = Instant::now();
        let operation = registry.operation(black_box(service), operation).expect("it is there");
        black_box(runners.runner(operation.execution_type()).expect("it is there"));
        began.elapsed()
    });
    report("find an operation and its runner", times.collect(), PICK_BOUND)
}

fn checks(what: &str, operation: &Operation, input: &Value) -> bool {
    let times = (0..CHECKS).map(|_| {
        let began = Instant::now();
        black_box(operation.check_input(black_box(input))).expect("it fits");
        began.elapsed()
    });
    report(what, times.collect(), CHECK_BOUND)
}

fn report(what: &str, mut times: Vec<Duration>, bound: Duration) -> bool {
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(Duration::MAX);
    let good = at(50) < bound;
    let verdict = if good { "" } else { "  FAILED" };
    println!("{what:<48} {:>12.2?} {:>12.2?} {bound:>12.2?}{verdict}", at(50), at(95));
    good
}

const SHORT: &str = "{customer: text, placed: timestamp, mode: \"enum(fast, exact)\", note: \"text?\", \
                     key: uuid, lines: \"list(object)\", tags: list(text), total: decimal, urgent: boolean, day: \"date?\"}";
const JSON_SCHEMA: &str = "{$schema: https://json-schema.org/draft/2020-12/schema, type: object, \
    required: [customer, placed, mode, key, lines, tags, total, urgent], additionalProperties: false, properties: {\
    customer: {type: string, minLength: 1, maxLength: 80}, placed: {type: string, format: date-time}, mode: {enum: [fast, exact]}, \
    note: {type: string}, key: {type: string, format: uuid}, lines: {type: array, items: {$ref: \"#/$defs/line\"}}, \
    tags: {type: array, items: {type: string, pattern: \"^[a-z-]{1,20}$\"}, uniqueItems: true}, total: {type: number, minimum: 0}, \
    urgent: {type: boolean}, day: {type: string, format: date}}, $defs: {line: {type: object, required: [sku, amount], \
    properties: {sku: {type: string, pattern: \"^[A-Z]{2}[0-9]{1,6}$\"}, amount: {type: integer, minimum: 1}, price: {type: number}}, \
    additionalProperties: false}}}";

fn order(lines: usize) -> Value {
    let lines: Vec<Value> =
        (0..lines).map(|line| json!({"sku": format!("AB{line}"), "amount": 3, "price": 2.5})).collect();
    json!({
        "customer": "Meier & Söhne", "placed": "2026-11-23T12:00:00Z", "mode": "exact", "total": 75.5, "urgent": false,
        "key": "0b2f6a3e-52f6-4d9f-8f8e-0d5a1c9b7e11", "lines": lines, "tags": ["new", "abroad", "paid"],
    })
}

/// What stands in service `number`, each line indented as in a list: every kind of service that people have.
fn body(number: usize) -> (String, String) {
    let schema = if number % 8 == 2 { JSON_SCHEMA } else { SHORT };
    let policy = ["script-standard", "script-strict", "shell-utils"].get(number % 3).expect("one of three");
    let command = if *policy == "shell-utils" { "/usr/bin/sort" } else { "/usr/bin/python3" };
    match number % 4 {
        0 => ("http".to_owned(), http(number)),
        3 => ("container".to_owned(), other(number)),
        _ => (
            "tool".to_owned(),
            format!(
                "    type: script\n    execution_type: shell\n    runner_config: {{allowed_commands: [{command}]}}\n    \
                 security_policy: {{use: {policy}, resource_limits: {{memory_mb: 64, wall_seconds: 20}}, syscalls: {{profile: strict}}, outputs: [result.json]}}\n    \
                 operations:\n      - name: run\n        input_schema: {schema}\n        output_schema: {{rows: integer}}\n        timeout: 15\n        \
                 runner_config: {{command: [{command}, --version]}}\n      - name: again\n        max_retries: 2\n        \
                 security_policy: {{resource_limits: {{pids: 4}}}}\n        runner_config: {{command: [{command}, --help]}}\n"
            ),
        ),
    }
}

fn http(number: usize) -> String {
    format!(
        "    base_url: https://api{number}.example.com\n    auth_type: bearer_token\n    timeout: 30\n    \
         retry_policy: {{max_attempts: 5, backoff: exponential}}\n    operations:\n      create:\n        method: POST\n        \
         path: /v1/charges\n        input_schema: {{amount: integer, currency: text}}\n        output_schema: {{charge_id: string}}\n"
    )
}

fn other(number: usize) -> String {
    match number % 8 {
        3 => format!(
            "    execution_type: docker\n    runner_config: {{allowed_images: [\"reports@sha256:{number:064x}\"], default_timeout: 60, network_mode: none, \
             resource_limits: {{cpu: 0.5, memory_mb: 64, disk_mb: 10}}}}\n    operations: [{{name: run, input_schema: {{image: text}}}}]\n"
        ),
        _ => "    execution_type: serverless\n    runner_config: {provider: aws, region: eu-west-1, auth: {type: iam_role}, timeout: 30, memory_size: 256}\n    \
              operations: [{name: call, input_schema: {payload: json}}]\n"
            .to_owned(),
    }
}

fn listed() -> String {
    (0..SERVICES).fold("services:\n".to_owned(), |mut text, number| {
        let (kind, body) = body(number);
        write!(text, "  - name: {kind}_{number}\n{body}").expect("memory");
        text
    })
}

fn mapped() -> String {
    (0..SERVICES).fold("services:\n".to_owned(), |mut text, number| {
        let (kind, body) = body(number);
        write!(text, "  {kind}_{number}:\n{body}").expect("memory");
        text
    })
}

/// A runner that is only picked.
#[derive(Debug)]
struct Named(&'static str, Enforces);

impl JobRunner for Named {
    fn execution_type(&self) -> &'static str {
        self.0
    }

    fn enforces(&self) -> Enforces {
        self.1
    }

    fn validate(&self, _: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
        Err(Refusal::Refused("nothing is run here".to_owned()))
    }

    fn cancel(&self, _: &AttemptId) {}

    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }
}

//! Tree to services and operations.

use std::collections::BTreeMap;

use super::capabilities::{Capabilities, ExecutionType};
use super::docker::{self, DockerSettings};
use super::http::HttpSettings;
use super::remote::{OtherSettings, RemoteAction};
use super::schema::{Compiler, Schema};
use super::serverless::{self, ServerlessSettings};
use super::settings::seconds;
use super::shell::{self, ShellAction};
use super::{Backoff, Operation, Runner, Service};
use crate::diagnostic::Diagnostics;
use crate::effective::{EffectivePolicy, Layer, Origin};
use crate::environment::Environment;
use crate::library::Library;
use crate::policy::{Clauses, Stated, clauses, commands, policy_name};
use crate::yaml::{At, Fields, Node, Reader, Spanned, Value, shorten};

/// The policy of a service that names none.
fn default_policy(kind: &ExecutionType) -> &'static str {
    match kind.as_str() {
        ExecutionType::SHELL => "script-standard",
        ExecutionType::HTTP => "http-call",
        ExecutionType::DOCKER => "container-batch",
        _ => "function-call",
    }
}
/// Tries of an operation that says nothing, as SpecQL has it.
const DEFAULT_ATTEMPTS: u32 = 3;
pub(crate) const ATTEMPTS_MAX: u64 = 100;

/// What services are read against.
pub(crate) struct Context<'a> {
    pub(crate) library: &'a Library,
    pub(crate) environment: Environment,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) compiler: &'a Compiler,
}

/// The services of a registry, in either shape.
pub(crate) fn services(
    reader: &Reader,
    root: &Node,
    context: &Context<'_>,
) -> Option<BTreeMap<String, Service>> {
    let mut fields = Fields::of(reader, root, "a service registry")?;
    let node = fields.required("services");
    fields.finish();
    let mut services = BTreeMap::new();
    for (name, node) in named(reader, node?, "a list or map of services") {
        let service = name.and_then(|name| service(reader, node, name, context));
        if let Some(service) = service {
            add(reader, &mut services, service, |service| (&service.name, &service.at));
        }
    }
    Some(services)
}

/// The elements of a list with their `name`s, or the entries of a map with their keys.
fn named<'n>(reader: &Reader, node: &'n Node, expected: &str) -> Vec<(Option<Spanned<String>>, &'n Node)> {
    match &node.value {
        Value::List(items) => items.iter().map(|item| (listed_name(reader, item), item)).collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, node)| (name(reader, &key.text, reader.at(key.span)), node)).collect()
        }
        Value::Scalar(_) => {
            reader.report(reader.wrong(node, expected));
            Vec::new()
        }
    }
}

fn listed_name(reader: &Reader, item: &Node) -> Option<Spanned<String>> {
    let mut fields = Fields::of(reader, item, "something with a `name`")?;
    let node = fields.required("name")?;
    name(reader, reader.text(node, NAME)?, reader.at(node.span))
}

const NAME: &str = "a name: letters, digits, `_`, `-` and `.`, at most 128";

fn name(reader: &Reader, text: &str, at: At) -> Option<Spanned<String>> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if !text.is_empty() && text.len() <= 128 && text.bytes().all(good) {
        return Some(Spanned { value: text.to_owned(), at });
    }
    let message = format!("`{}` is not a name", shorten(text));
    reader.report(at.error("bad-value", message).help(format!("expected {NAME}")));
    None
}

fn add<T>(reader: &Reader, map: &mut BTreeMap<String, T>, item: T, key: impl Fn(&T) -> (&String, &At)) {
    let (name, at) = key(&item);
    if let Some(first) = map.get(name) {
        let line = key(first).1.span.line;
        let message = format!("`{name}` is defined twice, first in line {line}");
        reader.report(at.error("duplicate-name", message).help("give one of the two another name"));
        return;
    }
    let name = name.clone();
    map.insert(name, item);
}

/// What a service says for all of its operations.
struct Shared<'a> {
    name: &'a str,
    execution_type: ExecutionType,
    http: HttpSettings,
    config: Option<&'a Node>,
    mounts: Option<&'a Node>,
    policy: Option<EffectivePolicy>,
    timeout: Option<Spanned<u64>>,
    idempotent: Option<bool>,
    retry: RetryPolicy,
    capabilities: &'a Capabilities,
    compiler: &'a Compiler,
}

fn service(reader: &Reader, node: &Node, name: Spanned<String>, context: &Context<'_>) -> Option<Service> {
    let mut fields = Fields::of(reader, node, "a service")?;
    fields.optional("name");
    let kind = fields.optional("type").and_then(|node| reader.text(node, "a type")).map(str::to_owned);
    let category =
        fields.optional("category").and_then(|node| reader.text(node, "a category")).map(str::to_owned);
    let execution_type = execution_type(reader, fields.optional("execution_type"), &name, context)?;
    let is_http = execution_type.as_str() == ExecutionType::HTTP;
    let http =
        if is_http { HttpSettings::of_service(&mut fields, &name.value) } else { HttpSettings::default() };
    let timeout = timeout(reader, fields.optional("timeout"));
    let retry = fields.optional("retry_policy").and_then(|node| retry_policy(reader, node));
    let retry = retry.unwrap_or_default();
    let idempotent = idempotent(reader, &mut fields);
    let config = fields.optional("runner_config");
    let security = security_policy(reader, fields.optional("security_policy"), execution_type.as_str());
    let operations = fields.required("operations");
    fields.finish();
    let http = if is_http { http.or_in(reader, config, &name.value) } else { http };
    let stated = Stating { kind: &execution_type, config, security: &security };
    let policy = match execution_type.as_str() {
        ExecutionType::SHELL => policy(reader, &name, &stated, context),
        ExecutionType::HTTP => remote_policy(reader, &name, &stated, http.implied(reader), context),
        ExecutionType::DOCKER => {
            let implied = docker::implied(reader, config);
            remote_policy(reader, &name, &stated, implied, context)
        }
        ExecutionType::SERVERLESS => {
            let implied = serverless::implied(reader, config, |found| context.capabilities.judge(found));
            remote_policy(reader, &name, &stated, implied, context)
        }
        _ => remote_policy(reader, &name, &stated, Clauses::default(), context),
    };
    let mounts = security.mounts;
    let shared = Shared {
        name: &name.value,
        execution_type,
        http,
        config,
        mounts,
        policy,
        timeout,
        idempotent,
        retry,
        capabilities: context.capabilities,
        compiler: context.compiler,
    };
    let operations = operations.map(|node| all_operations(reader, node, &shared)).unwrap_or_default();
    let execution_type = shared.execution_type;
    Some(Service { name: name.value, kind, category, execution_type, operations, at: name.at })
}

fn all_operations(reader: &Reader, node: &Node, shared: &Shared<'_>) -> BTreeMap<String, Operation> {
    let mut operations = BTreeMap::new();
    for (name, node) in named(reader, node, "a list or map of operations") {
        if let Some(operation) = name.and_then(|name| operation(reader, node, name, shared)) {
            add(reader, &mut operations, operation, |operation| (&operation.name, &operation.at));
        }
    }
    operations
}

fn execution_type(
    reader: &Reader,
    node: Option<&Node>,
    service: &Spanned<String>,
    context: &Context<'_>,
) -> Option<ExecutionType> {
    let (kind, at) = match node {
        Some(node) => {
            let expected = "an execution type such as `http`, `shell`, `docker` or `serverless`";
            (reader.parsed(node, expected, ExecutionType::new)?, reader.at(node.span))
        }
        None => (ExecutionType::new(ExecutionType::HTTP).ok()?, service.at.clone()),
    };
    if !context.capabilities.has(&kind) {
        let message = format!(
            "service `{}` needs a runner for execution type `{kind}`, which this worker does not have",
            service.value
        );
        let runners: Vec<&str> = context.capabilities.names().collect();
        let help = match runners.is_empty() {
            _ if kind.as_str() == ExecutionType::DOCKER => {
                "give the worker a container engine with `--docker-host`".to_owned()
            }
            true => "it has no runner at all".to_owned(),
            false => format!("it has runners for {}", crate::yaml::one_of(&runners)),
        };
        reader.report(context.capabilities.judge(at.error("no-runner", message).help(help)));
    }
    Some(kind)
}

fn timeout(reader: &Reader, node: Option<&Node>) -> Option<Spanned<u64>> {
    let value = seconds(reader, node)?;
    node.map(|node| reader.spanned(node, value))
}

/// What a service says of further attempts.
#[derive(Default)]
struct RetryPolicy {
    attempts: Option<u32>,
    backoff: Backoff,
}

/// How the time between tries grows.
pub(crate) const BACKOFFS: [(&str, Backoff); 3] =
    [("exponential", Backoff::Exponential), ("linear", Backoff::Linear), ("fixed", Backoff::Fixed)];

fn retry_policy(reader: &Reader, node: &Node) -> Option<RetryPolicy> {
    let mut fields = Fields::of(reader, node, "`retry_policy`")?;
    let attempts = fields.optional("max_attempts").and_then(|node| reader.integer(node, 1..=ATTEMPTS_MAX));
    let backoff = fields.optional("backoff").and_then(|node| reader.word(node, "a backoff", &BACKOFFS));
    fields.finish();
    let attempts = attempts.and_then(|attempts| u32::try_from(attempts).ok());
    Some(RetryPolicy { attempts, backoff: backoff.unwrap_or_default() })
}

/// What a `security_policy` says.
#[derive(Default)]
struct Security<'a> {
    named: Option<Spanned<crate::policy::PolicyName>>,
    clauses: Clauses,
    mounts: Option<&'a Node>,
}

fn security_policy<'n>(reader: &Reader, node: Option<&'n Node>, execution_type: &str) -> Security<'n> {
    let Some(node) = node else { return Security::default() };
    let Some(mut fields) = Fields::of(reader, node, "a service's `security_policy`") else {
        return Security::default();
    };
    let named = fields.optional("use").and_then(|node| policy_name(reader, node));
    let clauses = clauses(&mut fields);
    let mounts = match execution_type {
        ExecutionType::DOCKER => fields.optional("allowed_mounts"),
        _ => None,
    };
    fields.finish();
    Security { named, clauses, mounts }
}

fn json(node: Option<&Node>) -> serde_json::Value {
    node.map(Node::to_json).unwrap_or_default()
}

/// What a service says of its policy.
struct Stating<'a> {
    kind: &'a ExecutionType,
    config: Option<&'a Node>,
    security: &'a Security<'a>,
}

impl Stating<'_> {
    fn policy_name(&self) -> &str {
        self.security.named.as_ref().map_or(default_policy(self.kind), |named| named.value.as_str())
    }

    /// That the policy is not there.
    fn unusable(&self, reader: &Reader, found: Diagnostics, context: &Context<'_>) {
        match &self.security.named {
            Some(named) => reader.report(context.library.unusable(named)),
            None => found.into_iter().for_each(|found| reader.report(found)),
        }
    }
}

/// The policy of a shell service: the one it names, tightened by its allowed commands and its other clauses.
fn policy(
    reader: &Reader,
    service: &Spanned<String>,
    stated: &Stating<'_>,
    context: &Context<'_>,
) -> Option<EffectivePolicy> {
    let policy = match context.library.effective(stated.policy_name(), context.environment) {
        Ok(policy) => policy,
        Err(found) => {
            stated.unusable(reader, found, context);
            return None;
        }
    };
    let layer = Layer::Service(service.value.clone());
    let allowed = Clauses { commands: allowed_commands(reader, stated.config), ..Clauses::default() };
    let policy = tighten(reader, policy, &allowed, &layer);
    let policy = tighten(reader, policy, &stated.security.clauses, &layer);
    check_enforced(reader, service, stated.kind, &policy, context);
    Some(policy)
}

/// The policy of a service of another type. It may say what an abstract policy leaves open: where its calls go, which
/// images and functions are meant. `implied` is what its other settings say of that.
fn remote_policy(
    reader: &Reader,
    service: &Spanned<String>,
    stated: &Stating<'_>,
    implied: Clauses,
    context: &Context<'_>,
) -> Option<EffectivePolicy> {
    let layer = Layer::Service(service.value.clone());
    let clauses = &stated.security.clauses;
    match context.library.extended(stated.policy_name(), context.environment, clauses, implied, &layer) {
        Ok((policy, found)) => {
            found.into_iter().for_each(|found| reader.report(found));
            check_enforced(reader, service, stated.kind, &policy, context);
            Some(policy)
        }
        Err(found) => {
            stated.unusable(reader, found, context);
            None
        }
    }
}

/// A clause without a mechanism behind it must not look as if something enforced it.
fn check_enforced(
    reader: &Reader,
    service: &Spanned<String>,
    kind: &ExecutionType,
    policy: &EffectivePolicy,
    context: &Context<'_>,
) {
    for lack in context.capabilities.not_enforced(kind, policy) {
        let at = lack.origin.at.as_ref().unwrap_or(&service.at);
        let message = format!("service `{}` cannot be enforced here: `{}`", service.value, lack.clause);
        reader.report(context.capabilities.judge(at.error("not-enforceable", message).help(lack.missing)));
    }
}

/// Whether doing it twice is the same as doing it once.
fn idempotent(reader: &Reader, fields: &mut Fields<'_, '_>) -> Option<bool> {
    fields.optional("idempotent").and_then(|node| reader.boolean(node))
}

/// Reports what is wider and goes on with what is not, so that later errors show too.
fn tighten(reader: &Reader, policy: EffectivePolicy, clauses: &Clauses, layer: &Layer) -> EffectivePolicy {
    if *clauses == Clauses::default() {
        return policy;
    }
    match policy.clone().tightened(clauses, layer) {
        Ok(policy) => policy,
        Err(found) => {
            found.into_iter().for_each(|found| reader.report(found));
            policy
        }
    }
}

fn allowed_commands(reader: &Reader, config: Option<&Node>) -> Stated<stockade_plan::AbsPath> {
    let mut fields = Fields::of(reader, config?, "the `runner_config` of a shell service")?;
    let allowed = fields.optional("allowed_commands").and_then(|node| commands(reader, node));
    fields.finish();
    allowed
}

fn operation(reader: &Reader, node: &Node, name: Spanned<String>, shared: &Shared<'_>) -> Option<Operation> {
    let mut fields = Fields::of(reader, node, "an operation")?;
    fields.optional("name");
    let input_schema = Schema::decode(reader, fields.optional("input_schema"), shared.compiler);
    let promised = fields.optional("output_schema");
    let output_schema = Schema::decode(reader, promised, shared.compiler);
    let timeout = timeout(reader, fields.optional("timeout")).or_else(|| shared.timeout.clone());
    let retries = fields.optional("max_retries").and_then(|node| reader.integer(node, 0..=ATTEMPTS_MAX - 1));
    let retries = retries.and_then(|retries| u32::try_from(retries).ok());
    let layer = Layer::Operation(format!("{}.{}", shared.name, name.value));
    let bound = timeout.as_ref().map(|timeout| (timeout.value, Origin::new(&layer, &timeout.at)));
    let parts = Parts { node, layer, timeout: bound, schema: &input_schema };
    let runner = runner(&mut fields, &parts, shared);
    if let (Some(node), Some(Runner::Shell(action))) = (promised, &runner) {
        shell::check_result_is_collected(reader, node, &action.policy);
    }
    fields.finish();
    Some(Operation {
        service: shared.name.to_owned(),
        name: name.value,
        execution_type: shared.execution_type.clone(),
        timeout: timeout.map(|timeout| timeout.value),
        max_attempts: retries
            .map(|retries| retries + 1)
            .or(shared.retry.attempts)
            .unwrap_or(DEFAULT_ATTEMPTS),
        backoff: shared.retry.backoff,
        runner: runner?,
        input_schema,
        output_schema,
        at: name.at,
    })
}

/// What a runner needs to know of an operation.
struct Parts<'a> {
    node: &'a Node,
    layer: Layer,
    timeout: Option<(u64, Origin)>,
    schema: &'a Schema,
}

/// The keys of an operation that only its runner knows.
fn runner(fields: &mut Fields<'_, '_>, parts: &Parts<'_>, shared: &Shared<'_>) -> Option<Runner> {
    let reader = fields.reader();
    match shared.execution_type.as_str() {
        ExecutionType::SHELL => {
            let config = fields.optional("runner_config");
            let security = fields.optional("security_policy");
            shell(reader, parts, config, security, shared).map(|action| Runner::Shell(Box::new(action)))
        }
        ExecutionType::HTTP => {
            let settings = shared.http.of_operation(fields);
            remote(fields, parts, shared, settings).map(|action| Runner::Http(Box::new(action)))
        }
        ExecutionType::DOCKER => {
            let settings = DockerSettings::decode(reader, shared.config, shared.mounts);
            let settings = settings.of_operation(reader, fields.optional("runner_config"), parts.schema);
            let action = remote(fields, parts, shared, settings)?;
            let judge = |found| shared.capabilities.judge(found);
            let action = docker::settled(reader, parts.node, &parts.layer, judge, action);
            Some(Runner::Docker(Box::new(action)))
        }
        ExecutionType::SERVERLESS => {
            let config = fields.optional("runner_config");
            let settings = ServerlessSettings::decode(reader, shared.config).of_operation(reader, config);
            let action = remote(fields, parts, shared, settings)?;
            action.settings.check(reader, shared.config, &action.effective_policy());
            Some(Runner::Serverless(Box::new(action)))
        }
        _ => {
            let operation = json(fields.optional("runner_config"));
            let settings = OtherSettings { service: json(shared.config), operation };
            remote(fields, parts, shared, settings).map(|action| Runner::Other(Box::new(action)))
        }
    }
}

/// What every operation that no sandbox of ours carries out says alike.
fn remote<S>(
    fields: &mut Fields<'_, '_>,
    parts: &Parts<'_>,
    shared: &Shared<'_>,
    settings: S,
) -> Option<RemoteAction<S>> {
    let reader = fields.reader();
    let idempotent = idempotent(reader, fields).or(shared.idempotent);
    let security = fields.optional("security_policy");
    let tightening = security.and_then(|node| operation_clauses(reader, node)).unwrap_or_default();
    let policy = tighten(reader, shared.policy.clone()?, &tightening, &parts.layer);
    Some(RemoteAction {
        settings,
        policy,
        timeout: parts.timeout.clone(),
        idempotent,
        config: json(shared.config),
        enforces: shared
            .capabilities
            .enforces(&shared.execution_type)
            .map(|enforces| (shared.execution_type.clone(), enforces)),
    })
}

fn shell(
    reader: &Reader,
    parts: &Parts<'_>,
    config: Option<&Node>,
    security: Option<&Node>,
    shared: &Shared<'_>,
) -> Option<ShellAction> {
    let run = shell::decode_run(reader, parts.node, config, parts.schema);
    let tightening = security.and_then(|node| operation_clauses(reader, node)).unwrap_or_default();
    let policy = tighten(reader, shared.policy.clone()?, &tightening, &parts.layer);
    let run = run?;
    shell::check_program(reader, config.unwrap_or(parts.node), &run, &policy);
    Some(ShellAction { policy, run, timeout: parts.timeout.clone() })
}

fn operation_clauses(reader: &Reader, node: &Node) -> Option<Clauses> {
    let mut fields = Fields::of(reader, node, "an operation's `security_policy`")?;
    let clauses = clauses(&mut fields);
    fields.finish();
    Some(clauses)
}

//! What a Docker service says, parsed strictly and kept for its runner.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use stockade_plan::{AbsPath, Arg, EnvName, FileName, Input};

use super::input::InputErrors;
use super::proposal::JobProposal;
use super::remote::RemoteAction;
use super::schema::Schema;
use super::settings::named;
use super::settings::{seconds, secret, text, texts};
use super::shell::{self, INPUT_FILE, Refusal, Run, SCRIPT_FILE};
use crate::compile::{ContainerJob, uncontainable};
use crate::diagnostic::Diagnostic;
use crate::effective::{EffectivePolicy, Enforces, Layer, Origin};
use crate::egress::Egress;
use crate::policy::{Clauses, Image, LimitKey, SecretRef, variable};
use crate::yaml::{At, Fields, Node, Reader};

/// What the Docker runner puts in force.
pub const DOCKER_ENFORCES: Enforces = &[
    "images",
    "resource_limits.memory_mb",
    "resource_limits.cpu_cores",
    "resource_limits.cpu_seconds",
    "resource_limits.wall_seconds",
    "resource_limits.pids",
    "resource_limits.disk_mb",
    "resource_limits.files",
    "resource_limits.open_files",
    "resource_limits.output_kb",
    "filesystem.read",
    "filesystem.write",
    "network.mode: none",
    "network.mode: allowlist",
    "network.hosts",
    "network.addresses",
    "syscalls",
    "require: mount_namespace",
    "require: pid_namespace",
    "require: network_namespace",
    "require: ipc_namespace",
    "require: uts_namespace",
    "require: cgroup_namespace",
    "require: cgroup_memory",
    "require: cgroup_pids",
    "require: cgroup_cpu",
    "require: ids",
    "require: capabilities",
    "require: no_new_privs",
    "require: seccomp",
    "require: rlimits",
    "require: descriptors",
    "require: root_filesystem",
    "require: work_filesystem",
    "require: proc_filesystem",
    "outputs",
    "environment",
    "secrets",
];

/// More variables than this are not taken from an input.
const VARIABLES_MAX: usize = 64;

/// The settings of a Docker operation and its service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DockerSettings {
    /// Images that a job may name.
    pub allowed_images: Vec<String>,
    /// Host directories that a job may mount.
    pub allowed_mounts: Vec<String>,
    /// Seconds.
    pub default_timeout: Option<u64>,
    /// Docker's network mode.
    pub network_mode: Option<String>,
    /// Processor cores, in thousandths.
    pub cpu_millicores: Option<u64>,
    /// Mebibytes.
    pub memory_mb: Option<u64>,
    /// Mebibytes.
    pub disk_mb: Option<u64>,
    /// The engine's runtime, such as `crun`; its default if nothing is said.
    pub runtime: Option<String>,
    /// Variables that a job may set.
    pub allowed_env: Vec<String>,
    /// Variables that every job is given, and where the secrets are kept that are in them.
    #[serde(skip)]
    pub secrets: BTreeMap<EnvName, SecretRef>,
    /// Where that is said.
    #[serde(skip)]
    pub(crate) secrets_at: Option<At>,
    /// The image of the operation; else a job names one of the allowed, or there is but one.
    pub image: Option<String>,
    /// What is run.
    pub(crate) entry: Entry,
}

/// What a container runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) enum Entry {
    /// The registry does not say: then nothing.
    #[default]
    Unsaid,
    /// What the image says.
    Image,
    /// These arguments, the program first.
    Command(Vec<String>),
    /// This interpreter, with the text of an input field as its script.
    Script {
        /// Its arguments.
        interpreter: Vec<String>,
        /// The field.
        field: String,
    },
}

/// What a service's `allowed_images` say of what its containers may be made from. A tag is read, because registries have
/// them, and means nothing: no job can name it.
pub(crate) fn implied(reader: &Reader, config: Option<&Node>) -> Clauses {
    let images = config.and_then(|node| node.get("allowed_images"));
    let named = images.map(|node| named(reader, node, &Diagnostic::warning, Image::parse));
    Clauses { images: named, ..Clauses::default() }
}

impl DockerSettings {
    pub(crate) fn decode(reader: &Reader, config: Option<&Node>, allowed_mounts: Option<&Node>) -> Self {
        let mut settings =
            Self { allowed_mounts: texts(reader, allowed_mounts, "a list of paths"), ..Self::default() };
        let Some(mut fields) = config.and_then(|node| Fields::of(reader, node, "a Docker `runner_config`"))
        else {
            return settings;
        };
        settings.allowed_images = texts(reader, fields.optional("allowed_images"), "a list of images");
        settings.default_timeout = seconds(reader, fields.optional("default_timeout"));
        settings.network_mode = network_mode(reader, fields.optional("network_mode"));
        settings.runtime =
            text(reader, fields.optional("runtime"), "a runtime of the engine, such as `crun`");
        settings.allowed_env = variables(reader, fields.optional("allowed_env"));
        if let Some(node) = fields.optional("secrets") {
            settings.secrets(reader, node);
        }
        if let Some(node) = fields.optional("resource_limits") {
            settings.limits(reader, node);
        }
        fields.finish();
        settings
    }

    fn secrets(&mut self, reader: &Reader, node: &Node) {
        self.secrets_at = Some(reader.at(node.span));
        for (key, node) in
            reader.map(node, "variables, each with a reference to a secret").unwrap_or_default()
        {
            match variable(&key.text) {
                Ok(name) => self.secrets.extend(secret(reader, node).map(|secret| (name, secret))),
                Err(why) => {
                    let message =
                        format!("`{}` is not the name of a variable: {why}", crate::yaml::shorten(&key.text));
                    reader.report(reader.at(key.span).error("bad-value", message));
                }
            }
        }
    }

    /// Where its secrets are kept, and where that is said.
    pub(super) fn kept_secrets(&self) -> Vec<(SecretRef, At)> {
        let at = self.secrets_at.iter().cycle();
        self.secrets.values().zip(at).map(|(secret, at)| (secret.clone(), at.clone())).collect()
    }

    fn limits(&mut self, reader: &Reader, node: &Node) {
        let Some(mut fields) = Fields::of(reader, node, "`resource_limits` of a Docker service") else {
            return;
        };
        self.cpu_millicores =
            fields.optional("cpu").and_then(|node| reader.thousandths(node, 10..=1_024_000));
        self.memory_mb = fields.optional("memory_mb").and_then(|node| reader.integer(node, 4..=1024 * 1024));
        self.disk_mb = fields.optional("disk_mb").and_then(|node| reader.integer(node, 1..=1024 * 1024));
        fields.finish();
    }

    /// With an operation's part.
    pub(crate) fn of_operation(mut self, reader: &Reader, config: Option<&Node>, schema: &Schema) -> Self {
        let expected = "the `runner_config` of a Docker operation";
        let Some(mut fields) = config.and_then(|node| Fields::of(reader, node, expected)) else {
            return self;
        };
        self.image = text(reader, fields.optional("image"), "an image").or(self.image);
        self.runtime = text(reader, fields.optional("runtime"), "a runtime of the engine").or(self.runtime);
        let from_image = fields.optional("command_from_image");
        let parts = [
            fields.optional("command"),
            fields.optional("interpreter"),
            fields.optional("script_from_input"),
        ];
        fields.finish();
        self.entry = match (parts, from_image) {
            ([None, None, None], None) => Entry::Unsaid,
            ([None, None, None], Some(node)) => match reader.boolean(node) {
                Some(true) => Entry::Image,
                _ => Entry::Unsaid,
            },
            (_, Some(node)) => {
                let message = "`command_from_image` and a command of the registry's cannot both be run";
                reader.report(reader.at(node.span).error("conflict", message).help("leave one of them out"));
                Entry::Unsaid
            }
            (parts, None) => {
                shell::decode_entry(reader, config, parts, schema).map_or(Entry::Unsaid, Entry::from)
            }
        };
        self
    }
}

impl DockerSettings {
    /// Why no job of these settings could have a network, if that is so.
    fn keeps_from_the_proxy(&self) -> Option<String> {
        if self.network_mode.is_some() {
            return Some(
                "`network_mode: none` says that there is no network: leave one of them out".to_owned(),
            );
        }
        let runtime = self.runtime.as_deref().filter(|runtime| has_own_network(runtime))?;
        Some(format!(
            "sockets in a container of the runtime `{runtime}` are its own and not the host's, so that the egress proxy cannot serve \
             them: choose another runtime"
        ))
    }
}

/// Whether a runtime is one of those known to have sockets that are not the host's: gVisor's.
pub fn has_own_network(runtime: &str) -> bool {
    runtime.starts_with("runsc")
}

impl From<Run> for Entry {
    fn from(run: Run) -> Self {
        match run {
            Run::Command(arguments) => Self::Command(arguments),
            Run::Script { interpreter, field } => Self::Script { interpreter, field },
        }
    }
}

fn network_mode(reader: &Reader, node: Option<&Node>) -> Option<String> {
    let mode = text(reader, node, "a network mode")?;
    if mode != "none" {
        let message = format!(
            "`network_mode: {mode}` cannot be enforced: a container of a job joins no network of the engine's"
        );
        let found = node.map(|node| reader.at(node.span).error("not-enforceable", message));
        found.into_iter().for_each(|found| {
            reader.report(found.help("leave it out; what a job reaches, `network` of its policy says"))
        });
    }
    Some(mode)
}

fn variables(reader: &Reader, node: Option<&Node>) -> Vec<String> {
    let decode = |reader: &Reader, node: &Node| reader.parsed(node, "the name of a variable", variable);
    let named = node.and_then(|node| reader.list_of(node, "a list of names of variables", decode));
    named.unwrap_or_default().into_iter().map(|name| name.value.to_string()).collect()
}

/// What the settings say of the policy, and what is missing to carry it out. What keeps only jobs from running, and no
/// limit from being kept, is a warning: registries of old name images by tags, and let jobs say what runs.
pub(crate) fn settled(
    reader: &Reader,
    node: &Node,
    layer: &Layer,
    judge: impl Fn(Diagnostic) -> Diagnostic,
    action: RemoteAction<DockerSettings>,
) -> RemoteAction<DockerSettings> {
    let at = reader.at(node.span);
    let settings = &action.settings;
    let origin = Origin::new(layer, &at);
    let limits = [
        (LimitKey::CpuCores, settings.cpu_millicores),
        (LimitKey::MemoryMb, settings.memory_mb),
        (LimitKey::DiskMb, settings.disk_mb),
        (LimitKey::WallSeconds, settings.default_timeout.filter(|_| action.timeout.is_none())),
    ];
    let limits = limits.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let policy =
        limits.fold(action.policy.clone(), |policy, (key, value)| policy.limited(key, value, &origin));
    let unenforceable = |clause: &str, missing: String| {
        let message = format!("`{clause}` cannot be enforced by the docker runner");
        reader.report(judge(at.error("not-enforceable", message).help(missing)));
    };
    for (clause, missing) in uncontainable(&policy) {
        unenforceable(&clause, missing);
    }
    if let Some(missing) = settings.keeps_from_the_proxy().filter(|_| Egress::of(&policy).is_some()) {
        unenforceable("network.mode: allowlist", missing);
    }
    for (secret, at) in settings.kept_secrets() {
        if !policy.secrets().any(|granted| *granted == secret) {
            let message = format!("`{secret}` is none of the policy's `secrets`");
            let help = format!("grant it: `security_policy: {{secrets: [\"{secret}\"]}}`");
            reader.report(at.error("wider", message).help(help));
        }
    }
    let warn =
        |message: String, help: &str| reader.report(at.error("cannot-run", message).warning().help(help));
    if settings.image.as_ref().is_some_and(|image| !policy.images().any(|known| known == image)) {
        let message = format!("`image` is not among the images of policy `{}` here", policy.name());
        reader
            .report(at.error("image-not-allowed", message).help("list it by its digest in `allowed_images`"));
    } else if policy.images().next().is_none() {
        warn(
            "no image is named by its digest, so every job is refused".to_owned(),
            "list `NAME@sha256:…` in `allowed_images`",
        );
    }
    if settings.entry == Entry::Unsaid {
        warn(
            "nothing says what runs in the container, so every job is refused".to_owned(),
            "`runner_config: {command: [/usr/bin/train]}`, or `{command_from_image: true}`",
        );
    }
    for mount in
        settings.allowed_mounts.iter().filter(|mount| !policy.reads().any(|path| path.as_str() == *mount))
    {
        let message = format!(
            "`allowed_mounts` names `{mount}`, which policy `{}` does not let be read",
            policy.name()
        );
        warn(message, "name it in `filesystem.read` of the policy; until then it is not mounted");
    }
    RemoteAction { policy, ..action }
}

/// A job that is ready to be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedContainer {
    /// What it may do.
    pub policy: EffectivePolicy,
    /// What it runs.
    pub job: ContainerJob,
    /// The bytes of its input files, in the order of `job.inputs`.
    pub files: Vec<Vec<u8>>,
    /// Variables that it is given besides, and where the secrets are kept that are in them. They are in no plan.
    pub secrets: BTreeMap<EnvName, SecretRef>,
}

impl RemoteAction<DockerSettings> {
    /// Makes a job of `input`, and of what its row proposes. Of the input, `image`, `env_vars`, `command` and `volumes`
    /// choose within what the registry allows; all of it is given to the job.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn prepare(&self, input: &Value, proposal: &JobProposal<'_>) -> Result<PreparedContainer, Refusal> {
        let policy = self.tightened(proposal)?;
        let json = serde_json::to_vec(input)
            .map_err(|error| InputErrors::one("", format!("cannot be written: {error}")))?;
        let mut files = vec![(INPUT_FILE, json)];
        let command = match &self.settings.entry {
            Entry::Unsaid => return Err(InputErrors::one("", UNSAID).into()),
            Entry::Image => None,
            Entry::Command(arguments) => Some(arguments.clone()),
            Entry::Script { interpreter, field } => {
                files.push((SCRIPT_FILE, shell::script(input, field)?));
                Some(shell::with_script(interpreter))
            }
        };
        repeats(input, "command", command.as_deref().unwrap_or_default())?;
        repeats(input, "volumes", &policy.reads().map(AbsPath::to_string).collect::<Vec<_>>())?;
        let secrets = self.settings.secrets.clone();
        if let Some(named) = secrets.values().find(|named| !policy.secrets().any(|granted| granted == *named))
        {
            let why = format!(
                "cannot be run: the policy does not grant the secret `{named}`; grant it in `secrets`, of the job's row as well if that has any"
            );
            return Err(InputErrors::one("", why).into());
        }
        let mut inputs = Vec::new();
        for (name, content) in &files {
            inputs
                .push(Input { name: name_of(name)?, size: u64::try_from(content.len()).unwrap_or(u64::MAX) });
        }
        let job = ContainerJob {
            image: self.image(input, &policy)?,
            command,
            environment: self.environment(input)?,
            inputs,
            stdin: Some(name_of(INPUT_FILE)?),
            runtime: self.settings.runtime.clone(),
        };
        let files = files.into_iter().map(|(_, content)| content).collect();
        Ok(PreparedContainer { policy, job, files, secrets })
    }

    fn image(&self, input: &Value, policy: &EffectivePolicy) -> Result<String, InputErrors> {
        let allowed: Vec<&str> = policy.images().collect();
        let asked = match (input.get("image"), &self.settings.image) {
            (None | Some(Value::Null), Some(image)) => image,
            (None | Some(Value::Null), None) => match allowed.as_slice() {
                [only] => return Ok((*only).to_owned()),
                [] => {
                    return Err(InputErrors::one(
                        "",
                        "cannot be run: the registry names no image by its digest",
                    ));
                }
                _ => {
                    return Err(InputErrors::one(
                        "image",
                        format!("is missing, expected one of {}", allowed.join(", ")),
                    ));
                }
            },
            (Some(Value::String(asked)), fixed) if fixed.as_ref().is_none_or(|fixed| fixed == asked) => asked,
            _ => return Err(InputErrors::one("image", "is not what the registry says")),
        };
        match allowed.contains(&asked.as_str()) {
            true => Ok(asked.clone()),
            false if !asked.contains('@') => {
                let why = format!(
                    "is `{}`, which names no digest: what a tag means can change",
                    crate::yaml::shorten(asked)
                );
                Err(InputErrors::one("image", why))
            }
            false => Err(InputErrors::one(
                "image",
                format!("is `{}`, which the registry does not allow", crate::yaml::shorten(asked)),
            )),
        }
    }

    fn environment(&self, input: &Value) -> Result<BTreeMap<EnvName, Arg>, InputErrors> {
        let empty = Map::new();
        let asked = match input.get("env_vars") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(asked)) if asked.len() <= VARIABLES_MAX => asked,
            Some(_) => {
                return Err(InputErrors::one(
                    "env_vars",
                    format!("is not an object of at most {VARIABLES_MAX} texts"),
                ));
            }
        };
        let variable = |(name, value): (&String, &Value)| {
            let wrong =
                |what: &str| InputErrors::one(&format!("env_vars.{}", crate::yaml::shorten(name)), what);
            if !self.settings.allowed_env.contains(name) {
                return Err(wrong("is not a variable that the registry lets a job set (`allowed_env`)"));
            }
            let text = value.as_str().ok_or_else(|| wrong("is not a text"))?;
            let name = EnvName::new(name).map_err(|error| wrong(&error.to_string()))?;
            Ok((name, Arg::new(text).map_err(|error| wrong(&error.to_string()))?))
        };
        asked.iter().map(variable).collect()
    }
}

const UNSAID: &str = "cannot be run: the registry does not say what runs in the container";

fn name_of(name: &str) -> Result<FileName, Refusal> {
    let wrong = |reason: stockade_plan::NameError| InputErrors::one("", reason.to_string());
    Ok(FileName::new(name).map_err(wrong)?)
}

/// What an input says that is not its to say must be what the registry says, or within it.
fn repeats(input: &Value, key: &str, registered: &[String]) -> Result<(), InputErrors> {
    let within =
        |item: &Value| item.as_str().is_some_and(|text| registered.iter().any(|known| known == text));
    let same = match input.get(key) {
        None | Some(Value::Null) => true,
        Some(Value::Array(asked)) if key == "command" => {
            asked.len() == registered.len()
                && asked.iter().zip(registered).all(|(asked, known)| asked == known)
        }
        Some(Value::Array(asked)) => asked.iter().all(within),
        Some(_) => false,
    };
    if same { Ok(()) } else { Err(InputErrors::one(key, "is not what the registry says")) }
}

//! Operations that run a command in a sandbox.

use std::fmt;

use serde_json::Value;
use stockade_plan::{AbsPath, FileName};

use super::input::InputErrors;
use super::proposal::{self, JobProposal};
use super::schema::Schema;
use crate::compile::{CompileError, JobSpec};
use crate::diagnostic::Diagnostics;
use crate::effective::{EffectivePolicy, Origin};
use crate::policy::LimitKey;
use crate::yaml::{Fields, Node, Reader};

/// The largest script that a job may bring, bytes.
const SCRIPT_MAX: usize = 1024 * 1024;
/// The file in `/job` that holds the job's input.
pub(super) const INPUT_FILE: &str = "input.json";
/// The output that is a job's result, if it is JSON.
pub const RESULT_FILE: &str = "result.json";
/// The file in `/job` that holds the job's script.
pub(super) const SCRIPT_FILE: &str = "script";

/// How an operation runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Run {
    /// These arguments, the program first.
    Command(Vec<String>),
    /// This interpreter, with the text of an input field as its script.
    Script { interpreter: Vec<String>, field: String },
}

impl fmt::Display for Run {
    /// As a registry writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(arguments) => write!(f, "command: {}", serde_json::json!(arguments)),
            Self::Script { interpreter, field } => {
                write!(f, "interpreter: {}, script_from_input: {field}", serde_json::json!(interpreter))
            }
        }
    }
}

/// A shell operation: what runs, and the policy it runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellAction {
    pub(crate) policy: EffectivePolicy,
    pub(crate) run: Run,
    /// Seconds, and who said so.
    pub(crate) timeout: Option<(u64, Origin)>,
}

/// A job that is ready to be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What it may do.
    pub policy: EffectivePolicy,
    /// What it runs.
    pub job: JobSpec,
    /// The bytes of its input files, in the order of `job.inputs()`.
    pub files: Vec<Vec<u8>>,
}

/// A job was refused before anything ran; trying again will not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its input is not what the operation takes.
    #[error("{0}")]
    Input(#[from] InputErrors),
    /// Its row asks for something the registry does not grant.
    #[error("{0}")]
    Policy(#[from] Diagnostics),
    /// Its arguments cannot be given to a program.
    #[error("{0}")]
    Command(#[from] CompileError),
}

impl ShellAction {
    /// The policy of every job of this operation that asks for nothing tighter.
    pub fn policy(&self) -> &EffectivePolicy {
        &self.policy
    }

    /// The same with the operation's timeout, as every job gets it.
    pub fn effective_policy(&self) -> EffectivePolicy {
        self.limited(self.policy.clone())
    }

    /// Makes a job of `input`, which [`Operation::check_input`](super::Operation::check_input) has taken, and of what its
    /// row proposes.
    ///
    /// # Errors
    /// [`Refusal`]: the input holds no script where there should be one, or the row asks for more than the registry
    /// grants.
    pub fn prepare(&self, input: &Value, proposal: &JobProposal<'_>) -> Result<Prepared, Refusal> {
        let policy = proposal::apply(&self.policy, proposal, |reader, root| {
            proposal::shell_config(reader, root, &self.run)
        })?;
        let policy = self.limited(policy);
        let json = serde_json::to_vec(input)
            .map_err(|error| InputErrors::one("", format!("cannot be written: {error}")))?;
        let mut files = vec![(INPUT_FILE, json)];
        let arguments = match &self.run {
            Run::Command(arguments) => arguments.clone(),
            Run::Script { interpreter, field } => {
                files.push((SCRIPT_FILE, script(input, field)?));
                with_script(interpreter)
            }
        };
        let mut job = JobSpec::command(arguments)?;
        let mut bytes = Vec::new();
        for (name, content) in files {
            job = job.with_input(file_name(name)?, u64::try_from(content.len()).unwrap_or(u64::MAX));
            bytes.push(content);
        }
        Ok(Prepared { policy, job, files: bytes })
    }

    /// The operation's timeout is one more bound on the wall clock.
    fn limited(&self, policy: EffectivePolicy) -> EffectivePolicy {
        match &self.timeout {
            Some((seconds, origin)) => policy.limited(LimitKey::WallSeconds, *seconds, origin),
            None => policy,
        }
    }

    /// A job with no input, to see whether this host can run the operation at all.
    pub(crate) fn probe(&self) -> Result<JobSpec, CompileError> {
        JobSpec::command(match &self.run {
            Run::Command(arguments) => arguments.clone(),
            Run::Script { interpreter, .. } => with_script(interpreter),
        })
    }
}

pub(super) fn with_script(interpreter: &[String]) -> Vec<String> {
    interpreter.iter().cloned().chain([format!("/job/{SCRIPT_FILE}")]).collect()
}

fn file_name(name: &str) -> Result<FileName, CompileError> {
    FileName::new(name).map_err(|reason| CompileError::Name { text: name.to_owned(), reason })
}

pub(super) fn script(input: &Value, field: &str) -> Result<Vec<u8>, InputErrors> {
    match input.get(field) {
        Some(Value::String(text)) if text.len() > SCRIPT_MAX => {
            Err(InputErrors::one(field, format!("is {} bytes, at most {SCRIPT_MAX} are allowed", text.len())))
        }
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(_) => Err(InputErrors::one(field, "is not the text of a script")),
        None => Err(InputErrors::one(field, "is missing, expected the text of a script")),
    }
}

/// Decodes an operation's `runner_config`: `command`, or `interpreter` with `script_from_input`.
pub(crate) fn decode_run(
    reader: &Reader,
    operation: &Node,
    config: Option<&Node>,
    schema: &Schema,
) -> Option<Run> {
    let Some(config) = config else {
        needs(reader, operation);
        return None;
    };
    let mut fields = Fields::of(reader, config, "the `runner_config` of a shell operation")?;
    let parts =
        [fields.optional("command"), fields.optional("interpreter"), fields.optional("script_from_input")];
    let run = decode_entry(reader, Some(config), parts, schema);
    fields.finish();
    run
}

fn needs(reader: &Reader, node: &Node) {
    let message = "an operation that runs a program needs `runner_config` with `command`, or with `interpreter` and `script_from_input`";
    let found = reader.at(node.span).error("missing-key", message);
    reader.report(found.help("`runner_config: {command: [/usr/bin/python3, …]}`"));
}

/// `command`, or `interpreter` with `script_from_input`, in that order.
pub(super) fn decode_entry(
    reader: &Reader,
    config: Option<&Node>,
    parts: [Option<&Node>; 3],
    schema: &Schema,
) -> Option<Run> {
    match parts {
        [Some(command), None, None] => arguments(reader, command).map(Run::Command),
        [None, Some(interpreter), Some(node)] => {
            let field = reader.text(node, "the name of an input field")?.to_owned();
            schema.require_text_field(reader, node, &field);
            arguments(reader, interpreter).map(|interpreter| Run::Script { interpreter, field })
        }
        _ => {
            config.into_iter().for_each(|config| needs(reader, config));
            None
        }
    }
}

/// A list of arguments, the first of which is the path of a program.
fn arguments(reader: &Reader, node: &Node) -> Option<Vec<String>> {
    let expected = "a list of arguments, the program's path first";
    let items = reader.list(node, expected)?;
    let Some(program) = items.first() else {
        reader.report(reader.wrong(node, expected).help("the list is empty"));
        return None;
    };
    reader.parsed(program, "the absolute path of a program", |text| AbsPath::new(text))?;
    let texts: Vec<&str> = items.iter().filter_map(|item| reader.text(item, "an argument")).collect();
    (texts.len() == items.len()).then(|| texts.into_iter().map(str::to_owned).collect())
}

/// The program that an operation names must be one of its policy's commands.
pub(crate) fn check_program(reader: &Reader, node: &Node, run: &Run, policy: &EffectivePolicy) {
    let (Run::Command(arguments) | Run::Script { interpreter: arguments, .. }) = run;
    let Some(program) = arguments.first() else { return };
    if policy.commands().any(|path| path.as_str() == program) {
        return;
    }
    let known: Vec<&str> = policy.commands().map(AbsPath::as_str).collect();
    let message = format!("`{program}` is not among the commands of policy `{}` here", policy.name());
    let help = match known.is_empty() {
        true => "no command is granted here".to_owned(),
        false => format!("granted are {}", crate::yaml::one_of(&known)),
    };
    reader.report(reader.at(node.span).error("command-not-allowed", message).help(help));
}

/// A result that nothing collects would never be what `output_schema` promises.
pub(crate) fn check_result_is_collected(reader: &Reader, node: &Node, policy: &EffectivePolicy) {
    if !policy.collects(RESULT_FILE) {
        let message = format!(
            "`output_schema` is checked against `{RESULT_FILE}`, which is not among the outputs of policy `{}` here",
            policy.name()
        );
        let help = format!(
            "collect it with `security_policy: {{outputs: [{RESULT_FILE}]}}`, or leave `output_schema` out"
        );
        reader.report(reader.at(node.span).error("not-enforceable", message).help(help));
    }
}

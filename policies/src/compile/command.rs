//! The command: whether it is allowed, and what the kernel would execute.

use std::collections::BTreeMap;
use std::sync::Arc;

use stockade_plan::{AbsPath, Arg, Command, EnvName, EnvVar};

use super::error::CompileError;
use super::job::{JobSpec, bounded};
use crate::diagnostic::did_you_mean;
use crate::effective::{EffectivePolicy, members};
use crate::egress::Egress;
use crate::host::{Host, HostError, Program, Survey};

/// Arguments and environment together, bytes: with them and the largest filter, a plan still fits its frame.
const COMMAND_MAX: usize = 96 * 1024;

/// What every job's environment begins with.
const ENVIRONMENT: [(&str, &str); 4] =
    [("HOME", "/job"), ("LANG", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin"), ("TMPDIR", "/tmp")];

/// A policy's commands as this host has them, or why it has not.
pub(crate) struct Programs<'p>(Vec<(&'p AbsPath, Result<Arc<Program>, HostError>)>);

impl<'p> Programs<'p> {
    pub(crate) fn of(policy: &'p EffectivePolicy, host: &Host) -> Self {
        let root = policy.root();
        let survey = Survey::of(&root);
        Self(policy.commands().map(|name| (name, host.surveyed(&survey, name))).collect())
    }

    /// Those that the host has.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Program> {
        self.0.iter().filter_map(|(_, found)| found.as_deref().ok())
    }
}

pub(crate) fn command(
    policy: &EffectivePolicy,
    job: &JobSpec,
    programs: &Programs<'_>,
) -> Result<Command, CompileError> {
    let program = allowed(policy, job, programs)?;
    let environment = environment(policy, job)?;
    let (executable, arguments) = executed(program, &job.arguments)?;
    let sizes = [
        arguments.iter().map(|argument| argument.as_str().len() + 1).sum::<usize>(),
        environment.iter().map(|v| v.name.as_str().len() + v.value.as_str().len() + 2).sum(),
    ];
    if sizes.iter().sum::<usize>() > COMMAND_MAX {
        let [arguments, environment] = sizes;
        return Err(CompileError::CommandTooLarge { arguments, environment, max: COMMAND_MAX });
    }
    Ok(Command {
        executable,
        arguments: bounded("arguments", arguments)?,
        environment: bounded("environment variables", environment)?,
    })
}

/// The command of the policy that the job's first argument names: by the policy's own path, by that path with its
/// directory resolved, or by the file itself.
fn allowed<'p>(
    policy: &EffectivePolicy,
    job: &JobSpec,
    programs: &'p Programs<'_>,
) -> Result<&'p Program, CompileError> {
    let asked = job.arguments.first().ok_or(CompileError::NoCommand)?.as_str();
    let is_asked = |program: &&Program| {
        [&program.name, &program.location, &program.file].into_iter().any(|path| path.as_str() == asked)
    };
    if let Some(program) = programs.present().find(is_asked) {
        return Ok(program);
    }
    let named = programs.0.iter().find(|(name, _)| name.as_str() == asked);
    Err(match named {
        Some((name, Err(error))) => {
            CompileError::CommandUnusable { command: AbsPath::clone(name), error: error.clone() }
        }
        _ => not_allowed(policy, asked),
    })
}

fn not_allowed(policy: &EffectivePolicy, asked: &str) -> CompileError {
    let known: Vec<&str> = policy.commands().map(AbsPath::as_str).collect();
    let same_name = known.iter().copied().find(|path| path.rsplit('/').next() == Some(asked));
    let near = || did_you_mean(asked, known.iter().copied());
    let all = || known.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
    let help = match same_name {
        Some(path) => format!("no `PATH` is searched: write `{path}`"),
        None if known.is_empty() => "it allows no command at all".to_owned(),
        None => match near() {
            Some(near) => format!("did you mean `{near}`?"),
            None if asked.contains('/') => format!("it allows {}", all()),
            None => format!(
                "no `PATH` is searched: write the whole path of a program, of those that it allows: {}",
                all()
            ),
        },
    };
    CompileError::CommandNotAllowed { policy: policy.name().to_string(), command: asked.to_owned(), help }
}

/// A script is run the way the kernel runs it (`load_script`, fs/binfmt_script.c): interpreter, its one argument
/// if it has one, the script's path, then the job's arguments behind the first.
fn executed(program: &Program, arguments: &[Arg]) -> Result<(AbsPath, Vec<Arg>), CompileError> {
    let Some(script) = &program.script else { return Ok((program.file.clone(), arguments.to_vec())) };
    let own = [script.interpreter.as_str()]
        .into_iter()
        .chain(script.argument.as_deref())
        .chain([program.name.as_str()]);
    let own = own.map(argument).collect::<Result<Vec<_>, _>>()?;
    Ok((script.file.clone(), own.into_iter().chain(arguments.iter().skip(1).cloned()).collect()))
}

fn argument(text: &str) -> Result<Arg, CompileError> {
    Arg::new(text).map_err(|reason| CompileError::Name { text: text.to_owned(), reason })
}

/// The whole environment: ours, with where the proxy is found if there is one, then what the policy passes from the caller, then what it sets.
fn environment(policy: &EffectivePolicy, job: &JobSpec) -> Result<Vec<EnvVar>, CompileError> {
    let variables = environment_of(policy, job)?;
    Ok(variables.into_iter().map(|(name, value)| EnvVar { name, value }).collect())
}

/// The same by name.
pub(super) fn environment_of(
    policy: &EffectivePolicy,
    job: &JobSpec,
) -> Result<BTreeMap<EnvName, Arg>, CompileError> {
    let mut variables: BTreeMap<EnvName, Arg> = BTreeMap::new();
    let own = ENVIRONMENT.into_iter().map(|(name, value)| (name, value.to_owned()));
    let proxy = Egress::of(policy).into_iter().flat_map(|_| Egress::environment());
    for (name, value) in own.chain(proxy) {
        let name =
            EnvName::new(name).map_err(|reason| CompileError::Name { text: name.to_owned(), reason })?;
        variables.insert(name, argument(&value)?);
    }
    for (name, _) in members(&policy.rights().pass) {
        if let Some(value) = job.caller_environment.get(name.as_str()) {
            variables.insert(name.clone(), argument(value)?);
        }
    }
    for (setting, _) in members(&policy.rights().set) {
        variables.insert(setting.name.clone(), setting.value.clone());
    }
    Ok(variables)
}

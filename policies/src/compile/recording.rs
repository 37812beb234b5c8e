//! The plan of a recording: a program runs where it can see much and reach nothing, and a recorder beside it tells what it
//! needed. No policy text can ask for this: the view is wider than any policy's, and the recorder may trace.

use std::collections::BTreeMap;

use stockade_plan::{AbsPath, Access, Arg, Command, Entry, EnvName, Plan, RECORDER, View};

use super::command::{self, Programs};
use super::error::CompileError;
use super::job::{JobSpec, bounded};
use super::view::Sight;
use super::{Assembled, assemble, enforceable, path_of};
use crate::diagnostic::Diagnostics;
use crate::effective::{Calls, Decided, EffectivePolicy, Origin, Rights};
use crate::environment::Environment;
use crate::host::{Host, Root};
use crate::policy::{LimitKey, PolicyName, SyscallProfile, WRITABLE, variable};
use crate::seccomp::{named, unwatched_filter};

/// Programs and their libraries, whole. What only root can read stays unread: a job is nobody on the host.
const PROGRAMS: [&str; 8] = ["/usr", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// The configuration that programs commonly read, none of which is a secret of the host's.
const CONFIGURATION: [&str; 25] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/gitconfig",
    "/etc/host.conf",
    "/etc/inputrc",
    "/etc/java-17-openjdk",
    "/etc/java-21-openjdk",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/perl",
    "/etc/protocols",
    "/etc/python3.11",
    "/etc/python3.13",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];
/// What a recording may use up, but for its time and memory, which the caller says.
const LIMITS: [(LimitKey, u64); 6] = [
    (LimitKey::CpuCores, 2000),
    (LimitKey::Pids, 128),
    (LimitKey::DiskMb, 256),
    (LimitKey::Files, 20_000),
    (LimitKey::OpenFiles, 1024),
    (LimitKey::OutputKb, 32 * 1024),
];

/// How a program is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Recording<'a> {
    /// Paths that are shown beyond the usual ones. They must be such as a policy may name.
    pub shown: &'a [AbsPath],
    /// Variables that are passed from the caller.
    pub pass: &'a [EnvName],
    /// How long it may take, seconds; its processor time is limited to the same.
    pub seconds: u64,
    /// Memory, mebibytes.
    pub memory_mb: u64,
    /// Whose ceiling applies.
    pub environment: Environment,
}

impl Recording<'_> {
    /// The plan that records `job` on `host`, and what it is on record as.
    ///
    /// # Errors
    /// As [`super::compile`]; a program that this host does not have is [`CompileError::CommandUnusable`].
    pub fn compile(
        &self,
        job: &JobSpec,
        host: &Host,
        landlock_abi: u8,
    ) -> Result<(EffectivePolicy, Plan), CompileError> {
        for name in self.pass {
            variable(name.as_str())
                .map_err(|why| CompileError::Recording(format!("the variable `{name}` {why}")))?;
        }
        let policy = self.policy(job).map_err(|found| CompileError::Recording(found.to_string()))?;
        enforceable(&policy, host, landlock_abi)?;
        let programs = Programs::of(&policy, host);
        let command = recorded(command::command(&policy, job, &programs)?, job)?;
        let mut sight = Sight::of(&policy, &programs, host)?;
        for path in self.shown {
            sight.path(
                &crate::policy::ReadPath { path: path.clone(), optional: false, within: Vec::new() },
                &Origin::DEFAULT,
                host,
                Access::Execute,
            )?;
        }
        for path in PROGRAMS.into_iter().chain(CONFIGURATION) {
            if let Ok(resolved) = host.resolve_readable(&Root::Host, &path_of(path)?) {
                sight.wide(resolved);
            }
        }
        sight.grant(path_of(RECORDER)?, Access::Execute);
        let assembled = Assembled {
            view: with_recorder(sight.view()?)?,
            landlock: sight.landlock(landlock_abi)?,
            filter: unwatched_filter(&calls())?,
            command,
        };
        let plan = assemble(&policy, job, assembled)?;
        Ok((policy, plan))
    }

    fn policy(&self, job: &JobSpec) -> Result<EffectivePolicy, Diagnostics> {
        let decided = |value| Decided { value, origin: Origin::DEFAULT };
        let own = [
            (LimitKey::WallSeconds, self.seconds),
            (LimitKey::CpuSeconds, self.seconds),
            (LimitKey::MemoryMb, self.memory_mb),
        ];
        let command = job.arguments().first().and_then(|first| AbsPath::new(first.as_str()).ok());
        let by_default = |path: AbsPath| (path, Origin::DEFAULT);
        let rights = Rights {
            commands: Some(command.into_iter().map(by_default).collect()),
            limits: LIMITS.into_iter().chain(own).map(|(key, value)| (key, decided(value))).collect(),
            write: Some(WRITABLE.into_iter().filter_map(|path| path_of(path).ok()).map(by_default).collect()),
            pass: Some(self.pass.iter().map(|name| (name.clone(), Origin::DEFAULT)).collect()),
            syscalls: Some(Calls { profile: SyscallProfile::Compiler, ..Calls::CLOSED }),
            ..Rights::default()
        };
        EffectivePolicy::new(PolicyName::recording(), 1, rights, self.environment)
    }
}

fn with_recorder(view: View) -> Result<View, CompileError> {
    let mut entries = view.entries.into_vec();
    entries.push(Entry::Recorder);
    Ok(View { entries: bounded("things in the job's file system", entries)? })
}

/// The calls of a recording: those of the largest profile, and ptrace(2) for the recorder, which takes it from what it
/// watches.
pub(crate) fn calls() -> Calls {
    let ptrace = named("ptrace").unwrap_or_default();
    let added: BTreeMap<_, _> = ptrace.into_iter().map(|call| (call, Origin::DEFAULT)).collect();
    Calls { profile: SyscallProfile::Compiler, added, ..Calls::CLOSED }
}

/// The recorder is what is executed; it executes the program as the job names it.
fn recorded(command: Command, job: &JobSpec) -> Result<Command, CompileError> {
    let own = [RECORDER, "record"]
        .map(|text| Arg::new(text).map_err(|reason| CompileError::Name { text: text.to_owned(), reason }));
    let own = own.into_iter().collect::<Result<Vec<_>, _>>()?;
    let arguments = own.into_iter().chain(job.arguments().iter().cloned()).collect();
    Ok(Command { executable: path_of(RECORDER)?, arguments: bounded("arguments", arguments)?, ..command })
}

//! Checking files before anybody relies on them: no root, no database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::effective::{EffectivePolicy, NotEnforced, members};
use crate::environment::Environment;
use crate::host::{Host, HostError};
use crate::library::{Library, yaml_files};
use crate::policy::{Policy, PolicyName};
use crate::registry::{Capabilities, Registry};
use crate::yaml::{Source, Value, load};

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// It has a `policy` key.
    Policy,
    /// It has a `services` key.
    Registry,
}

/// One file that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedFile {
    /// As the user named it, or beneath the directory that the user named.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
}

/// What was looked at and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Every file that could be read.
    pub files: Vec<CheckedFile>,
    /// Errors and warnings of all of them.
    pub diagnostics: Diagnostics,
}

/// What files are checked against.
#[derive(Debug, Clone, Copy)]
pub struct Checks<'a> {
    /// Policies that they may name.
    pub library: &'a Library,
    /// Whose ceiling applies.
    pub environment: Environment,
    /// Runners that services may ask for.
    pub capabilities: &'a Capabilities,
    /// A host to look for commands and paths on: what is absent there is a warning.
    pub host: Option<&'a Host>,
}

/// Checks policy files and registries; of a directory, every `*.yaml` and `*.yml` in it. Policies among them can
/// extend one another, and registries among them can use them.
pub fn check(paths: &[PathBuf], checks: &Checks<'_>) -> CheckReport {
    let mut found = Vec::new();
    let (mut files, mut policies, mut registries) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths.iter().flat_map(|path| files_of(path, &mut found)).collect::<Vec<_>>() {
        match Source::read(&path, checks.library.trust()) {
            Ok((source, doubts)) => {
                found.extend(doubts.into_iter().map(Diagnostic::warning));
                let kind = kind_of(&source);
                files.push(CheckedFile { path: source.name.clone(), kind });
                match kind {
                    FileKind::Policy => policies.push(source),
                    FileKind::Registry => registries.push(source),
                }
            }
            Err(error) => found.push(error),
        }
    }
    let library = check_policies(policies, checks, &mut found);
    for source in registries {
        match Registry::from_source(&source, &library, checks.environment, checks.capabilities) {
            Ok(registry) => found.extend(registry.warnings().iter().cloned()),
            Err(errors) => found.extend(errors),
        }
    }
    CheckReport { files, diagnostics: found.into_iter().collect() }
}

fn files_of(path: &Path, found: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let directory = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if !directory {
        return vec![path.to_owned()];
    }
    yaml_files(path).unwrap_or_else(|error| {
        found.push(error);
        Vec::new()
    })
}

/// A file without a `services` key, or one that is nearly that, is taken for a policy. The parser of its kind then says
/// what is missing.
fn kind_of(source: &Arc<Source>) -> FileKind {
    let Some(Value::Map(entries)) = load(source).0.map(|root| root.value) else { return FileKind::Policy };
    let has = |wanted: &str| entries.iter().any(|(key, _)| key.text == wanted);
    let nearly = || entries.iter().any(|(key, _)| did_you_mean(&key.text, ["services"]).is_some());
    if has("services") || !has("policy") && nearly() { FileKind::Registry } else { FileKind::Policy }
}

/// The library with the policies that are right, so that registries can be checked against them.
fn check_policies(sources: Vec<Arc<Source>>, checks: &Checks<'_>, found: &mut Vec<Diagnostic>) -> Library {
    let names: Vec<PolicyName> = sources
        .iter()
        .filter_map(|source| Policy::parse(source).ok())
        .map(|(policy, _)| policy.name.value)
        .collect();
    let (library, errors) = checks.library.clone().with_right_sources(sources);
    found.extend(errors);
    for name in names {
        if let Ok(policy) = library.effective(name.as_str(), checks.environment) {
            found.extend(unenforceable(&policy, checks.capabilities));
            found.extend(checks.host.into_iter().flat_map(|host| absent(&policy, host)));
        }
    }
    library
}

/// A policy by itself says nothing of the runner it is for.
fn unenforceable(policy: &EffectivePolicy, capabilities: &Capabilities) -> Vec<Diagnostic> {
    let warn = |lack: NotEnforced| {
        let at = lack.origin.at?;
        let message = format!(
            "`{}` cannot be enforced by this version: no job will run under this policy",
            lack.clause
        );
        Some(at.error("not-enforceable", message).help(lack.missing).warning())
    };
    capabilities.enforced_by_none(policy).into_iter().filter_map(warn).collect()
}

/// Commands and paths that this host does not have.
fn absent(policy: &EffectivePolicy, host: &Host) -> Vec<Diagnostic> {
    let root = &policy.root();
    let commands = members(&policy.rights().commands).filter_map(|(name, origin)| {
        let error = host.program(root, name).err()?;
        Some((
            origin.at.as_ref()?,
            "absent-command",
            error,
            "a job that asks for this command is refused here",
        ))
    });
    let named = members(&policy.rights().read).chain(members(&policy.rights().execute));
    let paths = named.filter(|(read, _)| !read.optional).filter_map(|(read, origin)| {
        let error = host
            .resolve(root, &read.path)
            .err()
            .filter(|error| matches!(error, HostError::Missing { .. }))?;
        let help =
            "no job runs under this policy here; write `{path: …, optional: true}` if jobs can do without it";
        Some((origin.at.as_ref()?, "absent-path", error, help))
    });
    commands
        .chain(paths)
        .map(|(at, code, error, help)| at.error(code, error.to_string()).help(help).warning())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        directory
    }

    fn check_all(directory: &tempfile::TempDir, host: Option<&Host>) -> CheckReport {
        let library = Library::shipped().unwrap();
        let capabilities = Capabilities::new().runner("shell", crate::SHELL_ENFORCES);
        let environment = Environment::Production;
        let checks = Checks { library: &library, environment, capabilities: &capabilities, host };
        check(&[directory.path().to_owned()], &checks)
    }

    const SERVICES: &str = "services:\n  - name: s\n    execution_type: shell\n    security_policy: {use: mine}\n    \
                            operations:\n      - {name: o, runner_config: {command: [/bin/sh]}}\n";

    #[test]
    fn registries_are_checked_against_the_policies_beside_them() {
        let files = [
            ("mine.yaml", "policy: mine\nextends: base\ncommands: [/bin/sh]\n"),
            ("services.yaml", SERVICES),
        ];
        let report = check_all(&directory(&files), Some(&Host::new()));
        assert!(report.diagnostics.is_empty(), "{}", report.diagnostics);
        let kinds: Vec<FileKind> = report.files.iter().map(|file| file.kind).collect();
        assert_eq!(kinds, [FileKind::Policy, FileKind::Registry]);
    }

    #[test]
    fn errors_of_all_files_come_at_once() {
        let files =
            [("a.yaml", "policy: a\ncolour: red\n"), ("b.yaml", "- 1\n"), ("services.yaml", SERVICES)];
        let report = check_all(&directory(&files), None);
        let codes: Vec<&str> = report.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, ["unknown-key", "wrong-type", "unknown-policy"]);
    }

    #[test]
    fn a_policy_that_is_wrong_in_one_place_is_looked_at_everywhere_and_by_those_that_name_it() {
        let files = [
            ("a.yaml", "policy: a\nextends: bsae\ncolour: red\n"),
            ("b.yaml", "policy: mine\nextends: base\ncommands: [sh]\nresource_limits: {memory: 1TiB}\n"),
            ("c.yaml", "policy: c\nextends: mine\ncommands: [/bin/sh]\n"),
            ("services.yaml", SERVICES),
        ];
        let report = check_all(&directory(&files), None);
        let found: Vec<(&str, u32)> =
            report.diagnostics.iter().map(|found| (found.code, found.line)).collect();
        let of_policies = [("unknown-policy", 2), ("unknown-key", 3), ("bad-value", 3), ("wider", 4)];
        assert_eq!(found.get(..4), Some(&of_policies[..]), "{}", report.diagnostics);
        let by_others: Vec<&str> = found.iter().skip(4).map(|(code, _)| *code).collect();
        assert_eq!(by_others, ["unusable-policy", "unusable-policy"], "{}", report.diagnostics);
    }

    #[test]
    fn what_this_host_lacks_and_what_others_can_write_are_warnings() {
        let text = "policy: mine\ncommands: [/bin/sh, /usr/bin/none]\nfilesystem: {read: [/opt/none, {path: /opt/no, optional: true}]}\n";
        let directory = directory(&[("mine.yaml", text)]);
        fs::set_permissions(directory.path().join("mine.yaml"), fs::Permissions::from_mode(0o666)).unwrap();
        let report = check_all(&directory, Some(&Host::new()));
        let codes: Vec<&str> = report.diagnostics.iter().map(|found| found.code).collect();
        assert_eq!(codes, ["writable-by-others", "absent-command", "absent-path"]);
        assert!(!report.diagnostics.has_errors());
        assert!(check_all(&directory, None).diagnostics.len() == 1);
    }
}

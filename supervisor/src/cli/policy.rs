//! `stockade policy`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use stockade_policies::{
    Capabilities, CheckReport, Checks, Diagnostics, ExecutionType, Host, Severity, check,
};

use super::options::PolicyOptions;
use super::{CliError, exit};
use crate::output;
use crate::start;
use crate::supervisor::library;

/// Work with policies
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
    Learn(Box<super::policy_learn::Learn>),
}

impl Policy {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        match self.command {
            Command::Check(check) => check.run(),
            Command::Learn(learn) => Ok(learn.run()),
        }
    }
}

/// Check policy files and service registries; needs no root and no database
///
/// Every error of every file is shown, with its place. Exits with 1 if there are errors; warnings are no errors.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stockade policy check examples/services.yaml policies/")]
struct Check {
    /// Files, or directories with `*.yaml` files
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Look for commands and paths on this host too, and warn of those that it does not have
    #[arg(long)]
    this_host: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    /// Unprivileged user to become when started as root, if there is one of that name
    #[arg(long, value_name = "NAME", default_value = "stockade")]
    user: String,
    #[command(flatten)]
    policies: PolicyOptions,
}

impl Check {
    fn run(self) -> Result<ExitCode, CliError> {
        start::unprivileged_if_there(&self.user)?;
        let library = library(self.policies.directory().as_deref())?;
        let host = self.this_host.then(Host::new);
        let report = check(
            &self.paths,
            &Checks {
                library: &library,
                environment: self.policies.environment,
                capabilities: &Capabilities::new().runner(ExecutionType::SHELL),
                host: host.as_ref(),
            },
        );
        match self.json {
            true => output::json(&json!({
                "ok": !report.diagnostics.has_errors(), "files": report.files, "diagnostics": report.diagnostics,
            }))?,
            false => print(&report)?,
        }
        CliError::hint(&report.diagnostics).into_iter().for_each(output::complain);
        Ok(exit::check(!report.diagnostics.has_errors()))
    }
}

fn print(report: &CheckReport) -> Result<(), CliError> {
    let found = &report.diagnostics;
    if !found.is_empty() {
        output::lines(&format!("{found}\n"))?;
        output::line("")?;
    }
    let (errors, warnings) = (count(found, Severity::Error), count(found, Severity::Warning));
    let files = report.files.len();
    Ok(output::line(&format!("{files} files checked: {errors} errors, {warnings} warnings"))?)
}

fn count(found: &Diagnostics, severity: Severity) -> usize {
    found.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

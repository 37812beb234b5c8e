//! `stockade policy check`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use stockade_policies::{Capabilities, CheckReport, Checks, Diagnostics, Host, Severity, check};

use super::{CliError, PolicyOptions, exit};
use crate::output;
use crate::rules::library;
use crate::start;

/// Check policy files and service registries; needs no root and no database
///
/// Every error of every file is shown, with its place. Exits with 1 if there are errors; warnings are no errors.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stockade policy check examples/services.yaml policies/")]
pub(super) struct Check {
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
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        start::unprivileged_if_there(&self.user)?;
        let library = library(self.policies.directory().as_deref())?;
        let host = self.this_host.then(Host::new);
        let report = check(
            &self.paths,
            &Checks {
                library: &library,
                environment: self.policies.environment,
                capabilities: &Capabilities::shipped(),
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
    let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (files, errors) = (some(report.files.len(), "file"), some(errors, "error"));
    Ok(output::line(&format!("{files} checked: {errors}, {}", some(warnings, "warning")))?)
}

fn count(found: &Diagnostics, severity: Severity) -> usize {
    found.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

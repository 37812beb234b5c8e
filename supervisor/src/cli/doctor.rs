//! `stockade doctor`

use std::process::ExitCode;

use clap::Args;

use super::options::{AccountOptions, MeansOptions, RemoteOptions};
use super::{CliError, exit, runtime};
use crate::doctor::{Check, Examination, Report, Standing};
use crate::output;

/// Find out what this host can enforce, what a gap costs, and what to do about it
///
/// Tries it: starts the launcher, runs jobs, and reads back what was in force for them. That takes root; without, only
/// what can be seen is looked at. Exits with 1 if something is missing that jobs cannot be run without.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo stockade doctor")]
pub(super) struct Doctor {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: AccountOptions,
    #[command(flatten)]
    means: MeansOptions,
    #[command(flatten)]
    remotes: RemoteOptions,
}

impl Doctor {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let examination = Examination::begin(&self.account.account(), &self.means.means());
        let remotes = self.remotes.named();
        let report =
            runtime::single(async { Ok(examination.finish(&self.account.state_dir, &remotes).await) })?;
        match self.json {
            true => output::json(&report)?,
            false => print(&report)?,
        }
        Ok(exit::check(report.fit))
    }
}

fn print(report: &Report) -> Result<(), CliError> {
    for check in &report.checks {
        output::line(&format!("{:8} {:24} {}", word(check), check.name, check.found))?;
        for (label, text) in [("costs:", &check.cost), ("do:", &check.remedy)] {
            if let Some(text) = text {
                output::line(&format!("{:33} {label} {text}", ""))?;
            }
        }
    }
    output::line("")?;
    let verdict = match (report.fit, report.tried) {
        (true, true) => "this host can confine jobs",
        (true, false) => {
            "no sandbox was tried: run `stockade doctor` as root to know whether this host can confine jobs"
        }
        (false, _) => "this host cannot confine jobs: something above is missing",
    };
    Ok(output::line(verdict)?)
}

fn word(check: &Check) -> &'static str {
    match check.standing {
        Standing::Good => "good",
        Standing::Gap => "GAP",
        Standing::Missing => "MISSING",
    }
}

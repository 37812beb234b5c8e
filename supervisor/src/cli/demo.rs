//! `stockade demo`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use uuid::Uuid;

use super::options::{MeansOptions, PolicyOptions, RemoteOptions};
use super::{CliError, exit, runtime};
use crate::demo::{self, Report, Row, Settings};
use crate::output;
use crate::start::{self, Account};
use crate::text::shortened;

/// Where a state directory is made for a demo that is not given one. The user we become must be able to reach it.
const SCRATCH: &str = "/tmp";

/// Run example jobs, honest and hostile, and show what became of each
///
/// Starts a private Postgres and a worker as `up` does, hands in the jobs of `examples/`, and prints a table: the
/// verdict, what stopped the job (as it was observed), and what the job used. Exits with 1 if any job came out otherwise
/// than it must. Nothing of the host is touched: the only address that a job tries to reach is the host's loopback.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sudo stockade demo")]
pub(super) struct Demo {
    /// State directory to use, and to leave [default: one in `/tmp` that is removed again]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Unprivileged user to become
    #[arg(long, value_name = "NAME", default_value = "stockade")]
    user: String,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    remotes: RemoteOptions,
    #[command(flatten)]
    means: MeansOptions,
}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let scratch = Path::new(SCRATCH).join(format!("stockade-demo-{}", Uuid::new_v4().simple()));
        let state_dir = self.state_dir.clone().unwrap_or_else(|| scratch.clone());
        let account = Account { user: self.user.clone(), state_dir: state_dir.clone() };
        let confinement = start::confined("demo", &account, &self.means.means())?;
        let settings = Settings {
            state_dir,
            policies: self.policies.directory(),
            environment: self.policies.environment,
            remotes: self.remotes.remotes(self.policies.environment)?,
        };
        let report = runtime::threaded(async { Ok(demo::run(confinement, &settings).await?) });
        if self.state_dir.is_none() {
            remove(&scratch);
        }
        let report = report?;
        match self.json {
            true => output::json(&report)?,
            false => print(&report)?,
        }
        Ok(exit::check(report.as_it_must()))
    }
}

fn remove(scratch: &Path) {
    if let Err(error) = std::fs::remove_dir_all(scratch) {
        tracing::warn!(directory = %scratch.display(), %error, "the demo's state directory is left behind");
    }
}

fn print(report: &Report) -> Result<(), CliError> {
    let rows: Vec<[String; 6]> = report.jobs.iter().map(cells).collect();
    output::table(["JOB", "VERDICT", "WHAT STOPPED IT", "WALL", "CPU", "PEAK MEMORY"], &rows)?;
    let right = report.jobs.iter().filter(|row| row.as_it_must).count();
    let record =
        if report.record_holds { "the record's chain holds" } else { "THE RECORD'S CHAIN IS BROKEN" };
    output::line("")?;
    output::line(&format!("{right} of {} jobs came out as they must; {record}", report.jobs.len()))?;
    Ok(())
}

fn cells(row: &Row) -> [String; 6] {
    let measured =
        |value: Option<f64>, unit: &str| value.map_or("-".to_owned(), |value| format!("{value:.0} {unit}"));
    [
        row.name.to_owned(),
        row.verdict.clone(),
        shortened(&row.what, 90),
        measured(row.wall_ms, "ms"),
        measured(row.cpu_ms, "ms"),
        measured(row.peak_memory_mb, "MiB"),
    ]
}

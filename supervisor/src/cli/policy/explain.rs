//! `stockade policy explain`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use stockade_policies::{Capabilities, Diagnostics, EnforcedLine, ExecutionType, Operation, Standing};

use super::target::Target;
use super::{CliError, PolicyOptions, exit};
use crate::host::mechanisms;
use crate::output;
use crate::rules::library;
use crate::start;

/// Show every effective line of a policy, who decided it, and what enforces it on this host
///
/// Of an operation it is the policy that its jobs run under: library policy, service, operation and timeout, under the
/// ceiling of the environment. The kernel is asked and nothing is run; `stockade doctor` runs a job and reads back
/// what is in force. Needs no root and no database. Exits with 1 if no job would run here: a line is NOT ENFORCED, or
/// something that jobs need is missing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stockade policy explain reports.from_csv --services examples/services.yaml
  stockade policy explain script-standard --environment staging
  stockade policy explain ./mine.yaml --json")]
pub(super) struct Explain {
    /// An operation, the name of a policy, or the path of a policy's file
    #[arg(value_name = "SERVICE.OPERATION|POLICY")]
    target: String,
    /// Service registry that has the operation
    #[arg(long, value_name = "FILE")]
    services: Option<PathBuf>,
    /// Print the lines as JSON
    #[arg(long)]
    json: bool,
    /// Unprivileged user to become when started as root, if there is one of that name
    #[arg(long, value_name = "NAME", default_value = "stockade")]
    user: String,
    #[command(flatten)]
    policies: PolicyOptions,
}

/// What there is to say.
struct Explanation {
    lines: Vec<EnforcedLine>,
    /// Why the operation's own command cannot be run here.
    refused: Diagnostics,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        start::unprivileged_if_there(&self.user)?;
        let library = library(self.policies.directory().as_deref())?;
        let target =
            Target::find(&self.target, &library, self.services.as_deref(), self.policies.environment)?;
        let mechanisms = mechanisms();
        let host = mechanisms.host();
        let lines = match target.operation.as_ref().map(Operation::execution_type) {
            Some(kind) if kind.as_str() != ExecutionType::SHELL => {
                target.policy.explain_by(kind, Capabilities::shipped().enforces(kind).unwrap_or_default())
            }
            _ => target.policy.explain(&mechanisms, &host),
        };
        let checked =
            target.operation.as_ref().map(|operation| operation.check_on(&host, mechanisms.landlock_abi));
        let refused = checked.and_then(Result::err).unwrap_or_default();
        let explanation = Explanation { lines, refused };
        match self.json {
            true => self.json(&target, &explanation)?,
            false => self.print(&target, &explanation)?,
        }
        Ok(exit::check(explanation.runs()))
    }

    fn json(&self, target: &Target, explanation: &Explanation) -> Result<(), CliError> {
        Ok(output::json(&json!({
            "target": self.target,
            "policy": target.policy.id(),
            "environment": target.policy.environment(),
            "jobs_run_here": explanation.runs(),
            "lines": explanation.lines,
            "diagnostics": explanation.refused,
        }))?)
    }

    fn print(&self, target: &Target, explanation: &Explanation) -> Result<(), CliError> {
        let id = target.policy.id();
        let of = target.operation.as_ref().map(|_| format!(", of `{}`", self.target)).unwrap_or_default();
        let environment = target.policy.environment();
        output::line(&format!("policy `{}` version {}{of}, under `{environment}`", id.name, id.version))?;
        output::line(&format!("sha256 {}", id.sha256))?;
        output::line("")?;
        output::lines(&layout(&explanation.lines))?;
        output::line("")?;
        if !explanation.refused.is_empty() {
            output::lines(&format!("{}\n\n", explanation.refused))?;
        }
        Ok(output::line(&explanation.verdict())?)
    }
}

impl Explanation {
    fn runs(&self) -> bool {
        self.refused.is_empty() && !self.lines.iter().any(|line| line.standing.stops_jobs())
    }

    fn verdict(&self) -> String {
        let count = |standing| self.lines.iter().filter(|line| line.standing == standing).count();
        let mut text = format!("{} lines", self.lines.len());
        for (standing, what) in [
            (Standing::NotEnforced, "NOT ENFORCED"),
            (Standing::StopsJobs, "needed and not on this host"),
            (Standing::NotHere, "not on this host"),
        ] {
            if count(standing) > 0 {
                // Writing to a string cannot fail.
                let _ = write!(text, ", {} {what}", count(standing));
            }
        }
        text.push_str(match (self.runs(), &self.refused.is_empty()) {
            (true, _) => ": jobs run here, and every line is enforced",
            (false, true) => ": no job runs under this policy here",
            (false, false) => ": no job of this operation runs here",
        });
        text
    }
}

/// A wider first column is let spill over, characters.
const COLUMN_MAX: usize = 44;

/// Each clause with what enforces it, and each value with who decided it.
fn layout(lines: &[EnforcedLine]) -> String {
    let rows: Vec<[String; 2]> =
        lines.chunk_by(|a, b| a.line.clause == b.line.clause && !by_itself(a)).flat_map(rows).collect();
    let widths = rows.iter().map(|[left, _]| left.chars().count());
    let column = widths.filter(|width| *width <= COLUMN_MAX).max().unwrap_or(0);
    rows.iter().map(|[left, right]| format!("{left:column$}  {right}\n")).collect()
}

/// Whether a clause has one value, or a mechanism for each.
fn by_itself(line: &EnforcedLine) -> bool {
    line.line.clause == "require"
}

/// The rows of one clause.
fn rows(lines: &[EnforcedLine]) -> Vec<[String; 2]> {
    let Some(first) = lines.iter().find(|line| line.standing == Standing::Enforced).or(lines.first()) else {
        return Vec::new();
    };
    let (clause, behind) = (&first.line.clause, format!("{}{}", warning(first.standing), first.mechanism));
    if lines.len() == 1 {
        let origin = first.line.origin.clone();
        return vec![[format!("{clause}: {}", first.line.value), behind], [String::new(), origin]];
    }
    let value = |line: &EnforcedLine| {
        let other = match line.standing == first.standing {
            true => String::new(),
            false => format!(", {}{}", warning(line.standing), line.mechanism),
        };
        [format!("  {}", line.line.value), format!("{}{other}", line.line.origin)]
    };
    [[clause.clone(), behind]].into_iter().chain(lines.iter().map(value)).collect()
}

const fn warning(standing: Standing) -> &'static str {
    match standing {
        Standing::Enforced | Standing::NotHere => "",
        Standing::StopsJobs => "NO JOB RUNS: ",
        Standing::NotEnforced => "NOT ENFORCED: ",
    }
}

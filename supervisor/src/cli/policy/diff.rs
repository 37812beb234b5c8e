//! `stockade policy diff`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::json;
use stockade_policies::{Difference, Environment};

use super::target::Target;
use super::{CliError, exit};
use crate::output;
use crate::rules::library;
use crate::start;

/// Show the rights that one policy grants and another does not
///
/// `+` is a right that AFTER grants and BEFORE does not, `-` one that it does not grant any more; a layer that is
/// required is no right, and shows as `-` when it is added, because jobs can do less without it. A path, host or
/// network within one that was granted is not gained. Both are taken as their texts have them, before the ceiling of
/// an environment. Files are compared and not put in force: who may write them does not matter. Needs no root and no
/// database.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0 both grant the same         3 AFTER grants less, and nothing more
  1 one of them cannot be read  4 AFTER grants something that BEFORE does not

Examples:
  git show main:policies/mine.yaml > /tmp/old.yaml; stockade policy diff /tmp/old.yaml policies/mine.yaml
  stockade policy diff script-standard reports.from_csv --services examples/services.yaml
  stockade policy diff reports.from_csv reports.from_csv --old-services old.yaml --services new.yaml --json")]
pub(super) struct Diff {
    /// Name or file of a policy, or SERVICE.OPERATION
    before: String,
    /// The same, of what it is compared with
    after: String,
    /// Service registry that has the operations
    #[arg(long, value_name = "FILE")]
    services: Option<PathBuf>,
    /// Service registry for BEFORE [default: that of `--services`]
    #[arg(long, value_name = "FILE")]
    old_services: Option<PathBuf>,
    /// Directory with policies of your own, beside the shipped ones
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Directory with policies for BEFORE [default: that of `--policies`]
    #[arg(long, value_name = "DIR")]
    old_policies: Option<PathBuf>,
    /// Print the differences as JSON
    #[arg(long)]
    json: bool,
    /// Unprivileged user to become when started as root, if there is one of that name
    #[arg(long, value_name = "NAME", default_value = "stockade")]
    user: String,
}

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Same,
    Less,
    Gains,
}

impl Diff {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        start::unprivileged_if_there(&self.user)?;
        let old_policies = self.old_policies.as_deref().or(self.policies.as_deref());
        let old_services = self.old_services.as_deref().or(self.services.as_deref());
        let before = find(&self.before, old_policies, old_services)?;
        let after = find(&self.after, self.policies.as_deref(), self.services.as_deref())?;
        let differences = match (&before.operation, &after.operation) {
            (Some(before), Some(after)) => before.difference(after),
            _ => before.policy.difference(&after.policy),
        };
        let verdict = Verdict::of(&differences);
        if self.json {
            let (before, after) = (before.policy.id(), after.policy.id());
            let found =
                json!({"verdict": verdict, "before": before, "after": after, "differences": differences});
            output::json(&found)?;
        } else {
            for difference in &differences {
                output::line(&difference.to_string())?;
            }
            output::line(&verdict.text(&differences))?;
        }
        Ok(ExitCode::from(verdict.code()))
    }
}

fn find(name: &str, policies: Option<&Path>, services: Option<&Path>) -> Result<Target, CliError> {
    let library = library(None)?.for_comparison();
    let library = policies.map_or(Ok(library.clone()), |directory| library.with_directory(directory))?;
    // What is compared lies before any ceiling.
    Target::find(name, &library, services, Environment::Development)
}

impl Verdict {
    fn of(differences: &[Difference]) -> Self {
        match differences {
            [] => Self::Same,
            some if some.iter().any(|difference| difference.change.widens()) => Self::Gains,
            _ => Self::Less,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Same => exit::DONE,
            Self::Less => exit::LESS,
            Self::Gains => exit::MORE,
        }
    }

    fn text(self, differences: &[Difference]) -> String {
        let more = differences.iter().filter(|difference| difference.change.widens()).count();
        let less = differences.len() - more;
        match self {
            Self::Same => "the same rights".to_owned(),
            Self::Less => format!("only less: {less} lines"),
            Self::Gains => format!("GAINS RIGHTS: {more} lines more, {less} less"),
        }
    }
}

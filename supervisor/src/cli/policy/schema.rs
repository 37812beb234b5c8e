//! `stockade policy schema`

use std::process::ExitCode;

use clap::Args;
use stockade_policies::{policy_schema, registry_schema};

use super::{CliError, exit};
use crate::output;

/// Print the JSON Schema of policy files, for editors that complete and check
///
/// It knows every key, type, word and range. What it cannot say is said by `stockade policy check`, which is the
/// reference: whether a clause is wider than what it tightens, whether policies and commands exist, what a path leads
/// to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stockade policy schema > policy.schema.json
  stockade policy schema --registry > services.schema.json

With yaml-language-server, which most editors use, the first line of a policy then is
  # yaml-language-server: $schema=policy.schema.json")]
pub(super) struct Schema {
    /// That of service registries
    #[arg(long)]
    registry: bool,
}

impl Schema {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let schema = if self.registry { registry_schema() } else { policy_schema() };
        output::lines(&format!("{schema:#}"))?;
        Ok(ExitCode::from(exit::DONE))
    }
}

//! `stockade policy learn`

mod draft_file;
mod proof;
mod session;
mod shrink;
mod tell;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, value_parser};
use stockade_plan::{AbsPath, EnvName, RelPath};
use stockade_policies::PolicyName;

use crate::cli::exec::files::Inputs;
use crate::cli::exec::job::caller;
use crate::cli::options::{AccountOptions, MeansOptions, PolicyOptions};
use crate::cli::{CliError, exit, runtime};
use crate::output;
use crate::start;
use draft_file::DraftFile;
use session::{Given, read_stdin};

/// Where a program's name is looked for if it has no `/`: the PATH of every job.
const PATH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// Run a program and write the least policy that lets it run again
///
/// The program runs in a recording sandbox: it sees the host's programs, libraries and some configuration, no secrets and
/// no network, and every system call that it and its children make is written down. From that a policy is written, each
/// line with what asked for it. Then the program is run again under the policy, to prove it; if it does something else than
/// before, once more with what it only looked at. Last, files that it read are left out as long as nobody could tell the
/// difference from its output, which takes more runs. Standard input, unless it is a terminal, is read to its end before the
/// first run, and every run gets the same.
///
/// A learned policy is a draft: it grants what one run did, whether it should have or not. Read it. Every run is in the
/// record of `exec`. Must be started as root, which is given up before anything else is done.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0    the policy is written, and the program ran under it as it did in the recording
  1    the policy is written, and the program ended otherwise under it: the message says how
  125  nothing could be learned, and no policy is written

Examples:
  sudo stockade policy learn -o report.yaml --input data.csv -- /usr/bin/python3 -c 'print(len(open(\"data.csv\").read()))'
  sudo stockade policy learn -- /bin/sh -c 'sort | uniq -c' < names > count-names.yaml")]
pub(super) struct Learn {
    /// File to lay into `/job`, under its own name; may be given more than once
    #[arg(long = "input", value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// File in `/job` that the policy collects; may be given more than once [default: all that the program leaves there]
    #[arg(long = "output-name", value_name = "NAME", value_parser = rel_path)]
    output_names: Vec<RelPath>,
    /// File to write the policy to, which must not exist or be empty [default: standard output]
    #[arg(short = 'o', long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the file
    #[arg(long, requires = "out")]
    force: bool,
    /// Name of the policy [default: `learned-` and the program's]
    #[arg(long, value_name = "NAME", value_parser = policy_name)]
    name: Option<PolicyName>,
    /// Variable of yours that the program gets, and the policy passes; may be given more than once
    #[arg(long = "env", value_name = "NAME", value_parser = env_name)]
    pass: Vec<EnvName>,
    /// Path that the recording shows beyond the usual ones, if a policy may; may be given more than once
    #[arg(long = "show", value_name = "PATH", value_parser = abs_path)]
    shown: Vec<AbsPath>,
    /// How long the recording may take, seconds; watching a program makes it several times slower
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Memory of the recording, mebibytes
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = value_parser!(u64).range(64..=1_048_576))]
    memory_mb: u64,
    /// How many runs may be spent on finding what of the files that it read the program can do without
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u16).range(0..=1000))]
    trials: u16,
    /// Print one object that says what was learned, instead of passing through what the program prints
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    policies: PolicyOptions,
    #[command(flatten)]
    account: AccountOptions,
    #[command(flatten)]
    means: MeansOptions,
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, last = true, help_heading = "Arguments")]
    command: Vec<String>,
}

impl Learn {
    /// That nothing was learned is not the exit code of a policy that does not hold.
    pub(super) fn run(self) -> ExitCode {
        self.learn().unwrap_or_else(|error| {
            output::complain(&error.to_string());
            error.help().into_iter().for_each(output::complain);
            ExitCode::from(exit::NOT_SET_UP)
        })
    }

    fn learn(mut self) -> Result<ExitCode, CliError> {
        let program = self.program()?;
        if let Some(first) = self.command.first_mut() {
            program.as_str().clone_into(first);
        }
        // With the rights of whoever calls: it is his files that are named.
        let inputs = Inputs::open(&self.inputs)?;
        let draft_file = self.out.as_deref().map(|path| DraftFile::open(path, self.force)).transpose()?;
        let name = self.name.clone().map_or_else(|| default_name(&program), Ok)?;
        let caller = caller();
        let confinement = start::confined("policy learn", &self.account.account(), &self.means.means())?;
        let given = Given { program, name, inputs: inputs.read()?, stdin: read_stdin()?, caller };
        runtime::single(self.session(confinement, given, draft_file))
    }

    /// The program's path: as it was given, or, for a bare name, where a job's PATH would find it.
    fn program(&self) -> Result<AbsPath, CliError> {
        let asked = self.command.first().map_or("", String::as_str);
        let unusable = |why: String| CliError::Other(format!("cannot run `{asked}`: {why}"));
        let path = match asked.contains('/') {
            true => asked.to_owned(),
            false => {
                let found = PATH.into_iter().map(|directory| format!("{directory}/{asked}"));
                let found = found.into_iter().find(|path| std::fs::metadata(path).is_ok());
                found.ok_or_else(|| unusable(format!("it is in none of {}", PATH.join(", "))))?
            }
        };
        AbsPath::new(path).map_err(|reason| unusable(format!("its path {reason}; name it by its whole path")))
    }
}

/// `learned-` and the program's name, as far as a policy's name can have it.
fn default_name(program: &AbsPath) -> Result<PolicyName, CliError> {
    let name: String = program.components().last().unwrap_or_default().to_lowercase();
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(56)
        .collect();
    PolicyName::new(&format!("learned-{name}"))
        .map_err(|error| CliError::Other(format!("`learned-{name}` {error}; give one with `--name`")))
}

fn rel_path(text: &str) -> Result<RelPath, String> {
    if text.contains(['*', '?', '[']) {
        return Err("it is a pattern; name each file".to_owned());
    }
    RelPath::new(text).map_err(|reason| format!("it {reason}"))
}

fn abs_path(text: &str) -> Result<AbsPath, String> {
    AbsPath::new(text).map_err(|reason| format!("it {reason}"))
}

fn env_name(text: &str) -> Result<EnvName, String> {
    EnvName::new(text).map_err(|reason| format!("it {reason}"))
}

fn policy_name(text: &str) -> Result<PolicyName, String> {
    PolicyName::new(text).map_err(|error| {
        format!("it {error}: lower-case letters, digits and `-`, a letter first, at most 64")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_named_after_its_program() {
        let name = |path: &str| default_name(&AbsPath::new(path).unwrap()).unwrap().to_string();
        assert_eq!(name("/usr/bin/python3.11"), "learned-python3-11");
        assert_eq!(name("/opt/x/Größe_1"), "learned-gr--e-1");
        assert!(name(&format!("/opt/{}", "a".repeat(200))).len() <= 64);
    }
}

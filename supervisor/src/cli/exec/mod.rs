//! `stockade exec`

pub(super) mod attempt;
mod code;
pub(super) mod files;
pub(super) mod job;
mod signals;
mod terminal;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use stockade_sandbox::Errand;

use super::CliError;
use super::options::{AccountOptions, MeansOptions, PolicyOptions};
use crate::start;
use files::{Inputs, OutputDirectory};
use terminal::{CallersTerminal, Pty};

/// Run one job, here and now, without a queue
///
/// What the job reads, prints and exits with is passed through, and what it may do is what the policy says. Its start is
/// written to `exec-record.jsonl` in the state directory before it runs, its end after; if the start cannot be written,
/// it does not run. Must be started as root, which is given up once the named files are open: whoever may start this with
/// `sudo` may so read any file.
///
/// Standard input is read as the job takes it, and some of it ahead. What it prints comes as it prints it; when nobody reads that any
/// more the job is told as any program is, and what nobody takes while the job's wall time lasts is given up: 124. SIGTERM,
/// SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are the job's; it may answer them as it likes, but a second one of the first four,
/// or ten seconds after the first, kill it and all it started. SIGTSTP stops it with this program, and its wall time goes on.
///
/// The command is the absolute path of a program that the policy lists, as the policy spells it. Input files lie in
/// `/job`, where the job starts. What the job prints goes to a terminal unchanged: use `--json` if you would not let it.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  that of the job, or 128 and the number of the signal that ended it
  124 it took too long               125 it could not be set up, and did not run
  126 the policy refused it          137 it went over its memory
  143 it did not end when it was told to, and was killed
  152 it used up its processor time  153 it printed more than it may

Examples:
  sudo stockade exec --policy script-standard -- /usr/bin/python3 -c 'print(6*7)'
  sudo stockade exec --policy ./mine.yaml --input data.csv --output results --json -- /bin/sh -c 'wc -l < data.csv'")]
pub(super) struct Exec {
    /// Policy to run it under: the name of one, or the path of a file
    #[arg(long, value_name = "NAME_OR_PATH")]
    policy: String,
    /// File to lay into `/job`, under its own name; may be given more than once. It is opened as root
    #[arg(long = "input", value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Directory to put the outputs into that the policy declares; made if it is missing
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Give the job a terminal of its own between it and yours, for programs that people type at. What it prints,
    /// escape sequences included, comes to your terminal unchanged, its errors among the rest
    #[arg(long, conflicts_with = "json")]
    tty: bool,
    /// Print one object that says what became of it, instead of passing through what it prints
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

impl Exec {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        // With the rights of whoever calls: it is his files that are named.
        let inputs = Inputs::open(&self.inputs)?;
        let output =
            self.output.as_deref().map(|path| OutputDirectory::open(path, &self.account.user)).transpose()?;
        let terminal = self.terminal()?;
        let caller = job::caller();
        let confinement = start::confined("exec", &self.account.account(), &self.means.means())?;
        let (terminal, jobs_end) = terminal.unzip();
        let errand = Errand::begin(confinement.launcher, confinement.cgroups, jobs_end)?;
        let inputs = inputs.read()?;
        self.finish(errand, terminal, inputs, output, caller)
    }
}

/// Both ends of the terminal of `--tty`: ours, with the caller's terminal, and the job's.
type Terminal = ((Pty, CallersTerminal), OwnedFd);

impl Exec {
    fn terminal(&self) -> Result<Option<Terminal>, CliError> {
        if !self.tty {
            return Ok(None);
        }
        let failed = |error| CliError::Other(format!("cannot make a terminal for the job: {error}"));
        let callers = CallersTerminal::find().map_err(failed)?.ok_or_else(|| {
            CliError::Other(
                "standard input is no terminal: `--tty` is for people who type; leave it out".to_owned(),
            )
        })?;
        let (pty, jobs) = Pty::open(&callers).map_err(failed)?;
        Ok(Some(((pty, callers), jobs)))
    }
}

//! The command line: one file for each command.

mod connect;
mod demo;
mod doctor;
mod error;
mod exec;
mod exit;
mod jobs;
mod migrate;
mod options;
mod policy;
mod runtime;
mod serve;
mod submit;
mod up;
mod whole;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::logging::{self, LogFormat, LogLevel};
use crate::output;
use error::CliError;

/// Runs work that nobody has reason to trust: confines it, measures it, and keeps a record
#[derive(Debug, Parser)]
#[command(name = "stockade", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    log: LogOptions,
    #[command(subcommand)]
    command: Command,
}

/// The same with `exec` alone: describing all the others to the parser takes longer than all else that is done before the
/// launcher starts.
#[derive(Debug, Parser)]
#[command(name = "stockade")]
struct ExecCli {
    #[command(flatten)]
    log: LogOptions,
    #[command(subcommand)]
    command: ExecCommand,
}

#[derive(Debug, Subcommand)]
enum ExecCommand {
    Exec(Box<exec::Exec>),
}

/// Whether the command is `exec`; the options of the log may stand before it.
fn is_exec(arguments: &[OsString]) -> bool {
    let mut rest = arguments.iter().skip(1).map(|argument| argument.to_str().unwrap_or_default());
    while let Some(argument) = rest.next() {
        match argument {
            "--log" | "--log-level" => drop(rest.next()),
            _ if argument.starts_with("--log=") || argument.starts_with("--log-level=") => {}
            command => return command == "exec",
        }
    }
    false
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
struct LogOptions {
    /// How the log on standard error looks: `human` or `json`
    #[arg(long = "log", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Human, global = true,
          hide_possible_values = true, env = "STOCKADE_LOG")]
    format: LogFormat,
    /// What is logged: `off`, `error`, `warn`, `info` or `debug` [default: info for `up` and `serve`, else warn]
    #[arg(
        long = "log-level",
        value_name = "LEVEL",
        value_enum,
        global = true,
        hide_possible_values = true,
        env = "STOCKADE_LOG_LEVEL"
    )]
    level: Option<LogLevel>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(Box<up::Up>),
    Serve(Box<serve::Serve>),
    Demo(Box<demo::Demo>),
    Exec(Box<exec::Exec>),
    Submit(Box<submit::Submit>),
    Jobs(jobs::Jobs),
    Policy(policy::Policy),
    Doctor(doctor::Doctor),
    Migrate(migrate::Migrate),
}

impl Command {
    fn run(self) -> Result<ExitCode, CliError> {
        match self {
            Self::Up(command) => command.run(),
            Self::Serve(command) => command.run(),
            Self::Demo(command) => command.run(),
            Self::Exec(command) => command.run(),
            Self::Submit(command) => command.run(),
            Self::Jobs(command) => command.run(),
            Self::Policy(command) => command.run(),
            Self::Doctor(command) => command.run(),
            Self::Migrate(command) => command.run(),
        }
    }

    fn default_level(&self) -> LogLevel {
        match self {
            Self::Up(_) | Self::Serve(_) => LogLevel::Info,
            _ => LogLevel::Warn,
        }
    }

    /// What a failure of the command itself exits with.
    fn failed(&self) -> u8 {
        match self {
            Self::Exec(_) => exit::NOT_SET_UP,
            _ => exit::FAILED,
        }
    }
}

/// `stockade`: `exec`, if that is what `arguments` spell rightly; all else is done by `stockade-full`, also telling what is
/// wrong with them.
pub fn front(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if is_exec(&arguments)
        && let Ok(ExecCli { log, command: ExecCommand::Exec(exec) }) = ExecCli::try_parse_from(&arguments)
    {
        logging::start(log.format, log.level.unwrap_or(LogLevel::Warn));
        return told(exec.run(), exit::NOT_SET_UP);
    }
    let failed = match is_exec(&arguments) {
        true => exit::NOT_SET_UP,
        false => exit::FAILED,
    };
    told(Err(whole::replace_us(arguments)), failed)
}

/// `stockade-full`: runs the command that `arguments` spell and answers with what the process is to exit with.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error, &arguments),
    };
    logging::start(cli.log.format, cli.log.level.unwrap_or_else(|| cli.command.default_level()));
    let failed = cli.command.failed();
    told(cli.command.run(), failed)
}

/// What to exit with after an error was told, `failed` then.
fn told(done: Result<ExitCode, CliError>, failed: u8) -> ExitCode {
    done.unwrap_or_else(|error| {
        output::complain(&error.to_string());
        error.help().into_iter().for_each(output::complain);
        ExitCode::from(failed)
    })
}

/// Help and version are no errors. Others exit with 2, as is usual, but for `exec`: 2 may be its job's own.
fn not_understood(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // Nobody is left to tell if printing fails.
    let _ = error.print();
    match error.exit_code() {
        0 => ExitCode::from(exit::DONE),
        _ if is_exec(arguments) => ExitCode::from(exit::NOT_SET_UP),
        code => ExitCode::from(u8::try_from(code).unwrap_or(exit::FAILED)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn exec_alone_is_understood_as_the_whole_command_line_understands_it() {
        let arguments =
            ["stockade", "exec", "--log-level", "off", "--policy", "p", "--tty", "--", "/bin/sh", "--json"]
                .map(OsString::from);
        let whole = Cli::try_parse_from(&arguments).unwrap();
        let ExecCli { command: ExecCommand::Exec(alone), .. } = ExecCli::try_parse_from(&arguments).unwrap();
        let Command::Exec(whole) = whole.command else { panic!("another command") };
        assert_eq!(format!("{alone:?}"), format!("{whole:?}"));
        assert!(ExecCli::try_parse_from(["stockade", "exec", "--nonsense"]).is_err());
    }

    #[test]
    fn exec_is_known_behind_the_options_of_the_log_and_nothing_else_is_taken_for_it() {
        let is = |arguments: &[&str]| {
            let arguments = [&["stockade"], arguments].concat();
            is_exec(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
        };
        let before: [&[&str]; 5] = [
            &[],
            &["--log", "json"],
            &["--log=json"],
            &["--log-level", "off", "--log", "human"],
            &["--log-level=off"],
        ];
        for options in before {
            assert!(is(&[options, &["exec", "--nonsense"]].concat()), "{options:?}");
            assert!(!is(&[options, &["jobs", "exec"]].concat()), "{options:?}");
            assert!(!is(options), "{options:?}");
        }
        assert!(!is(&["--log", "exec", "jobs"]) && !is(&["--help", "exec"]) && !is(&["--", "exec"]));
    }

    #[test]
    fn every_command_that_does_something_has_an_example() {
        let commands = Cli::command();
        let leaves = commands.get_subcommands().flat_map(|command| match command.has_subcommands() {
            true => command.get_subcommands().collect(),
            false => vec![command],
        });
        for command in leaves.filter(|command| command.get_name() != "help") {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "`{}` has no example", command.get_name());
        }
    }
}

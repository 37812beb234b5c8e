//! Starting Postgres's own programs.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::PostgresError;

/// A program with an empty standard input and next to no environment: variables like `PGDATA` or `PGOPTIONS` must not
/// decide which server we run, and messages must be in the language we look for words in.
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that starts programs for the embedded server; they are found by `binaries`, get an \
              argument vector and no shell, and run as our own unprivileged user"
)]
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// Runs a program to its end and returns what it printed.
pub(super) fn run<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> Result<String, PostgresError> {
    let Output { status, stdout, stderr } =
        command(program).args(arguments).output().map_err(PostgresError::io("run", program))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    Err(PostgresError::Failed {
        program: program.to_owned(),
        status: status.to_string(),
        output: last_lines(&String::from_utf8_lossy(&stderr)),
    })
}

/// The last few lines of a log, on one line.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(6);
    lines.get(from..).unwrap_or_default().join("; ")
}

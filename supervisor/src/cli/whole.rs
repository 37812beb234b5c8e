//! The program with every command, from the one that people call.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::CliError;
use crate::start;

/// The program, installed beside ours.
const PROGRAM: &str = "stockade-full";

/// Executes it in our place, under the name we were called by; why it did not, if this returns.
#[expect(
    clippy::disallowed_methods,
    reason = "nothing is forked: this very process goes on as the other program"
)]
pub(super) fn replace_us(arguments: Vec<OsString>) -> CliError {
    let program = match start::beside_us(PROGRAM) {
        Ok(program) => program,
        Err(error) => return error.into(),
    };
    let mut arguments = arguments.into_iter();
    let mut command = Command::new(&program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let error = command.args(arguments).exec();
    CliError::Other(format!(
        "cannot execute `{}`: {error}; it does every command but `exec`, and is installed beside `stockade`",
        program.display()
    ))
}

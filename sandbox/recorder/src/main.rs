//! Watches a program inside a recording sandbox and tells what it needs.
//!
//! It runs as the first program of the sandbox, as confined as what it watches but for one right: ptrace(2). It runs
//! itself once more, which gives up that right and becomes the program; from then on every system call of the program
//! and of all that it starts stops twice, on its way in and out, and is written down ([`book::Book`]). What is written
//! down goes to standard error as it comes, in frames ([`stockade_plan::Told`]), the program's own error output among
//! it, through a pipe that the program has no way to.
#![forbid(unsafe_code)]

mod book;
mod calls;
mod channel;
mod leave;
mod program;
mod tracee;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

/// What it does with its arguments: `record PROGRAM ARGUMENTS…`, and for itself `become PROGRAM ARGUMENTS…`.
fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let own = arguments.next().unwrap_or_default();
    let mode = arguments.next();
    let command: Vec<OsString> = arguments.collect();
    match mode.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some(program::RECORD) => watch::record(&own, &command),
        Some(program::BECOME) => program::become_program(&command),
        _ => ExitCode::from(2),
    }
}

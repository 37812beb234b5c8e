//! The program `stockade`: runs `stockade exec` itself and hands every other command to `stockade-full` beside it.
//!
//! A sandbox that is started from nothing takes a few milliseconds, and a program that knows a database, three clouds and
//! TLS takes two to be loaded and relocated. So what people call for one job knows that one job alone.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade::cli::front(std::env::args_os())
}

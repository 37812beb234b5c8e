//! The program `stockade-full`: every command. People call `stockade`, which hands on to it what it does not do itself.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade::cli::main(std::env::args_os())
}

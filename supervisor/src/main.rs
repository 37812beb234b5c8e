//! The program `stockade`; everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    stockade::cli::main(std::env::args_os())
}

//! `stockade-launcher`: the small privileged process that turns a plan into a running sandbox.
//!
//! Resident and single-threaded: a fork from a small single-threaded process is cheap and safe. It reads
//! bounded binary plans from one socket, never text, and opens no network and no database. Started by the
//! supervisor, never by hand; `docs/architecture.md` tells how the two work together.

mod abi;
mod account;
mod credentials;
mod frames;
mod init;
mod job;
mod jobs;
mod options;
mod orders;
mod request;
mod serve;
mod spare;
mod spawn;
mod startup;
mod steps;
mod sys;
mod uids;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = options::Options::from_args(std::env::args_os().skip(1))
        .and_then(|options| startup::prepare(&options))
        .and_then(serve::serve);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "the launcher has no other place to say why it cannot start")]
fn complain(error: &startup::StartError) {
    eprintln!("stockade-launcher: {error}");
}

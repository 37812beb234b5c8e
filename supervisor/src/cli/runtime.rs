//! The async runtime. Nothing before it has started a thread, so root is gone by then in all of them.

use std::future::Future;

use super::CliError;

/// Runs `work` on one thread: for commands that ask the database a question.
pub(super) fn single<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    run(&mut tokio::runtime::Builder::new_current_thread(), work)
}

/// Runs `work` on a thread for each core: for workers.
pub(super) fn threaded<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    run(&mut tokio::runtime::Builder::new_multi_thread(), work)
}

fn run<T>(
    builder: &mut tokio::runtime::Builder,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let runtime = builder.enable_all().build().map_err(CliError::Runtime)?;
    let done = runtime.block_on(work);
    // A thread may still wait for standard input; the process ends without it.
    runtime.shutdown_background();
    done
}

//! What an earlier supervisor, killed before it could stop its server, left behind.
//!
//! A pid file alone proves nothing: the number may be another process's by now. Postgres itself takes any process of
//! our user with that number for a server and refuses to start. So we look closer: the server's working directory is
//! its data directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::PostgresError;

/// How a server is asked to go, from the polite to the rude, and how long it is given each time.
const REQUESTS: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(10)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];
const POLL: Duration = Duration::from_millis(10);

/// Stops a server that still runs on `data`, and removes a pid file that is nobody's.
pub(super) fn clear(data: &Path) -> Result<(), PostgresError> {
    let file = data.join("postmaster.pid");
    let Some(pid) = read_pid(&file)? else { return Ok(()) };
    if serves(pid, data) {
        tracing::warn!(pid, "stopping the server that an earlier supervisor left running");
        return end(pid, data);
    }
    match fs::remove_file(&file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(PostgresError::io("remove the stale", &file)(e)),
        _ => Ok(()),
    }
}

fn read_pid(file: &Path) -> Result<Option<i32>, PostgresError> {
    match fs::read_to_string(file) {
        // An unreadable number is nobody's: 0 never matches a process below.
        Ok(text) => Ok(Some(text.lines().next().and_then(|line| line.trim().parse().ok()).unwrap_or(0))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(PostgresError::io("read", file)(e)),
    }
}

/// Whether process `pid` is a server that runs on `data`.
fn serves(pid: i32, data: &Path) -> bool {
    pid > 1 && fs::read_link(PathBuf::from(format!("/proc/{pid}/cwd"))).is_ok_and(|cwd| cwd == data)
}

fn end(pid: i32, data: &Path) -> Result<(), PostgresError> {
    for (signal, patience) in REQUESTS {
        // It may be gone already, which is what we want.
        let _ = kill(Pid::from_raw(pid), signal);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !serves(pid, data) {
                return Ok(());
            }
            thread::sleep(POLL);
        }
    }
    Err(PostgresError::LeftoverStays(pid))
}

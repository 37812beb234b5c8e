//! The embedded Postgres of a running server, asked through psql as the account that owns it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::rig::ACCOUNT;

/// Where the database listens.
#[derive(Debug, Clone)]
pub struct Database {
    socket: PathBuf,
}

impl Database {
    /// That of a state directory.
    pub fn of(state_dir: &Path) -> Self {
        Self { socket: state_dir.join("postgres/socket") }
    }

    /// How a worker is told of it.
    pub fn url(&self) -> String {
        format!("postgres://{ACCOUNT}@localhost/postgres?host={}", self.socket.display())
    }

    /// Runs statements and answers with what the last of them print, or with what psql says is wrong.
    ///
    /// # Errors
    /// Whatever psql complains of; also that there is no server.
    pub fn try_sql(&self, statements: &str) -> Result<String, String> {
        let mut psql = Command::new("setpriv")
            .args(["--reuid", ACCOUNT, "--regid", ACCOUNT, "--clear-groups", "--"])
            .arg(psql())
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", ACCOUNT, "-d", "postgres"])
            .args(["-f", "-", "-h"])
            .arg(&self.socket)
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv runs");
        // Dropped at the end of the statement, which psql sees as the end of its input.
        let written = psql.stdin.take().expect("a pipe").write_all(statements.as_bytes());
        let output = psql.wait_with_output().expect("psql ends");
        match output.status.success() {
            true => {
                written.expect("psql reads what it is given");
                Ok(String::from_utf8(output.stdout).expect("text").trim_end_matches('\n').to_owned())
            }
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Runs statements that must succeed.
    pub fn sql(&self, statements: &str) -> String {
        self.try_sql(statements).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The rows of a query, each an object.
    pub fn rows(&self, query: &str) -> Vec<Value> {
        let answer = self.sql(&format!("SELECT coalesce(json_agg(q), '[]') FROM ({query}) q"));
        serde_json::from_str(&answer).expect("JSON")
    }
}

/// The newest client that is installed: Debian's `psql` is a wrapper that takes longer than most questions.
fn psql() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = installed
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .max_by_key(|(version, _)| *version);
    newest.map_or_else(|| "psql".into(), |(_, path)| path.join("bin/psql"))
}

/// A text as a literal of SQL, whatever is in it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

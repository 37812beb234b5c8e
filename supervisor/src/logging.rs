//! The log: what happens, for whoever runs a supervisor; on standard error.
//!
//! The log is not the record. It may be lost, and no decision hangs on it.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::text::visible;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line of text each.
    Human,
    /// One JSON object each.
    Json,
}

/// From which level on things are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What needs somebody's attention.
    Error,
    /// What may need it.
    Warn,
    /// What happens.
    Info,
    /// Why it happens.
    Debug,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

/// Starts logging. Starts no thread, so it can be done before root is given up. A second call changes nothing.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = LevelFilter::from(level);
    // Every statement, and every notice of the server, is more than anybody wants to know of the database.
    let which = Targets::new()
        .with_default(level)
        .with_target("sqlx", level.min(LevelFilter::WARN))
        // That root's `.pgpass` cannot be read without root.
        .with_target("sqlx_postgres::options", level.min(LevelFilter::ERROR));
    let lines = tracing_subscriber::fmt::layer().with_writer(Neutral).with_ansi(false).with_target(false);
    let registry = tracing_subscriber::registry().with(which);
    // An error here says that logging has been started before, as in tests.
    let _ = match format {
        LogFormat::Human => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
}

/// Standard error, with every event on one line of visible characters.
#[derive(Debug, Clone, Copy)]
struct Neutral;

impl<'a> MakeWriter<'a> for Neutral {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Neutral {
    /// The formatter hands over one whole event at a time.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(one_line(event).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn one_line(event: &[u8]) -> String {
    let text = String::from_utf8_lossy(event);
    let mut line = visible(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_forge_a_line_of_the_log() {
        assert_eq!(
            one_line(b"INFO job=\"a\nERROR all is lost\x1b[0m\"\n"),
            "INFO job=\"a\\u000aERROR all is lost\\u001b[0m\"\n"
        );
    }

    #[test]
    fn an_ordinary_event_is_left_alone() {
        assert_eq!(one_line(b"INFO worker started concurrency=4\n"), "INFO worker started concurrency=4\n");
    }
}

//! The command line, which only the supervisor writes.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

use stockade_plan::Stage;

use crate::startup::StartError;

/// What the supervisor told this launcher.
#[derive(Debug)]
pub(crate) struct Options {
    /// The inherited socket on which requests come.
    pub(crate) socket: RawFd,
    /// A directory of root's own for locks and mount points.
    pub(crate) runtime_dir: PathBuf,
    /// Makes one stage of every set-up fail. It can only refuse, so it is safe to have.
    pub(crate) fail_at: Option<Stage>,
}

impl Options {
    pub(crate) fn from_args(args: impl Iterator<Item = OsString>) -> Result<Self, StartError> {
        let mut options = Self { socket: -1, runtime_dir: PathBuf::new(), fail_at: None };
        let args: Vec<OsString> = args.collect();
        for pair in args.chunks(2) {
            let [name, value] = pair else { return Err(StartError::Usage) };
            match (name.to_str(), value.to_str()) {
                (Some("--socket"), Some(value)) => {
                    options.socket = value.parse().map_err(|_| StartError::Usage)?;
                }
                (Some("--runtime-dir"), _) => options.runtime_dir = value.into(),
                (Some("--fail-at"), Some(value)) => {
                    options.fail_at = Some(Stage::from_name(value).ok_or(StartError::Usage)?);
                }
                _ => return Err(StartError::Usage),
            }
        }
        if options.socket < 0 || !options.runtime_dir.is_absolute() {
            return Err(StartError::Usage);
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, StartError> {
        Options::from_args(args.iter().map(OsString::from))
    }

    #[test]
    fn the_supervisors_command_line_is_understood() {
        let options = parse(&["--socket", "3", "--runtime-dir", "/run/x", "--fail-at", "landlock"]).unwrap();
        assert_eq!(options.socket, 3);
        assert_eq!(options.fail_at, Some(Stage::Landlock));
    }

    #[test]
    fn anything_else_is_refused() {
        for args in [
            &[][..],
            &["--socket"],
            &["--socket", "3"],
            &["--socket", "x", "--runtime-dir", "/run"],
            &["--socket", "3", "--runtime-dir", "run"],
            &["--socket", "3", "--runtime-dir", "/run", "--fail-at", "lunch"],
            &["--socket", "3", "--runtime-dir", "/run", "--shell", "sh"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}

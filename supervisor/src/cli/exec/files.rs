//! Files that go into a job and come out of it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::libc::{O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchown};
use stockade_plan::FileName;
use stockade_sandbox::User;

use crate::cli::CliError;
use crate::start::is_root;
use crate::store::Output;

/// No more is read of one input file, bytes. What a policy allows is less or more; this is what a process may hold.
const INPUT_MAX: u64 = 1 << 30;

/// Input files, opened with the rights of whoever called.
#[derive(Debug)]
pub(in crate::cli) struct Inputs(Vec<(FileName, PathBuf, File)>);

/// An input file.
#[derive(Debug)]
pub(in crate::cli) struct Input {
    /// Its name in `/job`.
    pub(in crate::cli) name: FileName,
    /// What is in it.
    pub(in crate::cli) bytes: Vec<u8>,
}

impl Inputs {
    pub(in crate::cli) fn open(paths: &[PathBuf]) -> Result<Self, CliError> {
        let open = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let name = FileName::new(name).map_err(|reason| {
                failed("use", path, format!("its name {reason}, and the job could not be given it"))
            })?;
            let file = File::open(path).map_err(|error| failed("open", path, error))?;
            Ok((name, path.clone(), file))
        };
        paths.iter().map(open).collect::<Result<_, CliError>>().map(Self)
    }

    pub(in crate::cli) fn read(self) -> Result<Vec<Input>, CliError> {
        let read = |(name, path, file): (FileName, PathBuf, File)| {
            let mut bytes = Vec::new();
            let length = file
                .take(INPUT_MAX + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| failed("read", &path, error))?;
            if u64::try_from(length).unwrap_or(u64::MAX) > INPUT_MAX {
                return Err(failed("read", &path, format!("it has more than {INPUT_MAX} bytes")));
            }
            Ok(Input { name, bytes })
        };
        self.0.into_iter().map(read).collect()
    }
}

fn failed(what: &str, path: &Path, why: impl std::fmt::Display) -> CliError {
    CliError::Other(format!("cannot {what} the file `{}`: {why}", path.display()))
}

/// Where outputs are put: a directory that was opened, or made, with the rights of whoever called.
#[derive(Debug)]
pub(super) struct OutputDirectory(OwnedFd);

impl OutputDirectory {
    /// Opens the directory, and makes it if it is missing. As root, one that it makes is given to `user`, who is to write
    /// into it.
    pub(super) fn open(path: &Path, user: &str) -> Result<Self, CliError> {
        let unusable = |error: io::Error| failed("use", path, error);
        let made = match DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(failed("make", path, error)),
        };
        let directory = OpenOptions::new()
            .read(true)
            // One that we made is no symbolic link, and will be given away.
            .custom_flags(O_DIRECTORY | O_CLOEXEC | if made { O_NOFOLLOW } else { 0 })
            .open(path)
            .map_err(unusable)?;
        if made && is_root() {
            let user = User::lookup(user).map_err(crate::start::StartError::from)?;
            fchown(directory.as_fd(), Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
                .map_err(|error| failed("give away", path, error))?;
        }
        Ok(Self(directory.into()))
    }

    /// Writes one output that was collected. What has the same name is replaced; a symbolic link is not followed.
    pub(super) fn write(&self, output: &Output) -> Result<(), CliError> {
        let Some(bytes) = &output.bytes else { return Ok(()) };
        let path = PathBuf::from(String::from_utf8_lossy(&output.path).into_owned());
        self.write_file(&path, bytes).map_err(|error| {
            let help = "the directory must be one that the user of `--user` may write to";
            failed("write", &path, format!("{error}; {help}"))
        })
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut at: Option<OwnedFd> = None;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidFilename.into());
        };
        for component in parent {
            let here = at.as_ref().unwrap_or(&self.0);
            match mkdirat(here.as_fd(), component, Mode::from_bits_truncate(0o755)) {
                Err(error) if error != nix::errno::Errno::EEXIST => return Err(error.into()),
                _ => {}
            }
            let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            at = Some(openat(here.as_fd(), component, flags, Mode::empty())?);
        }
        let here = at.as_ref().unwrap_or(&self.0);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(here.as_fd(), name, flags, Mode::from_bits_truncate(0o644))?;
        File::from(file).write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(path: &str, bytes: &[u8]) -> Output {
        Output { path: path.into(), state: "file".to_owned(), size: 0, bytes: Some(bytes.to_vec()) }
    }

    #[test]
    fn inputs_keep_their_names_and_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data.bin");
        std::fs::write(&path, b"\0\xff").unwrap();
        let inputs = Inputs::open(&[path]).unwrap().read().unwrap();
        assert_eq!(
            (inputs[0].name.to_string().as_str(), inputs[0].bytes.as_slice()),
            ("data.bin", &b"\0\xff"[..])
        );
    }

    #[test]
    fn an_input_that_is_not_there_is_named() {
        let error = Inputs::open(&[PathBuf::from("/no/such/file")]).unwrap_err().to_string();
        assert!(error.contains("`/no/such/file`"), "{error}");
    }

    #[test]
    fn outputs_lie_where_they_were_declared() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("results");
        let directory = OutputDirectory::open(&path, "nobody").unwrap();
        directory.write(&output("result.json", b"{}")).unwrap();
        directory.write(&output("deep/er/file", b"x")).unwrap();
        directory.write(&output("deep/er/file", b"y")).unwrap();
        assert_eq!(std::fs::read(path.join("result.json")).unwrap(), b"{}");
        assert_eq!(std::fs::read(path.join("deep/er/file")).unwrap(), b"y");
    }

    #[test]
    fn a_symbolic_link_at_an_outputs_name_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let victim = parent.path().join("victim");
        std::fs::write(&victim, b"kept").unwrap();
        let path = parent.path().join("results");
        let directory = OutputDirectory::open(&path, "nobody").unwrap();
        std::os::unix::fs::symlink(&victim, path.join("result.json")).unwrap();
        std::os::unix::fs::symlink(parent.path(), path.join("deep")).unwrap();
        assert!(directory.write(&output("result.json", b"{}")).is_err());
        assert!(directory.write(&output("deep/victim", b"{}")).is_err());
        assert_eq!(std::fs::read(&victim).unwrap(), b"kept");
    }
}

//! The state directory: the supervisor's user's own, and nobody else's.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc::{O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW};
use nix::unistd::{Gid, Uid, fchown};
use stockade_sandbox::User;

use super::StartError;

/// Makes the directory if it is missing and gives it to `user`; as root. An existing one must be the user's already, or
/// root's and empty: root does not give away what may be somebody else's.
pub(super) fn prepare(path: &Path, user: &User) -> Result<(), StartError> {
    make(path, user).map_err(|reason| StartError::StateDir { path: path.to_owned(), reason })
}

fn make(path: &Path, user: &User) -> Result<(), String> {
    if !path.is_absolute() {
        return Err("its path must be absolute".to_owned());
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.to_string()),
        _ => {}
    }
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        .open(path)
        .map_err(|error| error.to_string())?;
    let facts = directory.metadata().map_err(|error| error.to_string())?;
    if facts.mode() & 0o022 != 0 {
        return Err(format!("others may write to it; `chmod go-w {}`", path.display()));
    }
    match facts.uid() {
        owner if owner == user.uid => Ok(()),
        0 if is_empty(&directory)? => give(&directory, user).map_err(|error| error.to_string()),
        0 => Err(format!(
            "it is root's and not empty; `chown -R {} {}` if it is Stockade's",
            user.name,
            path.display()
        )),
        owner => Err(format!("it belongs to uid {owner}, not to `{}`", user.name)),
    }
}

/// By its descriptor: its path may lead elsewhere by now.
fn is_empty(directory: &File) -> Result<bool, String> {
    std::fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))
        .map(|mut entries| entries.next().is_none())
        .map_err(|error| error.to_string())
}

fn give(directory: &File, user: &User) -> io::Result<()> {
    fchown(directory.as_fd(), Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid)))
        .map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn us() -> User {
        User::current()
    }

    #[test]
    fn a_missing_directory_is_made_for_us_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        make(&path, &us()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        make(&path, &us()).unwrap();
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(make(directory.path(), &us()).unwrap_err().contains("others may write"));
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(parent.path(), &link).unwrap();
        assert!(make(&link, &us()).is_err());
    }

    #[test]
    fn what_belongs_to_another_is_not_taken() {
        let nobody = User { name: "nobody".to_owned(), uid: 65534, gid: 65534 };
        // `/` is root's and not empty, whoever runs this.
        assert!(make(Path::new("/"), &nobody).unwrap_err().contains("not empty"));
    }

    #[test]
    fn a_relative_path_is_refused() {
        assert!(make(Path::new("state"), &us()).unwrap_err().contains("absolute"));
    }
}

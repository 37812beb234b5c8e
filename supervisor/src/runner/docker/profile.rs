//! Seccomp profiles as files, for an engine that takes nothing else.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::geteuid;
use stockade_plan::Digest;
use uuid::Uuid;

/// Our own directory: whoever can write there says which system calls jobs may make.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS_MAY_WRITE: u32 = 0o022;

/// A directory of profiles, each under the name of its digest.
#[derive(Debug, Clone)]
pub struct Profiles(Arc<Path>);

impl Profiles {
    /// Those in `seccomp` beneath a state directory. It is made when the first is put there.
    pub fn beneath(state_dir: &Path) -> Self {
        Self(state_dir.join("seccomp").into())
    }

    /// Where `profile` lies. It is put there if it does not, or if what lies there is something else.
    ///
    /// # Errors
    /// If that cannot be done, or others could write there.
    pub(super) fn place(&self, profile: &str) -> io::Result<PathBuf> {
        self.prepare()?;
        let path = self.0.join(format!("{}.json", Digest::of(profile.as_bytes())));
        if !holds(&path, profile) {
            let new = self.0.join(format!(".{}", Uuid::new_v4().simple()));
            let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&new)?;
            file.write_all(profile.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
        }
        match holds(&path, profile) {
            true => Ok(path),
            false => Err(io::Error::other(format!("`{}` does not hold what was written", path.display()))),
        }
    }

    fn prepare(&self) -> io::Result<()> {
        match DirBuilder::new().mode(DIRECTORY_MODE).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _made_or_there => {}
        }
        let found = std::fs::symlink_metadata(&self.0)?;
        match found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & OTHERS_MAY_WRITE == 0 {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "`{}` is not a directory that only this worker can write to; remove it",
                self.0.display()
            ))),
        }
    }
}

/// What cannot be read is something else, and written anew.
fn holds(path: &Path, profile: &str) -> bool {
    let read = || {
        let mut found = Vec::new();
        let bound = u64::try_from(profile.len()).unwrap_or(u64::MAX).saturating_add(1);
        File::open(path)?.take(bound).read_to_end(&mut found)?;
        io::Result::Ok(found)
    };
    read().is_ok_and(|found| found == profile.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_profile_lies_under_its_digest_and_is_mended_if_it_was_changed() {
        let directory = tempfile::tempdir().unwrap();
        let profiles = Profiles::beneath(directory.path());
        let path = profiles.place("{}").unwrap();
        assert!(path.ends_with(format!("{}.json", Digest::of(b"{}"))), "{path:?}");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, FILE_MODE);
        std::fs::write(&path, "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}").unwrap();
        assert_eq!(profiles.place("{}").unwrap(), path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
        assert_ne!(profiles.place("{ }").unwrap(), path);
        assert_eq!(path.parent().unwrap().read_dir().unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let profiles = Profiles::beneath(directory.path());
        let path = profiles.place("{}").unwrap();
        std::fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(0o777)).unwrap();
        assert!(profiles.place("{}").unwrap_err().to_string().contains("only this worker"));
    }
}

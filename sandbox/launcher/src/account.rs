//! Looking at the host's files with no more right than whoever asks for it.
//!
//! The launcher is root and could reach every file. A supervisor that somebody has taken over must gain nothing by
//! that: the sources of a view are looked up with the supervisor's own ids, so what it cannot reach itself it cannot
//! have shown to a job either.

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use crate::steps::Fault;

/// Who sent a request, as the kernel says: `SCM_CREDENTIALS`, unix(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    uid: Uid,
    gid: Gid,
}

impl Account {
    pub(crate) const fn new(uid: u32, gid: u32) -> Self {
        Self { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) }
    }

    /// Runs `look` with this account's ids for everything about files. With them go the launcher's capabilities over
    /// files, until the ids are its own again: setfsuid(2), capabilities(7). It has no supplementary groups.
    pub(crate) fn look<T>(self, look: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let own = Self { uid: Uid::effective(), gid: Gid::effective() };
        let seen = self.take().and_then(|()| look());
        own.take()?;
        seen
    }

    /// setfsuid(2) tells no error, but which id was there before: asked again, it must be the new one.
    fn take(self) -> Result<(), Fault> {
        setfsgid(self.gid);
        setfsuid(self.uid);
        match (setfsgid(self.gid), setfsuid(self.uid)) {
            (gid, uid) if (gid, uid) == (self.gid, self.uid) => Ok(()),
            _ => Err(Fault::new("setfsuid", format!("account {}", self.uid), Errno::EPERM)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_ids_can_be_taken_and_whose_one_cannot_take_are_refused() {
        let own = Account::new(Uid::effective().as_raw(), Gid::effective().as_raw());
        assert!(matches!(own.look(|| Ok(7)), Ok(7)));
        if !Uid::effective().is_root() {
            assert!(Account::new(0, 0).look(|| Ok(())).is_err());
        }
    }

    #[test]
    fn another_account_does_not_reach_what_only_root_does() {
        if !Uid::effective().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(directory.path(), only_owner).unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let open = || Ok(std::fs::File::open(&file).is_ok());
        assert!(matches!(Account::new(0, 0).look(open), Ok(true)));
        assert!(matches!(Account::new(65534, 65534).look(open), Ok(false)));
        assert!(std::fs::File::open(&file).is_ok(), "root is itself again");
    }
}

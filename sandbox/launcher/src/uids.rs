//! Host ids: each live job has one that no other live job on the host has.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The first id of the range. systemd's table leaves everything from here on to others and no distribution
/// assigns from it: <https://systemd.io/UIDS-GIDS/>.
const FIRST: u32 = 0x7000_0000;
/// Ids per launcher: its slots are taken in turn, so an id rests long before it is used again and a late
/// line of the kernel's audit feed cannot be taken for the next job's.
const SLOTS: u32 = 1024;
/// How many launchers one host can have.
const BLOCKS: u32 = (0x7FFF_FFFF - FIRST) / SLOTS;

/// A launcher's block of host ids.
#[derive(Debug)]
pub(crate) struct HostIds {
    base: u32,
    next: u32,
    taken: Vec<bool>,
    /// Locked while this launcher or any init of its sandboxes is alive: inits inherit the descriptor.
    lock: File,
}

/// A host id that a live job has; given back with [`HostIds::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostId(u32);

impl HostId {
    pub(crate) fn raw(self) -> u32 {
        self.0
    }
}

impl HostIds {
    /// Takes the first block that no other launcher holds.
    pub(crate) fn reserve(directory: &Path) -> std::io::Result<Self> {
        for block in 0..BLOCKS {
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .custom_flags(nix::libc::O_NOFOLLOW)
                .open(directory.join(format!("uids-{block}.lock")))?;
            match lock.try_lock() {
                Ok(()) => {
                    let base = FIRST + block * SLOTS;
                    return Ok(Self { base, next: 0, taken: vec![false; SLOTS as usize], lock });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(std::io::Error::other("every block of host ids is held by another launcher"))
    }

    pub(crate) fn base(&self) -> u32 {
        self.base
    }

    pub(crate) fn slots(&self) -> u32 {
        SLOTS
    }

    pub(crate) fn lock(&self) -> &File {
        &self.lock
    }

    /// An id that no live job has, the one that has rested longest; `None` when all are in use.
    pub(crate) fn take(&mut self) -> Option<HostId> {
        for step in 0..SLOTS {
            let slot = (self.next + step) % SLOTS;
            if let Some(taken) = self.taken.get_mut(slot as usize).filter(|taken| !**taken) {
                *taken = true;
                self.next = (slot + 1) % SLOTS;
                return Some(HostId(self.base + slot));
            }
        }
        None
    }

    /// Gives an id back after the last process that had it has been reaped.
    pub(crate) fn release(&mut self, id: HostId) {
        if let Some(taken) = self.taken.get_mut((id.0 - self.base) as usize) {
            *taken = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_jobs_never_share_an_id_and_freed_ids_rest() {
        let directory = tempfile::tempdir().unwrap();
        let mut ids = HostIds::reserve(directory.path()).unwrap();
        let first = ids.take().unwrap();
        ids.release(first);
        let second = ids.take().unwrap();
        assert_ne!(first, second);
        let mut all: Vec<_> = std::iter::from_fn(|| ids.take()).map(HostId::raw).collect();
        all.push(second.raw());
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), SLOTS as usize);
        assert_eq!(ids.take(), None);
        ids.release(first);
        assert_eq!(ids.take(), Some(first));
    }

    #[test]
    fn two_launchers_have_different_blocks() {
        let directory = tempfile::tempdir().unwrap();
        let one = HostIds::reserve(directory.path()).unwrap();
        let two = HostIds::reserve(directory.path()).unwrap();
        assert_ne!(one.base(), two.base());
        drop(one);
        assert_eq!(HostIds::reserve(directory.path()).unwrap().base(), FIRST);
    }
}

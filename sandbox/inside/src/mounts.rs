//! The mounts that confine a job.

use nix::sys::statvfs::{FsFlags, statvfs};
use stockade_plan::Mounted;

use crate::Unread;

const MOUNTS: [&str; 5] = ["/", "/job", "/tmp", "/dev/shm", "/proc"];

/// The root, `/job`, `/tmp`, `/dev/shm` and `/proc`, as statvfs(3) shows them.
///
/// # Errors
/// [`Unread`] with the path of the first that cannot be looked at.
pub fn mounts() -> Result<Vec<Mounted>, Unread> {
    MOUNTS.into_iter().map(|path| mount_at(path).map_err(|errno| Unread { what: path, errno })).collect()
}

/// What is mounted at `path`, as statvfs(3) shows it.
///
/// # Errors
/// What the kernel answered, if it cannot be looked at.
pub fn mount_at(path: &str) -> nix::Result<Mounted> {
    let found = statvfs(path)?;
    let flags = found.flags();
    Ok(Mounted {
        path: path.to_owned(),
        read_only: flags.contains(FsFlags::ST_RDONLY),
        nosuid: flags.contains(FsFlags::ST_NOSUID),
        nodev: flags.contains(FsFlags::ST_NODEV),
        noexec: flags.contains(FsFlags::ST_NOEXEC),
        size_bytes: found.blocks().saturating_mul(found.fragment_size()),
        inodes: found.files(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_as_the_kernel_shows_it() {
        let proc = mount_at("/proc").unwrap();
        assert_eq!((proc.path.as_str(), proc.size_bytes), ("/proc", 0));
        let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let line = table.lines().find(|line| line.split(' ').nth(1) == Some("/proc")).unwrap();
        let options: Vec<&str> = line.split(' ').nth(3).unwrap().split(',').collect();
        for (held, option) in [(proc.nosuid, "nosuid"), (proc.nodev, "nodev"), (proc.noexec, "noexec")] {
            assert_eq!(held, options.contains(&option), "{option} in {line}");
        }
        assert_eq!(mount_at("/no/such/mount"), Err(nix::errno::Errno::ENOENT));
    }
}

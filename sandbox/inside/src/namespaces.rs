//! The namespaces of a process.

use nix::fcntl::{AtFlags, OFlag, open};
use nix::sys::stat::{Mode, fstatat};
use stockade_plan::Namespaces;

use crate::Unread;

const PATH: &str = "/proc/self/ns";

/// The namespaces of the calling process: inode numbers, namespaces(7).
///
/// # Errors
/// [`Unread`] with the name of the first that cannot be looked at.
pub fn namespaces() -> Result<Namespaces, Unread> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = open(PATH, flags, Mode::empty()).map_err(|errno| Unread { what: PATH, errno })?;
    let inode = |name: &'static str| {
        let found = fstatat(&directory, name, AtFlags::empty());
        found.map(|found| found.st_ino).map_err(|errno| Unread { what: name, errno })
    };
    Ok(Namespaces {
        user: inode("user")?,
        mnt: inode("mnt")?,
        pid: inode("pid")?,
        net: inode("net")?,
        ipc: inode("ipc")?,
        uts: inode("uts")?,
        cgroup: inode("cgroup")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_has_the_number_that_its_link_tells() {
        for (name, inode) in namespaces().unwrap().named() {
            let link = std::fs::read_link(format!("{PATH}/{name}")).unwrap();
            assert_eq!(link.to_str(), Some(format!("{name}:[{inode}]").as_str()));
        }
    }
}

//! Who is left on the host: every process, by its user.

use std::collections::BTreeSet;
use std::fs;
use std::io;

/// The processes of the host at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Processes(Vec<(u32, u32)>);

impl Processes {
    /// All that /proc shows. `/proc/PID/status` tells the user even of a process that is not to be looked into; proc(5).
    pub(super) fn now() -> io::Result<Self> {
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // One that has ended since has no status any more.
            if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status"))
                && let Some(uid) = uid(&status)
            {
                processes.push((pid, uid));
            }
        }
        Ok(Self(processes))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The processes of a user.
    pub(super) fn of(&self, user: u32) -> Vec<u32> {
        self.0.iter().filter(|(_, uid)| *uid == user).map(|(pid, _)| *pid).collect()
    }

    /// Everybody who has processes.
    pub(super) fn users(&self) -> BTreeSet<u32> {
        self.0.iter().map(|(_, uid)| *uid).collect()
    }
}

/// The real user id: `Uid:` and four numbers, of which it is the first.
fn uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_found_by_its_user() {
        let us = nix::unistd::getuid().as_raw();
        let processes = Processes::now().unwrap();
        assert!(processes.of(us).contains(&std::process::id()));
        assert!(processes.users().contains(&us));
        assert!(processes.of(0x7fff_fff0).is_empty());
    }

    #[test]
    fn the_user_is_read_from_the_status() {
        assert_eq!(uid("Name:\tsh\nUid:\t1879048192\t0\t0\t0\nGid:\t0\n"), Some(1_879_048_192));
        assert_eq!(uid("Name:\tsh\n"), None);
    }
}

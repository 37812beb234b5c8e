//! What the program leaves: nothing that runs, and files.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};
use stockade_plan::{PathBytes, Told};

use crate::channel::Channel;

/// More files than this are not named, nor those that lie deeper.
const FILES_MAX: usize = 64;
const DEPTH_MAX: u32 = 8;
/// Entries of directories that are looked at.
const ENTRIES_MAX: usize = 10_000;
/// `__WALL`, wait(2): children of any kind.
pub(crate) const WALL: WaitOptions = WaitOptions::from_bits_retain(0x4000_0000);

/// Kills every process of the sandbox but its init and this one, and waits for their end: what they wrote is all there
/// will be. A kill reaches all at once, so that nothing can be forked past it; kill(2).
pub(crate) fn end_all() {
    for _ in 0..10_000 {
        if kill(Pid::from_raw(-1), Signal::SIGKILL) == Err(Errno::ESRCH) {
            return;
        }
        // What is not our own child is reaped by init.
        if wait(WALL).is_err() {
            sleep(Duration::from_millis(1));
        }
    }
}

/// Tells of each regular file beneath `directory`.
pub(crate) fn tell_files(channel: &Channel, directory: &Path) {
    let mut walk = Walk { top: directory, found: Vec::new(), entries: 0 };
    walk.enter(directory, 0);
    walk.found.sort();
    for (path, size) in walk.found {
        if let Ok(path) = PathBytes::try_from(path) {
            channel.send(&Told::Left(path, size));
        }
    }
}

struct Walk<'a> {
    top: &'a Path,
    found: Vec<(Vec<u8>, u64)>,
    entries: usize,
}

impl Walk<'_> {
    fn enter(&mut self, directory: &Path, depth: u32) {
        let Ok(listed) = fs::read_dir(directory) else { return };
        for entry in listed.flatten() {
            self.entries += 1;
            if self.found.len() >= FILES_MAX || self.entries > ENTRIES_MAX {
                return;
            }
            let path = entry.path();
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() && depth < DEPTH_MAX {
                self.enter(&path, depth + 1);
            } else if metadata.is_file() && metadata.nlink() == 1 {
                let beneath = path.strip_prefix(self.top).unwrap_or(&path);
                self.found.push((beneath.as_os_str().as_bytes().to_vec(), metadata.len()));
            }
        }
    }
}

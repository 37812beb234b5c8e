//! Whether a program that is about to be executed may be.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2, readlinkat};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use stockade_plan::{AbsPath, Access, Landlock, Wall};

/// Where nothing is executed, whoever asks: mounts of each sandbox's own.
const NOEXEC: [&str; 4] = ["/job", "/tmp", "/dev/shm", "/proc"];

/// What a job may execute.
#[derive(Debug)]
pub(super) struct Programs(Vec<AbsPath>);

/// A path as a call names it.
pub(super) struct Asked<'a> {
    pub(super) process: Pid,
    /// What a relative path is relative to: a descriptor of the process, or its working directory.
    pub(super) from: Option<i32>,
    pub(super) path: &'a [u8],
}

/// A program that will not be executed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) path: Vec<u8>,
    pub(super) by: Wall,
}

impl Programs {
    pub(super) fn of(landlock: &Landlock) -> Self {
        let granted = landlock.rules.iter().filter(|rule| rule.access == Access::Execute);
        Self(granted.map(|rule| rule.path.clone()).collect())
    }

    /// Why it will not be executed, if it will not. Followed like the kernel follows it, but for links of `/proc`, which
    /// lead elsewhere for everybody who follows them: of those the kernel's own audit tells.
    pub(super) fn refusal(&self, asked: &Asked<'_>) -> Option<Refused> {
        let anchor = asked.anchor()?;
        let resolve = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let found = match &anchor {
            Some(anchor) => openat2(anchor, asked.path(), resolve),
            None => openat2(AT_FDCWD, asked.path(), resolve),
        };
        match found {
            Ok(found) => self.refusal_of(&leads_to(&found)?),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {
                Some(Refused { path: asked.absolute(anchor.as_ref()), by: Wall::View })
            }
            Err(_) => None,
        }
    }

    fn refusal_of(&self, path: &[u8]) -> Option<Refused> {
        let beneath = |top: &str| {
            path.strip_prefix(top.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        if self.0.iter().any(|granted| beneath(granted.as_str())) {
            return None;
        }
        let by = if NOEXEC.into_iter().any(beneath) { Wall::Mount } else { Wall::Landlock };
        Some(Refused { path: path.to_vec(), by })
    }
}

impl Asked<'_> {
    fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path))
    }

    /// The directory that the path starts from, if it is relative; nothing if it cannot be opened.
    fn anchor(&self) -> Option<Option<OwnedFd>> {
        if self.path.starts_with(b"/") {
            return Some(None);
        }
        let link = match self.from {
            None => format!("/proc/{}/cwd", self.process),
            Some(number) => format!("/proc/{}/fd/{number}", self.process),
        };
        open(link.as_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok().map(Some)
    }

    /// The path from the root on.
    fn absolute(&self, anchor: Option<&OwnedFd>) -> Vec<u8> {
        let mut path = anchor.and_then(leads_to).unwrap_or_default();
        if anchor.is_some() && !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(self.path);
        path
    }
}

/// The path of what a descriptor stands for, in init's root, which is the job's.
fn leads_to(found: &OwnedFd) -> Option<Vec<u8>> {
    let link = format!("/proc/self/fd/{}", found.as_raw_fd());
    readlinkat(AT_FDCWD, link.as_str()).ok().map(OsStringExt::into_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_not_granted_will_not_be_executed() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        let at = |name: &str| base.join(name).into_os_string().into_vec();
        for name in ["granted", "other"] {
            std::fs::write(base.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("granted", base.join("link")).unwrap();
        let programs = Programs(vec![AbsPath::new(base.join("granted").to_str().unwrap()).unwrap()]);
        let refusal =
            |name: &str| programs.refusal(&Asked { process: Pid::this(), from: None, path: &at(name) });
        assert_eq!(refusal("granted"), None);
        assert_eq!(refusal("link"), None);
        assert_eq!(refusal("missing"), Some(Refused { path: at("missing"), by: Wall::View }));
        assert_eq!(refusal("granted/x"), Some(Refused { path: at("granted/x"), by: Wall::View }));
        // The temporary directory is one of those where nothing is executed.
        assert!(refusal("other").is_some_and(|refused| refused.path == at("other")));
    }

    #[test]
    fn a_relative_path_starts_where_the_process_stands() {
        let programs = Programs(Vec::new());
        let own = std::env::current_dir().unwrap().join("no-such-program").into_os_string().into_vec();
        let asked = Asked { process: Pid::this(), from: None, path: b"no-such-program" };
        assert_eq!(programs.refusal(&asked), Some(Refused { path: own, by: Wall::View }));
        let itself = Asked { process: Pid::this(), from: None, path: b"/proc/self/exe" };
        assert_eq!(programs.refusal(&itself), None);
    }
}

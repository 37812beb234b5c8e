//! The read-only trees that become jobs' roots.
//!
//! Each distinct view is built once, in a mount namespace of its own that holds nothing but the view: the tree
//! is pivoted into and the host's root is detached. A sandbox's init enters that namespace and takes a copy of
//! it, so a job's mount namespace never contains a mount of the host's, and its cost does not grow with the
//! number of mounts the host has.

mod build;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, readlink};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, fstatat};
use stockade_plan::{Entry, View};

use crate::account::Account;
use crate::steps::{During, Fault};

/// How many views are kept; the one that was not used for the longest time goes first.
const KEPT: usize = 32;

/// A file in every root that permissions allow everybody to read and no rule ever grants: Landlock's refusal
/// to open it shows that the domain is in force.
pub(crate) const PROBE: &str = ".stockade-probe";

/// The views that are ready, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Views {
    kept: Vec<Built>,
}

#[derive(Debug)]
struct Built {
    view: View,
    namespace: OwnedFd,
    /// What each bind's source was: an upgraded program is another file, and its view is stale.
    sources: Vec<(u64, u64)>,
}

impl Views {
    /// The mount namespace of `view`, built now or kept from before, of what `asker` can reach.
    pub(crate) fn namespace_of(
        &mut self,
        view: &View,
        staging: &Path,
        asker: Account,
    ) -> Result<BorrowedFd<'_>, Fault> {
        let sources = sources(view, asker)?;
        let built = match self.kept.iter().position(|built| built.view == *view) {
            Some(index) => Some(self.kept.remove(index)).filter(|built| built.sources == sources),
            None => None,
        };
        let built = match built {
            Some(built) => built,
            None => Built { view: view.clone(), namespace: build_apart(view, staging, asker)?, sources },
        };
        if self.kept.len() >= KEPT {
            self.kept.remove(0);
        }
        self.kept.push(built);
        self.kept
            .last()
            .map(|built| built.namespace.as_fd())
            .ok_or_else(|| Fault::new("keep", "view", nix::errno::Errno::ENOMEM))
    }
}

fn sources(view: &View, asker: Account) -> Result<Vec<(u64, u64)>, Fault> {
    let binds = view.entries.iter().filter_map(|entry| match entry {
        Entry::Bind { source, .. } => Some(Path::new(source.as_str())),
        _ => None,
    });
    let mut sources = asker.look(|| binds.map(source).collect::<Result<Vec<_>, _>>())?;
    if view.entries.contains(&Entry::Recorder) {
        sources.push(source(&recorder()?)?);
    }
    Ok(sources)
}

fn source(path: &Path) -> Result<(u64, u64), Fault> {
    let found = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW);
    let found = found.during("stat", &path.display().to_string())?;
    Ok((found.st_dev, found.st_ino))
}

/// Where the recorder of this build lies: beside this program, whose own path has no link in it; proc_pid_exe(5).
fn recorder() -> Result<PathBuf, Fault> {
    let own = readlink("/proc/self/exe").during("readlink", "/proc/self/exe")?;
    Ok(Path::new(&own).with_file_name("stockade-recorder"))
}

/// Builds a view in a new mount namespace and comes back to the launcher's own.
fn build_apart(view: &View, staging: &Path, asker: Account) -> Result<OwnedFd, Fault> {
    let open_dir = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let namespaces = open("/proc/self/ns", open_dir, Mode::empty()).during("open", "/proc/self/ns")?;
    let own = current_namespace(namespaces.as_fd())?;
    unshare(CloneFlags::CLONE_NEWNS).during("unshare", "mount namespace")?;
    let built = build::build(view, staging, asker).and_then(|()| current_namespace(namespaces.as_fd()));
    // setns(2) also brings back the root and working directory of the launcher's namespace. If it failed the
    // launcher would be lost inside a view: every later request fails for lack of /proc, and none runs.
    setns(own, CloneFlags::CLONE_NEWNS).during("setns", "the launcher's mount namespace")?;
    built
}

fn current_namespace(namespaces: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    nix::fcntl::openat(namespaces, "mnt", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
        .during("open", "/proc/self/ns/mnt")
}

//! The read-only trees that become jobs' roots.
//!
//! Each distinct view is built once, in a mount namespace of its own that holds nothing but the view, over an empty
//! read-only root. A sandbox's init enters that namespace and takes a copy of it, so a job's mount namespace never contains
//! a mount of the host's, and its cost does not grow with the number of mounts the host has.

mod bare;
mod build;
mod source;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::fstatat;
use stockade_plan::{Entry, View};

use crate::account::Account;
use crate::steps::{During, Fault};
use bare::BareNamespace;

/// How many views are kept; the one that was not used for the longest time goes first.
const KEPT: usize = 32;

/// A file in every root that permissions allow everybody to read and no rule ever grants: Landlock's refusal
/// to open it shows that the domain is in force.
pub(crate) const PROBE: &str = ".stockade-probe";

/// The views that are ready, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Views {
    kept: Vec<Built>,
    bare: Option<BareNamespace>,
}

#[derive(Debug)]
struct Built {
    view: View,
    namespace: OwnedFd,
    /// What each bind's source was: an upgraded program is another file, and its view is stale.
    sources: Vec<(u64, u64)>,
}

impl Views {
    /// What views are built in, made now or kept from before; `staging` is an empty directory.
    pub(crate) fn bare(&mut self, staging: &Path) -> Result<&BareNamespace, Fault> {
        let bare = match self.bare.take() {
            Some(bare) => bare,
            None => BareNamespace::make(staging)?,
        };
        Ok(self.bare.insert(bare))
    }

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
            None => Built {
                view: view.clone(),
                namespace: build::build(view, self.bare(staging)?, asker)?,
                sources,
            },
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
    let mut sources = asker.look(|| binds.map(identity).collect::<Result<Vec<_>, _>>())?;
    if view.entries.contains(&Entry::Recorder) {
        sources.push(identity(&source::recorder()?)?);
    }
    Ok(sources)
}

fn identity(path: &Path) -> Result<(u64, u64), Fault> {
    let found = fstatat(AT_FDCWD, path, AtFlags::AT_SYMLINK_NOFOLLOW);
    let found = found.during("stat", &path.display().to_string())?;
    Ok((found.st_dev, found.st_ino))
}

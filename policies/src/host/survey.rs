//! One search for many programs, which share most of what is looked at: the directories on the way, the loader, the
//! libraries, the loader's configuration. Each is looked at once. A survey is thrown away after its search, so that the
//! next one sees the host as it is then.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use stockade_plan::AbsPath;

use super::HostError;
use super::elf::Elf;
use super::program::{self, Stamp};
use super::search::configured_dirs;
use super::walk::{Resolved, Root, Seen, resolve_once};

/// What one search has seen below a root.
#[derive(Debug)]
pub(crate) struct Survey<'r> {
    pub(super) root: &'r Root,
    seen: Seen,
    configured: OnceCell<Vec<String>>,
    /// By the path at which the loader would try each; `None` where there is none.
    libraries: RefCell<BTreeMap<String, Option<(Resolved, Elf)>>>,
    stamps: RefCell<BTreeMap<AbsPath, Stamp>>,
}

impl<'r> Survey<'r> {
    /// One that has seen nothing yet.
    pub(crate) fn of(root: &'r Root) -> Self {
        Self {
            root,
            seen: Seen::default(),
            configured: OnceCell::new(),
            libraries: RefCell::default(),
            stamps: RefCell::default(),
        }
    }

    pub(super) fn resolve(&self, path: &AbsPath) -> Result<Resolved, HostError> {
        resolve_once(self.root, path, &self.seen)
    }

    /// As [`configured_dirs`].
    pub(super) fn configured(&self) -> &[String] {
        self.configured.get_or_init(|| configured_dirs(self.root))
    }

    /// The library of that name in that directory, if it is one for this architecture.
    pub(super) fn library(&self, directory: &str, name: &str) -> Option<(Resolved, Elf)> {
        let path = if name.contains('/') { name.to_owned() } else { format!("{directory}/{name}") };
        if let Some(known) = self.libraries.borrow().get(&path) {
            return known.clone();
        }
        let found = program::candidate(self, &path);
        self.libraries.borrow_mut().insert(path, found.clone());
        found
    }

    /// What a file of the host's is like.
    pub(super) fn stamp(&self, file: AbsPath) -> Stamp {
        self.stamps.borrow_mut().entry(file).or_insert_with_key(Stamp::of).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::*;

    #[test]
    fn programs_that_are_looked_up_together_are_found_as_each_is_alone() {
        let names = ["/bin/sh", "/usr/bin/ls", "/usr/bin/sed", "/sbin/ldconfig"];
        let names = names.map(|name| AbsPath::new(name).unwrap());
        let together = Survey::of(&Root::Host);
        for name in &names {
            let alone = Survey::of(&Root::Host);
            assert_eq!(Program::find(&together, name).unwrap(), Program::find(&alone, name).unwrap());
        }
        let missing = AbsPath::new("/usr/bin/no-such-program").unwrap();
        assert!(Program::find(&together, &missing).is_err());
    }

    #[test]
    fn the_next_survey_sees_a_link_as_it_is_then() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let real = std::fs::canonicalize(directory.path()).unwrap();
        let link = AbsPath::new(real.join("link").to_str().unwrap()).unwrap();
        let first = Survey::of(&Root::Host);
        let point_at = |target: &str| {
            std::fs::remove_file(link.as_str()).ok();
            std::os::unix::fs::symlink(target, link.as_str()).unwrap();
        };
        point_at("/usr/bin/true");
        assert_eq!(first.resolve(&link).unwrap().file.as_str(), "/usr/bin/true");
        point_at("/usr/bin/false");
        assert_eq!(first.resolve(&link).unwrap().file.as_str(), "/usr/bin/true");
        assert_eq!(Survey::of(&Root::Host).resolve(&link).unwrap().file.as_str(), "/usr/bin/false");
    }
}

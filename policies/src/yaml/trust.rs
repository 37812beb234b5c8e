//! Who may have a say in what jobs may do.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::diagnostic::Diagnostic;

/// Whose files are taken: those of root, of the user that this process runs as, and of others it was told to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trust {
    /// User ids beside root's.
    owners: Vec<u32>,
    /// Nothing is put in force: texts are only compared.
    comparison: bool,
}

impl Default for Trust {
    fn default() -> Self {
        Self { owners: vec![rustix::process::geteuid().as_raw()], comparison: false }
    }
}

impl Trust {
    /// And this user's.
    pub(crate) fn and(mut self, uid: u32) -> Self {
        self.owners.push(uid);
        self
    }

    /// Nothing is put in force.
    pub(crate) fn for_comparison(self) -> Self {
        Self { comparison: true, ..self }
    }

    pub(crate) fn is_comparison(&self) -> bool {
        self.comparison
    }

    /// Reasons not to trust a file: others can write it, or it is somebody else's, who can make it writable.
    pub(super) fn doubts(&self, name: &str, metadata: &Metadata) -> Vec<Diagnostic> {
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        let writable = (mode & 0o022 != 0).then(|| {
            let message = format!("`{name}` can be written by others (mode {mode:04o})");
            let help = format!("it decides what jobs may do; run `chmod go-w {name}`");
            Diagnostic::about_file("writable-by-others", name, message).help(help)
        });
        let foreign = (owner != 0 && !self.owners.contains(&owner)).then(|| {
            let message = format!("`{name}` belongs to uid {owner}, who can write it");
            let help = format!("it decides what jobs may do; run `chown root {name}`");
            Diagnostic::about_file("foreign-owner", name, message).help(help)
        });
        writable.into_iter().chain(foreign).collect()
    }

    /// That nobody else can put a file into a directory, from which every file is taken.
    pub(crate) fn check_directory(&self, directory: &Path) -> Result<(), Diagnostic> {
        let name = directory.display().to_string();
        let metadata = std::fs::metadata(directory).map_err(|error| {
            Diagnostic::about_file("unreadable-file", &name, format!("cannot stat `{name}`: {error}"))
        })?;
        match self.doubts(&name, &metadata).into_iter().next().filter(|_| !self.comparison) {
            Some(doubt) => Err(doubt),
            None => Ok(()),
        }
    }
}

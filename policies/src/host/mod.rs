//! What this host has: commands with their interpreters, loaders and libraries, found as the kernel and the
//! dynamic loader would find them.

mod elf;
mod image;
mod opened;
mod program;
mod script;
mod search;
mod survey;
mod walk;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stockade_plan::{AbsPath, NameError};

pub(crate) use image::Image;
pub(crate) use program::Program;
pub(crate) use survey::Survey;
pub(crate) use walk::{Link, Resolved, Root};

use program::Stamp;

/// Why a path of this host cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing is there.
    #[error("`{path}` does not exist on this host")]
    Missing {
        /// What was looked for.
        path: AbsPath,
    },
    /// It could not be read.
    #[error("cannot read `{path}`: {reason}")]
    Io {
        /// What was read.
        path: AbsPath,
        /// What the kernel said.
        reason: String,
    },
    /// Its real name cannot stand in a plan.
    #[error("`{path}` {reason}")]
    Name {
        /// The name, as far as it can be shown.
        path: String,
        /// What is wrong with it.
        reason: NameError,
    },
    /// It is not what it should be.
    #[error("`{path}` {what}")]
    Malformed {
        /// Which file.
        path: AbsPath,
        /// What it is or lacks.
        what: String,
    },
    /// A library that a program needs is nowhere.
    #[error("`{needed_by}` needs the library `{name}`, which is in none of the loader's directories")]
    LibraryMissing {
        /// The library.
        name: String,
        /// What needs it.
        needed_by: AbsPath,
    },
}

impl HostError {
    fn io(path: &AbsPath, error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                Self::Missing { path: path.clone() }
            }
            _ => Self::Io { path: path.clone(), reason: error.to_string() },
        }
    }

    fn malformed(path: &AbsPath, what: &str) -> Self {
        Self::Malformed { path: path.clone(), what: what.to_owned() }
    }
}

/// This host. Commands are looked up once and kept until one of their files changes.
#[derive(Debug, Default)]
pub struct Host {
    programs: Mutex<BTreeMap<(Root, AbsPath), Known>>,
    /// Layers of a job's confinement that it does not have, and why.
    lacking: BTreeMap<String, String>,
}

/// A command, and what its files were like when it was looked up.
#[derive(Debug)]
struct Known {
    program: Arc<Program>,
    stamps: Vec<Stamp>,
}

/// What it takes to run a program; every path resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramFiles {
    /// The program.
    pub program: AbsPath,
    /// Its loader, if it is dynamically linked.
    pub loader: Option<AbsPath>,
    /// Its libraries.
    pub libraries: Vec<AbsPath>,
}

impl Host {
    /// A host about which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// This host, which lacks a layer of a job's confinement (by its name in an attempt's enforcement): no policy
    /// that requires it compiles here. `why` names the missing mechanism.
    #[must_use]
    pub fn without(mut self, layer: impl Into<String>, why: impl Into<String>) -> Self {
        self.lacking.insert(layer.into(), why.into());
        self
    }

    /// Why a layer is missing here, if it is.
    pub(crate) fn lacks(&self, layer: &str) -> Option<&str> {
        self.lacking.get(layer).map(String::as_str)
    }

    /// The command of that name.
    pub(crate) fn program(&self, root: &Root, name: &AbsPath) -> Result<Arc<Program>, HostError> {
        self.surveyed(&Survey::of(root), name)
    }

    /// The command of that name, looked up in the course of a `survey`.
    pub(crate) fn surveyed(&self, survey: &Survey<'_>, name: &AbsPath) -> Result<Arc<Program>, HostError> {
        let root = survey.root;
        let key = (root.clone(), name.clone());
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let program = Arc::new(Program::find(survey, name)?);
        let files = program.executed.iter().chain(&program.libraries).chain([name]);
        let stamps = files.map(|file| root.on_host(file).map(|file| survey.stamp(file)));
        let stamps = stamps.collect::<Result<_, _>>()?;
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        programs.insert(key, Known { program: Arc::clone(&program), stamps });
        Ok(program)
    }

    fn known(&self, key: &(Root, AbsPath)) -> Option<Arc<Program>> {
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = programs.get(key)?;
        known.stamps.iter().all(Stamp::holds).then(|| Arc::clone(&known.program))
    }

    /// The files that it takes to run a program of this host where none of its libraries is: the program itself, its
    /// loader, its libraries.
    ///
    /// # Errors
    /// If it is no program, or something that it needs is not there.
    pub fn files_of(&self, name: &AbsPath) -> Result<ProgramFiles, HostError> {
        let program = Program::anywhere(&Survey::of(&Root::Host), name)?;
        let loader = program.executed.iter().find(|path| **path != program.file).cloned();
        let libraries = program.libraries.iter().cloned().collect();
        Ok(ProgramFiles { program: program.file.clone(), loader, libraries })
    }

    /// Whether a path that has no link in it is a directory.
    pub(crate) fn is_directory(&self, path: &AbsPath) -> bool {
        std::fs::symlink_metadata(path.as_str()).is_ok_and(|metadata| metadata.is_dir())
    }

    /// Whether the dynamic loader finds libraries in `directory` only by its cache.
    pub(crate) fn needs_cache(&self, directory: &str) -> bool {
        search::configured_dirs(&Root::Host).iter().any(|configured| configured == directory)
    }

    /// Where a path leads.
    pub(crate) fn resolve(&self, root: &Root, path: &AbsPath) -> Result<Resolved, HostError> {
        walk::resolve(root, path)
    }

    /// Where a path that jobs may read leads: to a directory or a regular file.
    pub(crate) fn resolve_readable(&self, root: &Root, path: &AbsPath) -> Result<Resolved, HostError> {
        let resolved = walk::resolve(root, path)?;
        let host = root.on_host(&resolved.file)?;
        let metadata =
            std::fs::symlink_metadata(host.as_str()).map_err(|error| HostError::io(path, &error))?;
        match metadata.is_dir() || metadata.is_file() {
            true => Ok(resolved),
            false => Err(HostError::malformed(path, "is neither a directory nor a regular file")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn path(text: &str) -> AbsPath {
        AbsPath::new(text).unwrap()
    }

    #[test]
    fn a_program_comes_with_its_loader_its_libraries_and_the_links_to_them() {
        let program = Host::new().program(&Root::Host, &path("/bin/sh")).unwrap();
        let shown = |set: &std::collections::BTreeSet<AbsPath>| {
            set.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(shown(&program.executed).iter().any(|file| file.contains("ld-linux-x86-64")), "{program:?}");
        assert!(shown(&program.libraries).iter().any(|file| file.ends_with("libc.so.6")), "{program:?}");
        assert!(program.links.iter().any(|link| link.path == program.location), "{program:?}");
        assert!(!program.needs_cache);
    }

    #[test]
    fn a_program_is_looked_up_again_when_it_changes() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let file = fs::canonicalize(directory.path()).unwrap().join("tool");
        let name = walk::absolute(&file).unwrap();
        let host = Host::new();
        let write = |text: &str| {
            fs::remove_file(&file).ok();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("#!/bin/sh\n");
        let first = host.program(&Root::Host, &name).unwrap();
        assert!(Arc::ptr_eq(&first, &host.program(&Root::Host, &name).unwrap()));
        write("#!/usr/bin/env -S sh\n");
        let second = host.program(&Root::Host, &name).unwrap();
        assert_eq!(second.script.as_ref().unwrap().argument.as_deref(), Some("-S sh"));
        assert_ne!(first.script, second.script);
    }

    #[test]
    fn a_program_that_is_linked_statically_needs_nothing_else() {
        let program = Host::new().program(&Root::Host, &path("/sbin/ldconfig")).unwrap();
        assert_eq!(program.executed.iter().map(AbsPath::as_str).collect::<Vec<_>>(), ["/usr/sbin/ldconfig"]);
        assert!(program.libraries.is_empty());
    }

    #[test]
    fn a_program_where_the_sandbox_has_its_own_is_refused() {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let tool = directory.path().join("tool");
        fs::copy("/usr/bin/true", &tool).unwrap();
        let refused = |path: &str| {
            Host::new().program(&Root::Host, &AbsPath::new(path).unwrap()).unwrap_err().to_string()
        };
        assert!(refused(tool.to_str().unwrap()).ends_with("reaches into `/tmp`, which is the sandbox's own"));
        assert!(refused("/proc/self/exe").contains("which is the sandbox's own"));
    }

    #[test]
    fn what_cannot_be_executed_is_an_error_that_says_why() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let real = fs::canonicalize(directory.path()).unwrap();
        let file = |name: &str, text: &str, mode: u32| {
            fs::write(real.join(name), text).unwrap();
            fs::set_permissions(real.join(name), fs::Permissions::from_mode(mode)).unwrap();
            Host::new()
                .program(&Root::Host, &walk::absolute(&real.join(name)).unwrap())
                .unwrap_err()
                .to_string()
        };
        assert!(file("data", "x", 0o644).ends_with("is not an executable file"));
        assert!(file("text", "echo", 0o755).contains("text` "));
        assert!(
            file("gone", "#!/no/such/shell\n", 0o755)
                .contains("`/no/such/shell` does not exist on this host")
        );
        fs::write(real.join("inner"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(real.join("inner"), fs::Permissions::from_mode(0o755)).unwrap();
        let nested = file("outer", &format!("#!{}/inner\n", real.display()), 0o755);
        assert!(nested.ends_with("has an interpreter that is a script itself"), "{nested}");
        assert!(matches!(
            Host::new().program(&Root::Host, &path("/no/such")),
            Err(HostError::Missing { .. })
        ));
    }
}

//! Which paths a policy may name.

use std::fmt;

use stockade_plan::AbsPath;

/// A path whose contents a job may read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReadPath {
    pub(crate) path: AbsPath,
    /// A host without it runs the job all the same.
    pub(crate) optional: bool,
    /// Larger paths that outer layers granted and that this one was narrowed from. Where it leads must lie beneath where
    /// each of them leads: a link in a directory that is granted is no right to what it points at.
    pub(crate) within: Vec<AbsPath>,
}

impl fmt::Display for ReadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// Directories of programs. What can be read can be run, by handing it to the dynamic loader; so a program that
/// is not a command must not be readable either.
const PROGRAM_DIRS: [&str; 6] =
    ["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
/// What every sandbox makes for itself, and the kernel's and the daemons' own trees.
const RESERVED: [&str; 7] = ["/proc", "/sys", "/dev", "/run", "/var/run", "/job", "/tmp"];
/// Where hosts keep secrets beside what jobs need: a directory in them may be named, they as a whole may not.
const SECRET_PARENTS: [&str; 8] =
    ["/etc", "/root", "/home", "/var", "/var/lib", "/var/spool", "/var/backups", "/boot"];
/// Secrets that no job needs.
const SECRETS: [&str; 7] = [
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/var/lib/stockade",
];
/// Files that Stockade makes for the sandbox itself.
pub(crate) const MADE: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts"];

/// Where a job can write: the sandbox's own tmpfs. Nothing of the host is ever writable.
pub(crate) const WRITABLE: [&str; 2] = ["/job", "/tmp"];

/// Why a path is not shown to jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsafePath {
    /// It is, holds, or lies in a directory of programs.
    Programs(&'static str),
    /// The sandbox has its own.
    Reserved(&'static str),
    /// It is, or holds, a place of secrets.
    Secrets(&'static str),
    /// Stockade makes this file for the sandbox.
    Made(&'static str),
}

impl UnsafePath {
    /// What to do instead.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Programs(_) => {
                "what is readable can be run through the dynamic loader: list programs under `commands`, which bring their libraries, and name library and data directories here"
            }
            Self::Reserved(_) => "every sandbox has its own; leave this path out",
            Self::Secrets(_) => "name the directory or file inside it that the job needs",
            Self::Made(_) => "every sandbox gets one of its own; leave this path out",
        }
    }
}

impl fmt::Display for UnsafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Programs(directory) => write!(f, "shows the programs of `{directory}`"),
            Self::Reserved(directory) => write!(f, "reaches into `{directory}`, which is the sandbox's own"),
            Self::Secrets(place) => write!(f, "shows the secrets of `{place}`"),
            Self::Made(file) => write!(f, "shows the host's `{file}`, which is made anew for every sandbox"),
        }
    }
}

/// Whether a job may be shown `path`. Asked of the path as written, and again of what it turns out to be on the
/// host.
pub(crate) fn check_readable(path: &AbsPath) -> Result<(), UnsafePath> {
    let touches = |other: &&str| beneath(path.as_str(), other) || beneath(other, path.as_str());
    let holds = |other: &&str| beneath(other, path.as_str());
    if let Some(directory) = PROGRAM_DIRS.into_iter().find(touches) {
        return Err(UnsafePath::Programs(directory));
    }
    if let Some(directory) = RESERVED.into_iter().find(touches) {
        return Err(UnsafePath::Reserved(directory));
    }
    if let Some(place) = SECRETS.into_iter().find(touches).or_else(|| SECRET_PARENTS.into_iter().find(holds))
    {
        return Err(UnsafePath::Secrets(place));
    }
    if is_home(path) {
        return Err(UnsafePath::Secrets("/home"));
    }
    match MADE.into_iter().find(holds) {
        Some(file) => Err(UnsafePath::Made(file)),
        None => Ok(()),
    }
}

/// Whether a command, or a library of one, may lie at `path`: not where the sandbox has its own.
pub(crate) fn check_executable(path: &AbsPath) -> Result<(), UnsafePath> {
    match RESERVED.into_iter().find(|directory| beneath(path.as_str(), directory)) {
        Some(directory) => Err(UnsafePath::Reserved(directory)),
        None => Ok(()),
    }
}

/// Whether a directory may be the root of jobs: not one of the kernel's trees, nor one that holds the host's
/// programs or secrets.
pub(crate) fn check_image(path: &AbsPath) -> Result<(), UnsafePath> {
    let touches = |other: &&str| beneath(path.as_str(), other) || beneath(other, path.as_str());
    if let Some(directory) = ["/proc", "/sys", "/dev"].into_iter().find(touches) {
        return Err(UnsafePath::Reserved(directory));
    }
    if let Some(place) = SECRETS.into_iter().find(touches) {
        return Err(UnsafePath::Secrets(place));
    }
    match PROGRAM_DIRS.into_iter().find(touches) {
        Some(directory) => Err(UnsafePath::Programs(directory)),
        None => Ok(()),
    }
}

/// A whole home directory: it holds keys and tokens.
fn is_home(path: &AbsPath) -> bool {
    path.as_str().starts_with("/home/") && path.components().count() == 2
}

/// Whether `path` is `ancestor` or lies beneath it; both in normal form.
fn beneath(path: &str, ancestor: &str) -> bool {
    match path.strip_prefix(ancestor) {
        Some(rest) => rest.is_empty() || rest.starts_with('/') || ancestor == "/",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str) -> Result<(), UnsafePath> {
        check_readable(&AbsPath::new(path).unwrap())
    }

    #[test]
    fn library_and_data_directories_may_be_read() {
        for path in [
            "/usr/lib",
            "/usr/share",
            "/etc/ssl/certs",
            "/opt/tools",
            "/srv/jobs",
            "/home/ada/data",
            "/var/data",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn programs_may_not_be_read_nor_anything_that_holds_them() {
        for path in
            ["/", "/usr", "/bin", "/usr/bin", "/usr/bin/python3", "/usr/local", "/usr/local/sbin", "/sbin"]
        {
            assert!(matches!(check(path), Err(UnsafePath::Programs(_))), "{path}");
        }
        assert_eq!(check("/usr/binary-data"), Ok(()));
    }

    #[test]
    fn what_is_the_sandboxs_own_may_not_be_named() {
        for path in ["/proc", "/proc/1", "/sys", "/dev/shm", "/run/docker.sock", "/var/run", "/job", "/tmp/x"]
        {
            assert!(matches!(check(path), Err(UnsafePath::Reserved(_))), "{path}");
        }
    }

    #[test]
    fn commands_may_lie_anywhere_but_where_the_sandbox_has_its_own() {
        let check = |path: &str| check_executable(&AbsPath::new(path).unwrap());
        for path in ["/bin/sh", "/opt/tool/bin/x", "/root/bin/x", "/tmpfiles/x"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
        for path in ["/proc/self/exe", "/tmp/x", "/job/x", "/dev/shm/x", "/run/x"] {
            assert!(check(path).is_err(), "{path}");
        }
    }

    #[test]
    fn places_of_secrets_may_not_be_read_whole() {
        for path in [
            "/etc",
            "/etc/shadow",
            "/etc/ssl/private/key.pem",
            "/root",
            "/home",
            "/home/ada",
            "/var",
            "/var/lib",
        ] {
            assert!(matches!(check(path), Err(UnsafePath::Secrets(_) | UnsafePath::Reserved(_))), "{path}");
        }
        assert!(matches!(check("/etc/ssl"), Err(UnsafePath::Secrets("/etc/ssl/private"))));
        assert!(matches!(check("/etc/passwd"), Err(UnsafePath::Made(_))));
    }
}

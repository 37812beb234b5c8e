//! Paths on the host, with the symbolic links on the way.

use std::fs;
use std::path::Path;

use stockade_plan::{AbsPath, NameError};

use super::HostError;

/// A symbolic link of the host that a path goes through. Its parent has no link in it; its target is where the
/// link leads in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) path: AbsPath,
    pub(crate) target: AbsPath,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// The file itself: no component of this path is a link.
    pub(crate) file: AbsPath,
    /// The path with links resolved in its directory but not in its last component.
    pub(crate) location: AbsPath,
    /// The links that the path goes through.
    pub(crate) links: Vec<Link>,
}

/// Follows `path` component by component. The kernel bounds each link's own chain (40, path_resolution(7)).
pub(crate) fn resolve(path: &AbsPath) -> Result<Resolved, HostError> {
    let mut file = named("/")?;
    let mut location = file.clone();
    let mut links = Vec::new();
    for component in path.components() {
        location = join(&file, component)?;
        let kind = fs::symlink_metadata(location.as_str()).map_err(|error| HostError::io(path, &error))?;
        file = if kind.is_symlink() {
            let target = canonical(path, &location)?;
            links.push(Link { path: location.clone(), target: target.clone() });
            target
        } else {
            location.clone()
        };
    }
    Ok(Resolved { file, location, links })
}

fn canonical(asked: &AbsPath, link: &AbsPath) -> Result<AbsPath, HostError> {
    let target = fs::canonicalize(link.as_str()).map_err(|error| HostError::io(asked, &error))?;
    absolute(&target)
}

/// A host path as a plan can name it. One that is not UTF-8 cannot be named: shown otherwise it would be another.
pub(crate) fn absolute(path: &Path) -> Result<AbsPath, HostError> {
    match path.to_str() {
        Some(text) => named(text),
        None => {
            Err(HostError::Name { path: path.to_string_lossy().into_owned(), reason: NameError::Character })
        }
    }
}

/// `component` beneath `directory`.
pub(crate) fn join(directory: &AbsPath, component: &str) -> Result<AbsPath, HostError> {
    named(&format!("{}/{component}", directory.as_str().trim_end_matches('/')))
}

fn named(text: &str) -> Result<AbsPath, HostError> {
    AbsPath::new(text).map_err(|reason| HostError::Name { path: text.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn path(directory: &tempfile::TempDir, rest: &str) -> AbsPath {
        let real = fs::canonicalize(directory.path()).unwrap();
        absolute(&real.join(rest)).unwrap()
    }

    #[test]
    fn links_in_directories_and_at_the_end_are_followed_and_reported() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("usr/bin")).unwrap();
        fs::write(directory.path().join("usr/bin/python3.11"), "").unwrap();
        symlink("python3.11", directory.path().join("usr/bin/python3")).unwrap();
        symlink("usr/bin", directory.path().join("bin")).unwrap();
        let resolved = resolve(&path(&directory, "bin/python3")).unwrap();
        assert_eq!(resolved.file, path(&directory, "usr/bin/python3.11"));
        assert_eq!(resolved.location, path(&directory, "usr/bin/python3"));
        let links = [("bin", "usr/bin"), ("usr/bin/python3", "usr/bin/python3.11")];
        let links = links.map(|(at, to)| Link { path: path(&directory, at), target: path(&directory, to) });
        assert_eq!(resolved.links, links);
    }

    #[test]
    fn a_chain_of_links_becomes_one_and_a_circle_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("mawk"), "").unwrap();
        symlink("alternative", directory.path().join("awk")).unwrap();
        symlink(directory.path().join("mawk"), directory.path().join("alternative")).unwrap();
        symlink("b", directory.path().join("a")).unwrap();
        symlink("a", directory.path().join("b")).unwrap();
        assert_eq!(resolve(&path(&directory, "awk")).unwrap().links.len(), 1);
        assert!(matches!(resolve(&path(&directory, "a")), Err(HostError::Io { .. })));
        assert!(matches!(resolve(&path(&directory, "none")), Err(HostError::Missing { .. })));
        assert_eq!(resolve(&named("/").unwrap()).unwrap().file, named("/").unwrap());
    }

    #[test]
    fn a_link_to_a_name_that_is_not_utf8_is_an_error_and_not_another_name() {
        use std::os::unix::ffi::OsStrExt;
        let directory = tempfile::tempdir().unwrap();
        let odd = directory.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        fs::write(&odd, "").unwrap();
        symlink(&odd, directory.path().join("link")).unwrap();
        assert!(matches!(resolve(&path(&directory, "link")), Err(HostError::Name { .. })));
    }
}

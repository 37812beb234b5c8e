//! Paths on the host, with the symbolic links on the way.

use std::cell::RefCell;
use std::collections::BTreeMap;
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

/// Where paths start: what a job sees as `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    /// At the host's own root.
    Host,
    /// At a directory, and no link leads out of it: an absolute one starts there too, and `..` stops there.
    Image(AbsPath),
}

impl Root {
    /// Where on the host a path lies that has no link in it.
    pub(crate) fn on_host(&self, path: &AbsPath) -> Result<AbsPath, HostError> {
        match self {
            Self::Host => Ok(path.clone()),
            Self::Image(directory) => named(format!("{directory}{path}").trim_end_matches('/')),
        }
    }

    pub(crate) fn top(&self) -> Result<AbsPath, HostError> {
        named("/")
    }

    /// Where a text leads that may have `..`, seen from the top.
    pub(crate) fn follow(&self, text: &str) -> Result<AbsPath, HostError> {
        let asked = named("/")?;
        let seen = Seen::default();
        Walk { root: self, asked: &asked, seen: &seen, links_left: LINKS_MAX }.target(&asked, text)
    }
}

/// `MAXSYMLINKS`, linux/namei.h.
const LINKS_MAX: u32 = 40;

/// What the paths of one search were seen to be, below one root: many programs share their directories and libraries.
/// It is thrown away after the search, so the next sees the host as it is then.
#[derive(Debug, Default)]
pub(crate) struct Seen(RefCell<BTreeMap<AbsPath, Option<String>>>);

/// Follows `path` component by component, as the kernel would below `root`; path_resolution(7).
pub(crate) fn resolve(root: &Root, path: &AbsPath) -> Result<Resolved, HostError> {
    resolve_once(root, path, &Seen::default())
}

/// As [`resolve`]; what was `seen` before is not looked at again.
pub(super) fn resolve_once(root: &Root, path: &AbsPath, seen: &Seen) -> Result<Resolved, HostError> {
    let mut walk = Walk { root, asked: path, seen, links_left: LINKS_MAX };
    let mut file = root.top()?;
    let mut location = file.clone();
    let mut links = Vec::new();
    for component in path.components() {
        location = join(&file, component)?;
        file = match walk.link(&location)? {
            Some(text) => {
                let target = walk.target(&file, &text)?;
                links.push(Link { path: location.clone(), target: target.clone() });
                target
            }
            None => location.clone(),
        };
    }
    Ok(Resolved { file, location, links })
}

/// One path being followed.
struct Walk<'a> {
    root: &'a Root,
    asked: &'a AbsPath,
    seen: &'a Seen,
    links_left: u32,
}

impl Walk<'_> {
    /// What the link at `location` says, `None` if that is no link. The directories of `location` have none.
    fn link(&self, location: &AbsPath) -> Result<Option<String>, HostError> {
        if let Some(seen) = self.seen.0.borrow().get(location) {
            return Ok(seen.clone());
        }
        let link = self.read_link(location)?;
        self.seen.0.borrow_mut().insert(location.clone(), link.clone());
        Ok(link)
    }

    fn read_link(&self, location: &AbsPath) -> Result<Option<String>, HostError> {
        let host = self.root.on_host(location)?;
        let failed = |error: std::io::Error| HostError::io(self.asked, &error);
        if !fs::symlink_metadata(host.as_str()).map_err(failed)?.is_symlink() {
            return Ok(None);
        }
        let target = fs::read_link(host.as_str()).map_err(failed)?;
        match target.to_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => {
                let path = target.to_string_lossy().into_owned();
                Err(HostError::Name { path, reason: NameError::Character })
            }
        }
    }

    /// Where a link in `directory` leads in the end.
    fn target(&mut self, directory: &AbsPath, text: &str) -> Result<AbsPath, HostError> {
        self.links_left = self
            .links_left
            .checked_sub(1)
            .ok_or_else(|| HostError::io(self.asked, &std::io::Error::from_raw_os_error(libc::ELOOP)))?;
        let mut at = if text.starts_with('/') { self.root.top()? } else { directory.clone() };
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => at = parent(&at)?,
                name => {
                    let location = join(&at, name)?;
                    at = match self.link(&location)? {
                        Some(text) => self.target(&at, &text)?,
                        None => location,
                    };
                }
            }
        }
        Ok(at)
    }
}

/// The directory of a path; that of `/` is itself.
fn parent(path: &AbsPath) -> Result<AbsPath, HostError> {
    match path.as_str().rsplit_once('/') {
        Some((directory, _)) if !directory.is_empty() => named(directory),
        _ => named("/"),
    }
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
        let resolved = resolve(&Root::Host, &path(&directory, "bin/python3")).unwrap();
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
        assert_eq!(resolve(&Root::Host, &path(&directory, "awk")).unwrap().links.len(), 1);
        assert!(matches!(resolve(&Root::Host, &path(&directory, "a")), Err(HostError::Io { .. })));
        assert!(matches!(resolve(&Root::Host, &path(&directory, "none")), Err(HostError::Missing { .. })));
        assert_eq!(resolve(&Root::Host, &named("/").unwrap()).unwrap().file, named("/").unwrap());
    }

    #[test]
    fn no_link_leads_out_of_an_image() {
        let directory = tempfile::tempdir().unwrap();
        let image = path(&directory, "image");
        fs::create_dir_all(format!("{image}/usr/bin")).unwrap();
        fs::create_dir(format!("{image}/etc")).unwrap();
        fs::write(format!("{image}/usr/bin/tool"), "").unwrap();
        fs::write(directory.path().join("secret"), "").unwrap();
        symlink("usr/bin", format!("{image}/bin")).unwrap();
        symlink("/usr/bin/tool", format!("{image}/usr/bin/alias")).unwrap();
        symlink("/etc/passwd", format!("{image}/etc/stolen")).unwrap();
        symlink("../../../../../../secret", format!("{image}/etc/above")).unwrap();
        symlink(directory.path().join("secret"), format!("{image}/etc/outside")).unwrap();
        symlink("../../../../usr/bin/tool", format!("{image}/etc/inside")).unwrap();
        let root = Root::Image(image);
        let file = |text: &str| {
            resolve(&root, &AbsPath::new(text).unwrap()).map(|resolved| resolved.file.to_string())
        };
        for inside in ["/bin/tool", "/bin/alias", "/etc/inside"] {
            assert_eq!(file(inside).unwrap(), "/usr/bin/tool", "{inside}");
        }
        for outside in ["/etc/stolen", "/etc/above", "/etc/outside"] {
            assert!(matches!(file(outside), Err(HostError::Missing { .. })), "{outside}");
        }
        assert_eq!(
            root.follow("/usr/../../../bin/../lib/../bin/tool").unwrap_err(),
            root.follow("/usr/lib").unwrap_err()
        );
        assert_eq!(root.follow("/etc/../bin/tool").unwrap().as_str(), "/usr/bin/tool");
    }

    #[test]
    fn a_link_to_a_name_that_is_not_utf8_is_an_error_and_not_another_name() {
        use std::os::unix::ffi::OsStrExt;
        let directory = tempfile::tempdir().unwrap();
        let odd = directory.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        fs::write(&odd, "").unwrap();
        symlink(&odd, directory.path().join("link")).unwrap();
        assert!(matches!(resolve(&Root::Host, &path(&directory, "link")), Err(HostError::Name { .. })));
    }
}

//! Building one view: a tmpfs filled with links, small files and read-only binds.

use std::cell::RefCell;
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::symlinkat;
use stockade_plan::{AbsPath, Device, Entry, RECORDER, View};

use super::PROBE;
use super::bare::BareNamespace;
use super::source::{self, Source};
use crate::abi::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use crate::account::Account;
use crate::steps::{During, Fault};
use crate::sys;

/// Room for the largest view: 512 entries of at most 16 KiB each.
const ROOT_OPTIONS: [(&CStr, &CStr); 3] = [(c"size", c"16m"), (c"nr_inodes", c"8192"), (c"mode", c"0755")];
const ROOT_ATTRIBUTES: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

/// How many entries have their sources open at a time: a launcher has descriptors for more than a few, not for all.
const AT_ONCE: usize = 32;
/// Mount points for what each sandbox mounts for itself.
const MOUNT_POINTS: [&str; 4] = ["/proc", "/job", "/tmp", "/dev/shm"];
/// The streams under their usual names.
const STREAM_LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

/// Builds `view` in a mount namespace of its own and answers with that. The sources of its binds are reached as `asker`
/// reaches them, from the launcher's own namespace: what is elsewhere cannot be copied from there.
pub(super) fn build(view: &View, bare: &BareNamespace, asker: Account) -> Result<OwnedFd, Fault> {
    let root = Root::new()?;
    let namespace = bare.namespace_with(root.tree.as_fd())?;
    for entries in view.entries.chunks(AT_ONCE) {
        let sources = source::of(entries, asker)?;
        let add_all = || entries.iter().zip(sources).try_for_each(|(entry, source)| root.add(entry, source));
        bare.within(&namespace, add_all)?;
    }
    bare.within(&namespace, || root.finish())?;
    Ok(namespace)
}

pub(super) fn device_path(device: Device) -> Result<AbsPath, Fault> {
    own_path(&format!("/dev/{}", device.name()))
}

fn own_path(path: &str) -> Result<AbsPath, Fault> {
    AbsPath::new(path).map_err(|_| Fault::new("name", path, Errno::EINVAL))
}

/// The tree while it is being built. Everything is reached from its descriptor, component by component, and
/// no symbolic link is ever followed: the links in it are for the job.
struct Root {
    tree: OwnedFd,
    /// The directory that was walked to last: a view names what lies together one after the other.
    last: RefCell<Option<(String, Rc<OwnedFd>)>>,
}

impl Root {
    fn new() -> Result<Self, Fault> {
        let tree = sys::detached_tmpfs(&ROOT_OPTIONS, ROOT_ATTRIBUTES).during("fsmount", "root tmpfs")?;
        Ok(Self { tree, last: RefCell::default() })
    }

    fn add(&self, entry: &Entry, source: Option<Source>) -> Result<(), Fault> {
        let source = |path: &str| source.ok_or_else(|| Fault::new("open", path, Errno::EINVAL));
        match entry {
            Entry::Directory { path } => self.directory(path).map(drop),
            Entry::Symlink { path, target } => self.symlink(path, target.as_str()),
            Entry::File { path, content } => self.file(path, content),
            Entry::Bind { source: at, path, .. } => self.attach(&source(at.as_str())?, path),
            Entry::Device(device) => self.attach(&source(device.name())?, &device_path(*device)?),
            Entry::Recorder => self.attach(&source(RECORDER)?, &own_path(RECORDER)?),
        }
    }

    /// Makes the directory and its parents where they are missing.
    fn directory(&self, path: &AbsPath) -> Result<OwnedFd, Fault> {
        self.walk(path.components(), path)
    }

    fn walk<'p>(&self, components: impl Iterator<Item = &'p str>, path: &AbsPath) -> Result<OwnedFd, Fault> {
        let mut at = self.tree.try_clone().during("dup", path.as_str())?;
        for name in components {
            match mkdirat(&at, name, Mode::from_bits_truncate(0o755)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                // Beneath a read-only bind nothing is made; opening it tells whether it is there.
                Err(Errno::EROFS) => {}
                Err(errno) => return Err(Fault::new("mkdir", path.as_str(), errno)),
            }
            at = open_component(at.as_fd(), name, PATH | OFlag::O_DIRECTORY).during("open", path.as_str())?;
        }
        Ok(at)
    }

    fn parent_of<'p>(&self, path: &'p AbsPath) -> Result<(Rc<OwnedFd>, &'p str), Fault> {
        let split = path.as_str().rsplit_once('/').filter(|(_, name)| !name.is_empty());
        let (parent, name) = split.ok_or_else(|| Fault::new("place", path.as_str(), Errno::EINVAL))?;
        if let Some((_, found)) = self.last.borrow().as_ref().filter(|(last, _)| last == parent) {
            return Ok((Rc::clone(found), name));
        }
        let found = Rc::new(self.walk(parent.split('/').skip(1), path)?);
        self.last.replace(Some((parent.to_owned(), Rc::clone(&found))));
        Ok((found, name))
    }

    fn symlink(&self, path: &AbsPath, target: &str) -> Result<(), Fault> {
        let (parent, name) = self.parent_of(path)?;
        symlinkat(target, &*parent, name).during("symlink", path.as_str())
    }

    fn file(&self, path: &AbsPath, content: &[u8]) -> Result<(), Fault> {
        let (parent, name) = self.parent_of(path)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file =
            openat(&*parent, name, flags, Mode::from_bits_truncate(0o644)).during("create", path.as_str())?;
        fchmod(&file, Mode::from_bits_truncate(0o444)).during("chmod", path.as_str())?;
        std::fs::File::from(file).write_all(content).during("write", path.as_str())
    }

    fn attach(&self, source: &Source, path: &AbsPath) -> Result<(), Fault> {
        if !source.is_directory {
            return self.attach_file(source, path);
        }
        let target = self.directory(path)?;
        // What lies beneath is another directory from here on.
        self.last.replace(None);
        source.attach(target.as_fd()).during("bind", path.as_str())
    }

    /// Binds a file over an empty one. The empty file may be there already: the same path bound before.
    fn attach_file(&self, source: &Source, path: &AbsPath) -> Result<(), Fault> {
        let (parent, name) = self.parent_of(path)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let target = match openat(&*parent, name, flags, Mode::from_bits_truncate(0o444)) {
            Ok(made) => made,
            Err(Errno::EEXIST | Errno::EROFS) => {
                open_component(parent.as_fd(), name, PATH).during("open", path.as_str())?
            }
            Err(errno) => return Err(Fault::new("create", path.as_str(), errno)),
        };
        source.attach(target.as_fd()).during("bind", path.as_str())
    }

    /// Adds what every view has, and makes the whole read-only.
    fn finish(&self) -> Result<(), Fault> {
        for path in MOUNT_POINTS {
            self.directory(&own_path(path)?)?;
        }
        for (path, target) in STREAM_LINKS {
            self.symlink(&own_path(path)?, target)?;
        }
        self.file(&own_path(&format!("/{PROBE}"))?, b"")?;
        sys::mount_setattr(self.tree.as_fd(), ROOT_ATTRIBUTES | MOUNT_ATTR_RDONLY)
            .during("make read-only", "view")
    }
}

pub(super) const PATH: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW);

/// Opens one component, which may be a mount point but never a link.
fn open_component(parent: BorrowedFd<'_>, name: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    openat2(parent, name, OpenHow::new().flags(flags).resolve(resolve))
}

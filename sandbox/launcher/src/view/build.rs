//! Building one view: a tmpfs filled with links, small files and read-only binds, then made the root.

use std::cell::RefCell;
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, major, minor, mkdirat};
use nix::sys::statvfs::{self, FsFlags};
use nix::unistd::{chdir, fchdir, pivot_root, symlinkat};
use stockade_plan::{AbsPath, Device, Entry, RECORDER, View};

use super::{PROBE, recorder};
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

/// Builds `view` on `staging` and makes it the root of the calling process's mount namespace, which must be
/// a new one. The sources of its binds are reached as `asker` reaches them.
pub(super) fn build(view: &View, staging: &Path, asker: Account) -> Result<(), Fault> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .during("make private", "/")?;
    let root = Root::on(staging, asker)?;
    for entries in view.entries.chunks(AT_ONCE) {
        let sources = root.open_sources(entries)?;
        entries.iter().zip(sources).try_for_each(|(entry, source)| root.add(entry, source))?;
    }
    for path in MOUNT_POINTS {
        root.directory(&own_path(path)?)?;
    }
    for (path, target) in STREAM_LINKS {
        root.symlink(&own_path(path)?, target)?;
    }
    root.file(&own_path(&format!("/{PROBE}"))?, b"")?;
    root.become_root()
}

fn device_path(device: Device) -> Result<AbsPath, Fault> {
    own_path(&format!("/dev/{}", device.name()))
}

fn own_path(path: &str) -> Result<AbsPath, Fault> {
    AbsPath::new(path).map_err(|_| Fault::new("name", path, Errno::EINVAL))
}

/// The tree while it is being built. Everything is reached from its descriptor, component by component, and
/// no symbolic link is ever followed: the links in it are for the job.
struct Root {
    tree: OwnedFd,
    asker: Account,
    /// The directory that was walked to last: a view names what lies together one after the other.
    last: RefCell<Option<(String, Rc<OwnedFd>)>>,
}

impl Root {
    fn on(staging: &Path, asker: Account) -> Result<Self, Fault> {
        let tmpfs = sys::detached_tmpfs(&ROOT_OPTIONS, ROOT_ATTRIBUTES).during("fsmount", "root tmpfs")?;
        let target = open(staging, PATH | OFlag::O_DIRECTORY, Mode::empty())
            .during("open", &staging.display().to_string())?;
        sys::move_mount(tmpfs.as_fd(), target.as_fd()).during("move_mount", "root tmpfs")?;
        Ok(Self { tree: tmpfs, asker, last: RefCell::default() })
    }

    /// Opens what the entries show of the host, as whoever asks for it would: paths of which no component may be a link.
    fn open_sources(&self, entries: &[Entry]) -> Result<Vec<Option<OwnedFd>>, Fault> {
        let source = |entry: &Entry| match entry {
            Entry::Bind { source, .. } => Ok(Some(source.clone())),
            Entry::Device(device) => device_path(*device).map(Some),
            _ => Ok(None),
        };
        let paths: Vec<Option<AbsPath>> = entries.iter().map(source).collect::<Result<_, _>>()?;
        let open = |path: &AbsPath| open_host(path.as_str()).during("open as the supervisor", path.as_str());
        // To take the ids and give them back takes as long as to open a few files.
        self.asker.look(|| paths.iter().map(|path| path.as_ref().map(open).transpose()).collect())
    }

    fn add(&self, entry: &Entry, source: Option<OwnedFd>) -> Result<(), Fault> {
        let source = |path: &str| source.ok_or_else(|| Fault::new("open", path, Errno::EINVAL));
        match entry {
            Entry::Directory { path } => self.directory(path).map(drop),
            Entry::Symlink { path, target } => self.symlink(path, target.as_str()),
            Entry::File { path, content } => self.file(path, content),
            Entry::Bind { source: at, path, executable } => {
                self.bind(&source(at.as_str())?, at, path, *executable)
            }
            Entry::Device(device) => self.device(&source(device.name())?, *device),
            Entry::Recorder => self.recorder(),
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

    fn bind(&self, found: &OwnedFd, source: &AbsPath, path: &AbsPath, executable: bool) -> Result<(), Fault> {
        let kind =
            SFlag::from_bits_truncate(fstat(found).during("stat", source.as_str())?.st_mode) & SFlag::S_IFMT;
        let noexec = if executable { 0 } else { MOUNT_ATTR_NOEXEC };
        let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | noexec;
        match kind {
            SFlag::S_IFDIR => {
                let target = self.directory(path)?;
                // What lies beneath is another directory from here on.
                self.last.replace(None);
                attach(found.as_fd(), target.as_fd(), attributes).during("bind", source.as_str())
            }
            SFlag::S_IFREG => self.attach_file(found.as_fd(), path, attributes),
            _ => Err(Fault::new("bind (neither file nor directory)", source.as_str(), Errno::EINVAL)),
        }
    }

    /// Binds the recorder that lies beside this program: as trusted as this program is.
    fn recorder(&self) -> Result<(), Fault> {
        let (source, path) = (recorder()?, own_path(RECORDER)?);
        let shown = source.display().to_string();
        let found = open_host(&source).during("open", &shown)?;
        let mode = SFlag::from_bits_truncate(fstat(&found).during("stat", &shown)?.st_mode);
        if mode & SFlag::S_IFMT != SFlag::S_IFREG {
            return Err(Fault::new("bind (no file)", shown, Errno::EINVAL));
        }
        let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        self.attach_file(found.as_fd(), &path, attributes)
    }

    /// Binds a file over an empty one. The empty file may be there already: the same path bound before.
    fn attach_file(&self, source: BorrowedFd<'_>, path: &AbsPath, attributes: u64) -> Result<(), Fault> {
        let (parent, name) = self.parent_of(path)?;
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let target = match openat(&*parent, name, flags, Mode::from_bits_truncate(0o444)) {
            Ok(made) => made,
            Err(Errno::EEXIST | Errno::EROFS) => {
                open_component(parent.as_fd(), name, PATH).during("open", path.as_str())?
            }
            Err(errno) => return Err(Fault::new("create", path.as_str(), errno)),
        };
        attach(source, target.as_fd(), attributes).during("bind", path.as_str())
    }

    /// Binds a device of the host after looking at what it is: `/dev/null` may have been replaced by something
    /// worth writing to (CVE-2025-31133).
    fn device(&self, found: &OwnedFd, device: Device) -> Result<(), Fault> {
        let path = device_path(device)?;
        let stat = fstat(found).during("stat", path.as_str())?;
        let is_char = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
        if !is_char || (major(stat.st_rdev), minor(stat.st_rdev)) != device.number() {
            return Err(Fault::new("verify device", path.as_str(), Errno::ENXIO));
        }
        let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        self.attach_file(found.as_fd(), &path, attributes)
    }

    /// Makes the tree read-only and the root; the old root is detached with everything on it.
    fn become_root(self) -> Result<(), Fault> {
        sys::mount_setattr(self.tree.as_fd(), ROOT_ATTRIBUTES | MOUNT_ATTR_RDONLY)
            .during("make read-only", "view")?;
        fchdir(&self.tree).during("chdir", "view")?;
        // pivot_root(2), NOTES: with both paths the same, the old root ends up on top of the new one.
        pivot_root(".", ".").during("pivot_root", "view")?;
        umount2(".", MntFlags::MNT_DETACH).during("umount", "the host's root")?;
        chdir("/").during("chdir", "/")
    }
}

fn open_host<P: ?Sized + nix::NixPath>(path: &P) -> nix::Result<OwnedFd> {
    openat2(AT_FDCWD, path, OpenHow::new().flags(PATH).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS))
}

const PATH: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW);

/// Opens one component, which may be a mount point but never a link.
fn open_component(parent: BorrowedFd<'_>, name: &str, flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    openat2(parent, name, OpenHow::new().flags(flags).resolve(resolve))
}

/// Attaches a copy of the mount at `source`, with these attributes from the start, onto `target`.
fn attach(source: BorrowedFd<'_>, target: BorrowedFd<'_>, attributes: u64) -> nix::Result<()> {
    let tree = sys::open_tree_clone(source, c"")?;
    sys::mount_setattr(tree.as_fd(), attributes)?;
    sys::move_mount(tree.as_fd(), target)?;
    // What was asked for is read back: a mount that could be written, or whose programs could be executed, is none.
    if statvfs::fstatvfs(&tree)?.flags().contains(flags_of(attributes)) { Ok(()) } else { Err(Errno::EPROTO) }
}

/// The flags by which statvfs(3) shows these attributes of a mount.
fn flags_of(attributes: u64) -> FsFlags {
    let shown = [
        (MOUNT_ATTR_RDONLY, FsFlags::ST_RDONLY),
        (MOUNT_ATTR_NOSUID, FsFlags::ST_NOSUID),
        (MOUNT_ATTR_NODEV, FsFlags::ST_NODEV),
        (MOUNT_ATTR_NOEXEC, FsFlags::ST_NOEXEC),
    ];
    shown.into_iter().filter(|(attribute, _)| attributes & attribute != 0).map(|(_, flag)| flag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attribute_that_is_asked_for_is_looked_for() {
        let read_only = flags_of(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
        assert_eq!(read_only, FsFlags::ST_RDONLY | FsFlags::ST_NODEV);
        assert!(!FsFlags::ST_RDONLY.contains(read_only), "a mount that lacks one is noticed");
    }
}

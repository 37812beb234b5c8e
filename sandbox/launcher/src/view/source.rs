//! What a view shows of the host: each file, directory and device as a mount of its own that is attached nowhere yet.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OpenHow, ResolveFlag, openat2, readlink};
use nix::sys::stat::{FileStat, SFlag, fstat, major, minor};
use nix::sys::statvfs::{self, FsFlags};
use stockade_plan::{AbsPath, Device, Entry};

use super::build::{PATH, device_path};
use crate::abi::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use crate::account::Account;
use crate::steps::{During, Fault};
use crate::sys;

const READ_ONLY: u64 = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;

/// A read-only copy of one of the host's mounts, attached nowhere.
#[derive(Debug)]
pub(super) struct Source {
    tree: OwnedFd,
    attributes: u64,
    pub(super) is_directory: bool,
}

/// The sources of these entries, `None` for those that show nothing of the host. They are opened as `asker` would: paths of
/// which no component may be a link.
pub(super) fn of(entries: &[Entry], asker: Account) -> Result<Vec<Option<Source>>, Fault> {
    // To take the ids and give them back takes as long as to open a few files.
    let found = asker.look(|| entries.iter().map(opened).collect::<Result<Vec<_>, _>>())?;
    entries.iter().zip(found).map(|(entry, found)| of_entry(entry, found)).collect()
}

fn opened(entry: &Entry) -> Result<Option<OwnedFd>, Fault> {
    let open = |path: &AbsPath| open_host(path.as_str()).during("open as the supervisor", path.as_str());
    match entry {
        Entry::Bind { source, .. } => open(source).map(Some),
        Entry::Device(device) => open(&device_path(*device)?).map(Some),
        _ => Ok(None),
    }
}

fn of_entry(entry: &Entry, found: Option<OwnedFd>) -> Result<Option<Source>, Fault> {
    let found = |path: &str| found.ok_or_else(|| Fault::new("open", path, Errno::EINVAL));
    match entry {
        Entry::Bind { source, executable, .. } => {
            bind(&found(source.as_str())?, source, *executable).map(Some)
        }
        Entry::Device(device) => of_device(&found(device.name())?, *device).map(Some),
        Entry::Recorder => of_recorder().map(Some),
        _ => Ok(None),
    }
}

fn bind(found: &OwnedFd, source: &AbsPath, executable: bool) -> Result<Source, Fault> {
    let noexec = if executable { 0 } else { MOUNT_ATTR_NOEXEC };
    let attributes = READ_ONLY | MOUNT_ATTR_NODEV | noexec;
    match kind(&fstat(found).during("stat", source.as_str())?) {
        kind @ (SFlag::S_IFDIR | SFlag::S_IFREG) => {
            Source::copied(found, attributes, kind == SFlag::S_IFDIR).during("bind", source.as_str())
        }
        _ => Err(Fault::new("bind (neither file nor directory)", source.as_str(), Errno::EINVAL)),
    }
}

/// A device of the host after a look at what it is: `/dev/null` may have been replaced by something worth writing to
/// (CVE-2025-31133).
fn of_device(found: &OwnedFd, device: Device) -> Result<Source, Fault> {
    let path = device_path(device)?;
    let stat = fstat(found).during("stat", path.as_str())?;
    let is_char = kind(&stat) == SFlag::S_IFCHR;
    if !is_char || (major(stat.st_rdev), minor(stat.st_rdev)) != device.number() {
        return Err(Fault::new("verify device", path.as_str(), Errno::ENXIO));
    }
    Source::copied(found, READ_ONLY | MOUNT_ATTR_NOEXEC, false).during("bind", path.as_str())
}

/// The recorder that lies beside this program: as trusted as this program is.
fn of_recorder() -> Result<Source, Fault> {
    let path = recorder()?;
    let shown = path.display().to_string();
    let found = open_host(&path).during("open", &shown)?;
    if kind(&fstat(&found).during("stat", &shown)?) != SFlag::S_IFREG {
        return Err(Fault::new("bind (no file)", shown, Errno::EINVAL));
    }
    Source::copied(&found, READ_ONLY | MOUNT_ATTR_NODEV, false).during("bind", &shown)
}

/// Where the recorder of this build lies: beside this program, whose own path has no link in it; proc_pid_exe(5).
pub(super) fn recorder() -> Result<PathBuf, Fault> {
    let own = readlink("/proc/self/exe").during("readlink", "/proc/self/exe")?;
    Ok(Path::new(&own).with_file_name("stockade-recorder"))
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn open_host<P: ?Sized + nix::NixPath>(path: &P) -> nix::Result<OwnedFd> {
    openat2(AT_FDCWD, path, OpenHow::new().flags(PATH).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS))
}

impl Source {
    /// A copy of the mount at `found`, with these attributes from the start.
    fn copied(found: &OwnedFd, attributes: u64, is_directory: bool) -> nix::Result<Self> {
        let tree = sys::open_tree_clone(found.as_fd(), c"")?;
        sys::mount_setattr(tree.as_fd(), attributes)?;
        Ok(Self { tree, attributes, is_directory })
    }

    /// Attaches it onto `target`. What was asked for is read back: a mount that could be written, or whose programs could be
    /// executed, is none.
    pub(super) fn attach(&self, target: BorrowedFd<'_>) -> nix::Result<()> {
        sys::move_mount(self.tree.as_fd(), target)?;
        let flags = statvfs::fstatvfs(&self.tree)?.flags();
        if flags.contains(flags_of(self.attributes)) { Ok(()) } else { Err(Errno::EPROTO) }
    }
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

//! Collecting the declared outputs, as the job's own id, inside the sandbox, when no process is left that
//! could change them.

use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, SFlag, fstat};
use stockade_plan::{Found, NotCollected, Output};

/// Hears what is collected, in order.
pub trait Teller {
    /// What became of the output with this index; its bytes follow if it is a file.
    ///
    /// # Errors
    /// Why it was not heard: then nothing more is collected.
    fn found(&mut self, index: u32, found: Found) -> nix::Result<()>;
    /// The next bytes of that file, at most 65536.
    ///
    /// # Errors
    /// Why they were not heard.
    fn chunk(&mut self, bytes: Vec<u8>) -> nix::Result<()>;
}

const CHUNK: usize = 64 * 1024;

/// Sends what became of each output and, for regular files, their bytes.
///
/// # Errors
/// What the teller answers, or `EIO` for a file that cannot be read to its end.
pub fn collect(work_dir: BorrowedFd<'_>, outputs: &[Output], teller: &mut impl Teller) -> nix::Result<()> {
    for (index, output) in (0_u32..).zip(outputs) {
        match open_output(work_dir, output) {
            Ok((file, size)) => {
                teller.found(index, Found::File { size })?;
                send_bytes(file, size, teller)?;
            }
            Err(not) => teller.found(index, Found::Not(not))?,
        }
    }
    Ok(())
}

/// Looks before it opens: a FIFO would block, a device would do something.
fn open_output(work_dir: BorrowedFd<'_>, output: &Output) -> Result<(File, u64), NotCollected> {
    let found = open_beneath(work_dir, output, OFlag::O_PATH)?;
    let size = regular(&stat(&found)?, output.max_bytes)?;
    let file = open_beneath(work_dir, output, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)?;
    let again = regular(&stat(&file)?, output.max_bytes)?;
    if again != size {
        Err(NotCollected::Unreadable(errno(Errno::ESTALE)))
    } else {
        Ok((File::from(file), size))
    }
}

/// openat2(2): beneath the work directory, through no link of any kind, onto no other mount.
fn open_beneath(work_dir: BorrowedFd<'_>, output: &Output, flags: OFlag) -> Result<OwnedFd, NotCollected> {
    let resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_SYMLINKS
        | ResolveFlag::RESOLVE_NO_MAGICLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(resolve);
    openat2(work_dir, output.path.as_str(), how).map_err(|error| match error {
        Errno::ENOENT | Errno::ENOTDIR => NotCollected::Missing,
        Errno::ELOOP => NotCollected::Symlink,
        other => NotCollected::Unreadable(errno(other)),
    })
}

fn stat(file: &OwnedFd) -> Result<FileStat, NotCollected> {
    fstat(file).map_err(|error| NotCollected::Unreadable(errno(error)))
}

fn errno(error: Errno) -> stockade_plan::Errno {
    stockade_plan::Errno(error as i32)
}

/// The size of a regular file with one name and at most `max_bytes`.
fn regular(stat: &FileStat, max_bytes: u64) -> Result<u64, NotCollected> {
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => {}
        SFlag::S_IFLNK => return Err(NotCollected::Symlink),
        SFlag::S_IFDIR => return Err(NotCollected::Directory),
        SFlag::S_IFIFO => return Err(NotCollected::Fifo),
        SFlag::S_IFSOCK => return Err(NotCollected::Socket),
        _ => return Err(NotCollected::Device),
    }
    if stat.st_nlink != 1 {
        return Err(NotCollected::HardLinked);
    }
    match u64::try_from(stat.st_size) {
        Ok(size) if size <= max_bytes => Ok(size),
        Ok(size) => Err(NotCollected::TooLarge { size }),
        Err(_) => Err(NotCollected::Unreadable(errno(Errno::EOVERFLOW))),
    }
}

fn send_bytes(file: File, size: u64, teller: &mut impl Teller) -> nix::Result<()> {
    let mut file = file.take(size);
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).map_err(|_| Errno::EIO)?;
        if read == 0 {
            return Ok(());
        }
        chunk.truncate(read);
        teller.chunk(chunk)?;
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use stockade_plan::RelPath;

    use super::*;

    fn outcome(directory: &Path, name: &str) -> Result<u64, NotCollected> {
        let work_dir = File::open(directory).unwrap();
        let output = Output { path: RelPath::new(name).unwrap(), max_bytes: 4 };
        open_output(work_dir.as_fd(), &output).map(|(_, size)| size)
    }

    #[test]
    fn only_regular_files_with_one_name_within_the_cap_are_collected() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("good"), "abcd").unwrap();
        std::fs::write(at("large"), "abcde").unwrap();
        std::fs::write(at("one"), "x").unwrap();
        std::fs::hard_link(at("one"), at("two")).unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        std::fs::write(at("dir/inner"), "y").unwrap();
        symlink("good", at("link")).unwrap();
        symlink("dir", at("dirlink")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();

        assert_eq!(outcome(directory.path(), "good"), Ok(4));
        assert_eq!(outcome(directory.path(), "dir/inner"), Ok(1));
        for (name, why) in [
            ("missing", NotCollected::Missing),
            ("good/x", NotCollected::Missing),
            ("large", NotCollected::TooLarge { size: 5 }),
            ("one", NotCollected::HardLinked),
            ("dir", NotCollected::Directory),
            ("link", NotCollected::Symlink),
            ("zero", NotCollected::Symlink),
            ("dirlink/inner", NotCollected::Symlink),
            ("fifo", NotCollected::Fifo),
            ("socket", NotCollected::Socket),
        ] {
            assert_eq!(outcome(directory.path(), name), Err(why), "{name}");
        }
    }

    #[test]
    fn a_sparse_file_of_an_exabyte_is_reported_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("sparse")).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(outcome(directory.path(), "sparse"), Err(NotCollected::TooLarge { size: 1 << 40 }));
    }
}

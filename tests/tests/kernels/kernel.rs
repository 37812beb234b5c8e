//! The kernels, and what each has.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A series of Debian's cloud kernels.
pub(crate) struct Kernel {
    pub(crate) series: &'static str,
    /// The newest Landlock it has; landlock(7).
    pub(crate) landlock_abi: u8,
}

/// The oldest that is supported, and the oldest that has every layer.
pub(crate) const KERNELS: [Kernel; 2] =
    [Kernel { series: "6.1", landlock_abi: 2 }, Kernel { series: "6.12", landlock_abi: 6 }];

/// Unpacked on this host.
pub(crate) struct Fetched {
    pub(crate) image: PathBuf,
    /// Its modules, and the first process of the machine.
    pub(crate) initramfs: PathBuf,
    pub(crate) directory: PathBuf,
}

impl Kernel {
    /// Whether it confines with all that this project uses of Landlock.
    pub(crate) const fn has_all_of_landlock(&self) -> bool {
        self.landlock_abi >= 6
    }

    /// The newest of its series that apt has. A kernel that cannot be had is a failure, not a skip.
    pub(crate) fn fetched(&self, directory: &Path) -> Fetched {
        let directory = directory.join(self.series);
        run(Command::new(scripts().join("fetch.sh")).arg(self.series).arg(&directory));
        let initramfs = directory.join("initramfs.cpio");
        run(Command::new(scripts().join("initramfs.sh")).arg(&initramfs).arg(directory.join("modules")));
        Fetched { image: directory.join("vmlinuz"), initramfs, directory }
    }
}

/// Where the scripts lie that make what is booted.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels")
}

/// Runs a command that has to succeed.
pub(crate) fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

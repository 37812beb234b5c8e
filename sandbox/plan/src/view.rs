//! What a job sees of the file system.

use serde::{Deserialize, Serialize};

use crate::{AbsPath, List};

/// The read-only tree that becomes the job's root. The launcher builds it once per distinct view and keeps it
/// as a detached mount tree; `/proc`, the work directories and their mount points are the launcher's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct View {
    /// In the order in which they are made; parents are made as needed.
    pub entries: List<Entry, 512>,
}

/// One thing in the view.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Entry {
    /// An empty directory.
    Directory {
        /// Where.
        path: AbsPath,
    },
    /// A symbolic link, read by the job only: the launcher never follows one inside the view.
    Symlink {
        /// Where.
        path: AbsPath,
        /// What it says; absolute, resolved inside the view.
        target: AbsPath,
    },
    /// A small file made by Stockade, mode 0444.
    File {
        /// Where.
        path: AbsPath,
        /// What is in it.
        content: List<u8, 16384>,
    },
    /// A host file or directory, bound read-only, nosuid, nodev.
    Bind {
        /// The host path; no component of it may be a symbolic link.
        source: AbsPath,
        /// Where in the view.
        path: AbsPath,
        /// Whether code in it may be run or mapped; otherwise the mount is noexec.
        executable: bool,
    },
    /// A device node of the host, verified by its number before it is bound.
    Device(Device),
    /// The program `stockade-recorder`, at [`crate::RECORDER`], to be executed. The launcher finds it beside itself and opens
    /// it with its own rights: it is ours, and may lie where the supervisor's account cannot go.
    Recorder,
}

/// The devices a job may be given; null(4), full(4), random(4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Device {
    /// `/dev/null`, 1:3.
    Null,
    /// `/dev/zero`, 1:5.
    Zero,
    /// `/dev/full`, 1:7.
    Full,
    /// `/dev/random`, 1:8.
    Random,
    /// `/dev/urandom`, 1:9.
    Urandom,
}

impl Device {
    /// Every device.
    pub const ALL: [Self; 5] = [Self::Null, Self::Zero, Self::Full, Self::Random, Self::Urandom];

    /// Its name under `/dev`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Zero => "zero",
            Self::Full => "full",
            Self::Random => "random",
            Self::Urandom => "urandom",
        }
    }

    /// Major and minor number; Documentation/admin-guide/devices.txt of the kernel.
    pub const fn number(self) -> (u64, u64) {
        match self {
            Self::Null => (1, 3),
            Self::Zero => (1, 5),
            Self::Full => (1, 7),
            Self::Random => (1, 8),
            Self::Urandom => (1, 9),
        }
    }
}

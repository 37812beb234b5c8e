//! The layers of a job's confinement, as a policy requires them and the sandbox reports them.

use super::Stated;
use super::lists::distinct_of;
use crate::yaml::{Node, Reader, Spanned};

/// A layer of the confinement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LayerName(&'static str);

impl LayerName {
    pub(crate) const LANDLOCK: Self = Self("landlock");

    pub(crate) const fn name(self) -> &'static str {
        self.0
    }
}

/// `landlock` means the whole of it: with signals and abstract sockets, which it confines from this ABI.
pub(crate) const LANDLOCK_FULL: u8 = 6;

/// The layers that every sandbox has, each by the name under which an attempt's enforcement has it.
pub const LAYERS: [&str; 20] = [
    "user_namespace",
    "mount_namespace",
    "pid_namespace",
    "network_namespace",
    "ipc_namespace",
    "uts_namespace",
    "cgroup_namespace",
    "cgroup_memory",
    "cgroup_pids",
    "cgroup_cpu",
    "ids",
    "capabilities",
    "no_new_privs",
    "landlock",
    "seccomp",
    "rlimits",
    "descriptors",
    "root_filesystem",
    "work_filesystem",
    "proc_filesystem",
];

/// The layer that only a job has whose policy limits its reading from disk.
pub(crate) const DISKS: &str = "cgroup_io";

/// One word for the three controllers.
const CGROUP: &str = "cgroup";

/// Every word of `require`.
pub(crate) fn required_names() -> impl Iterator<Item = &'static str> {
    LAYERS.into_iter().chain([CGROUP])
}

/// Decodes `require`.
pub(crate) fn require(reader: &Reader, node: &Node) -> Stated<LayerName> {
    let words: Vec<(&'static str, &'static str)> = required_names().map(|name| (name, name)).collect();
    let word = |reader: &Reader, node: &Node| reader.word(node, "a layer of the confinement", &words);
    let named = distinct_of(reader, node, "a list of layers such as `landlock` and `seccomp`", word)?;
    let layers = named.into_iter().flat_map(|named| {
        let each = LAYERS.into_iter().filter(move |layer| {
            *layer == named.value
                || named.value == CGROUP && layer.starts_with("cgroup_") && *layer != "cgroup_namespace"
        });
        each.map(move |layer| Spanned { value: LayerName(layer), at: named.at.clone() })
    });
    Some(layers.collect())
}

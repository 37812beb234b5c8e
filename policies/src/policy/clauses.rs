//! What one layer says: the clauses that a policy file, a `security_policy` and a job's `security_context` share.

use std::collections::BTreeMap;

use stockade_plan::{AbsPath, Arg, EnvName, RelPath};

use super::limits::LimitKey;
use super::path::ReadPath;
use crate::yaml::Spanned;

/// The clauses of one layer. `None`: it says nothing about this right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clauses {
    pub(crate) commands: Stated<AbsPath>,
    pub(crate) limits: BTreeMap<LimitKey, Spanned<u64>>,
    pub(crate) read: Stated<ReadPath>,
    pub(crate) write: Stated<AbsPath>,
    pub(crate) network: Option<Spanned<NetworkMode>>,
    pub(crate) syscalls: Option<Spanned<SyscallProfile>>,
    pub(crate) outputs: Stated<OutputName>,
    pub(crate) pass: Stated<EnvName>,
    pub(crate) set: Stated<Setting>,
}

/// A set of rights as one layer states it.
pub(crate) type Stated<T> = Option<Vec<Spanned<T>>>;

/// How far the network reaches, from nothing upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NetworkMode {
    /// An empty network namespace.
    None,
    /// Its own loopback only.
    Loopback,
    /// Named hosts through the egress proxy.
    Allowlist,
}

impl NetworkMode {
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("none", Self::None), ("loopback", Self::Loopback), ("allowlist", Self::Allowlist)];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Loopback => "loopback",
            Self::Allowlist => "allowlist",
        }
    }
}

/// A named set of system calls, from the smaller one upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SyscallProfile {
    /// What an interpreter or a filter needs to compute.
    Strict,
    /// What ordinary programs use.
    Standard,
}

impl SyscallProfile {
    pub(crate) const WORDS: [(&'static str, Self); 2] =
        [("strict", Self::Strict), ("standard", Self::Standard)];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
        }
    }
}

/// What may be collected from `/job`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OutputName {
    /// `*`: whatever a later layer names. It collects nothing by itself.
    Any,
    /// This file.
    File(RelPath),
}

impl OutputName {
    pub(crate) fn show(&self) -> &str {
        match self {
            Self::Any => "*",
            Self::File(path) => path.as_str(),
        }
    }
}

/// A variable set to a fixed value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Setting {
    pub(crate) name: EnvName,
    pub(crate) value: Arg,
}

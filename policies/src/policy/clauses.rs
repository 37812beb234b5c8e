//! What one layer says: the clauses that a policy file, a `security_policy` and a job's `security_context` share.

use std::collections::BTreeMap;
use std::fmt;

use stockade_plan::{AbsPath, Arg, EnvName, RelPath};

use super::address::AddressRange;
use super::host_name::HostPattern;
use super::http::{HeaderName, HttpCap, Method, PathPrefix};
use super::layers::LayerName;
use super::limits::LimitKey;
use super::network::NetworkMode;
use super::path::ReadPath;
use super::remote::{FunctionArn, Image, SecretRef};
use super::syscalls::SyscallClause;
use crate::yaml::Spanned;

/// The clauses of one layer. `None`: it says nothing about this right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clauses {
    pub(crate) commands: Stated<AbsPath>,
    pub(crate) limits: BTreeMap<LimitKey, Spanned<u64>>,
    pub(crate) root: Option<Spanned<RootDir>>,
    pub(crate) read: Stated<ReadPath>,
    pub(crate) execute: Stated<ReadPath>,
    pub(crate) write: Stated<AbsPath>,
    pub(crate) network: Option<Spanned<NetworkMode>>,
    pub(crate) hosts: Stated<HostPattern>,
    pub(crate) addresses: Stated<AddressRange>,
    pub(crate) syscalls: Option<SyscallClause>,
    pub(crate) require: Stated<LayerName>,
    pub(crate) outputs: Stated<OutputName>,
    pub(crate) pass: Stated<EnvName>,
    pub(crate) set: Stated<Setting>,
    pub(crate) images: Stated<Image>,
    pub(crate) functions: Stated<FunctionArn>,
    pub(crate) http_hosts: Stated<HostPattern>,
    pub(crate) http_addresses: Stated<AddressRange>,
    pub(crate) methods: Stated<Method>,
    pub(crate) prefixes: Stated<PathPrefix>,
    pub(crate) headers: Stated<HeaderName>,
    pub(crate) http_caps: BTreeMap<HttpCap, Spanned<u64>>,
    pub(crate) secrets: Stated<SecretRef>,
}

/// A set of rights as one layer states it.
pub(crate) type Stated<T> = Option<Vec<Spanned<T>>>;

/// Why a text is not taken, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotTaken {
    pub(crate) reason: String,
    pub(crate) help: Option<String>,
}

impl NotTaken {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: None }
    }

    pub(crate) fn meant(reason: impl Into<String>, meant: impl fmt::Display) -> Self {
        Self { reason: reason.into(), help: Some(format!("did you mean `{meant}`?")) }
    }
}

/// Whose files a job sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootDir {
    /// Those of the host that the policy lists.
    Host,
    /// Those of a prepared directory.
    Image(AbsPath),
}

impl fmt::Display for RootDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Image(path) => write!(f, "{{image: {path}}}"),
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

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::File(path) => path.fmt(f),
        }
    }
}

/// A variable set to a fixed value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Setting {
    pub(crate) name: EnvName,
    pub(crate) value: Arg,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

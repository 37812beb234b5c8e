//! A policy: what jobs may do, as people write and review it.

mod address;
mod clauses;
mod decode;
mod host_name;
mod http;
mod layers;
mod limits;
mod lists;
mod name;
mod network;
mod path;
mod punycode;
mod remote;
mod syscalls;
mod units;

use std::sync::Arc;

use stockade_plan::Digest;

pub(crate) use address::AddressRange;
pub(crate) use clauses::{Clauses, NotTaken, OutputName, RootDir, Setting, Stated};
pub(crate) use decode::{OUTPUTS_MAX, clauses, commands, limits, output_name, variable};
pub(crate) use host_name::HostPattern;
pub(crate) use http::{HeaderName, HttpCap, Method, PathPrefix, method_names};
pub use layers::LAYERS;
pub(crate) use layers::{DISKS, LANDLOCK_FULL, LayerName, require, required_names};
pub(crate) use limits::LimitKey;
pub use limits::ResourceLimits;
pub(crate) use lists::LIST_MAX;
pub use name::{PolicyName, PolicyNameError};
pub(crate) use network::NetworkMode;
pub use path::UnsafePath;
pub(crate) use path::{MADE, ReadPath, WRITABLE, check_executable, check_readable};
pub use remote::SecretRef;
pub(crate) use remote::{FunctionArn, Image};
pub(crate) use syscalls::{SyscallClause, SyscallProfile, syscalls};
pub(crate) use units::Unit;

use crate::diagnostic::Diagnostics;
use crate::yaml::{Fields, Node, Reader, Source, Spanned, parse, parse_in_part};

/// The version of a policy that states none.
const FIRST_VERSION: u32 = 1;

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) name: Spanned<PolicyName>,
    pub(crate) version: u32,
    pub(crate) description: Option<String>,
    pub(crate) extends: Option<Spanned<PolicyName>>,
    /// What it does not say is left to those that extend it; otherwise it is closed to them too.
    pub(crate) is_abstract: bool,
    pub(crate) clauses: Clauses,
    /// SHA-256 over the file's bytes.
    pub(crate) sha256: Digest,
}

impl Policy {
    pub(crate) fn parse(source: &Arc<Source>) -> Result<(Self, Diagnostics), Diagnostics> {
        parse(source, decode_policy)
    }

    /// As [`Policy::parse`], but with what is right of a policy that is wrong elsewhere, to look for more errors.
    pub(crate) fn parse_in_part(source: &Arc<Source>) -> (Option<Self>, Diagnostics) {
        parse_in_part(source, decode_policy)
    }
}

fn decode_policy(reader: &Reader, root: &Node) -> Option<Policy> {
    let mut fields = Fields::of(reader, root, "a policy")?;
    let name = fields.required("policy").and_then(|node| policy_name(reader, node));
    let version = fields.optional("version").map(|node| reader.integer(node, 1..=u64::from(u32::MAX)));
    let description = fields.optional("description").map(|node| reader.prose(node, "a description"));
    let extends = fields.optional("extends").map(|node| policy_name(reader, node));
    let is_abstract = fields.optional("abstract").and_then(|node| reader.boolean(node)).unwrap_or(false);
    let clauses = clauses(&mut fields);
    fields.finish();
    Some(Policy {
        name: name?,
        version: version.flatten().and_then(|version| u32::try_from(version).ok()).unwrap_or(FIRST_VERSION),
        description: description.flatten().map(str::to_owned),
        extends: extends.flatten(),
        is_abstract,
        clauses,
        sha256: reader.source().digest(),
    })
}

/// The name of a policy at `node`.
pub(crate) fn policy_name(reader: &Reader, node: &Node) -> Option<Spanned<PolicyName>> {
    let expected = "a policy name: lower-case letters, digits and `-`, a letter first, at most 64";
    let name = reader.parsed(node, expected, PolicyName::new)?;
    Some(reader.spanned(node, name))
}

//! What a layer says about system calls.

use crate::seccomp::{BadCall, Call, check_addable, check_removable, named};
use crate::yaml::{Fields, Node, Reader, Spanned};

/// A named set of system calls, from the smallest upwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SyscallProfile {
    /// What an interpreter or a filter needs to compute.
    Strict,
    /// What ordinary programs use.
    Standard,
    /// What compilers and the build systems around them use.
    Compiler,
}

impl SyscallProfile {
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("strict", Self::Strict), ("standard", Self::Standard), ("compiler", Self::Compiler)];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Standard => "standard",
            Self::Compiler => "compiler",
        }
    }
}

/// A profile, and what is added to it and removed from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SyscallClause {
    /// `None`: what the layers above leave.
    pub(crate) profile: Option<Spanned<SyscallProfile>>,
    pub(crate) add: Vec<Spanned<Call>>,
    pub(crate) remove: Vec<Spanned<Call>>,
}

pub(crate) fn syscalls(reader: &Reader, node: &Node) -> Option<SyscallClause> {
    reader.map(node, "a map such as `{profile: strict}`")?;
    let mut fields = Fields::of(reader, node, "`syscalls`")?;
    let profile = fields.optional("profile").and_then(|node| {
        let word = reader.word(node, "a system-call profile", &SyscallProfile::WORDS)?;
        Some(reader.spanned(node, word))
    });
    let add = calls(reader, fields.optional("add"), check_addable);
    let remove = calls(reader, fields.optional("remove"), check_removable);
    fields.finish();
    for call in &remove {
        if let Some(added) = add.iter().find(|added| added.value == call.value) {
            let at = added.at.span;
            let message =
                format!("`{}` is removed, and added at {}:{}", call.value.name(), at.line, at.column);
            reader.report(call.at.error("contradiction", message).help("keep one of the two"));
        }
    }
    Some(SyscallClause { profile, add, remove })
}

fn calls(
    reader: &Reader,
    node: Option<&Node>,
    check: impl Fn(&str, &[Call]) -> Result<(), BadCall>,
) -> Vec<Spanned<Call>> {
    let expected = "a list of names of system calls or groups such as `@network`";
    let items = node.and_then(|node| reader.list(node, expected)).unwrap_or_default();
    let mut calls: Vec<Spanned<Call>> = Vec::new();
    for item in items {
        let Some(text) = reader.text(item, "the name of a system call or group") else { continue };
        match named(text).and_then(|found| check(text, &found).map(|()| found)) {
            Ok(found) => calls.extend(found.into_iter().map(|call| reader.spanned(item, call))),
            Err(bad) => reader.report(reader.at(item.span).error(bad.code, bad.message).help(bad.help)),
        }
    }
    calls
}

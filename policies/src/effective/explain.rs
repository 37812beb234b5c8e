//! An effective policy line by line.

use std::fmt::{self, Display};

use serde::Serialize;

use super::cover::Right;
use super::enforce::{Enforces, has_clause};
use super::origin::Origin;
use super::rights::Rights;

/// One effective value and who decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The key, with dots.
    pub clause: String,
    /// The value, as a policy file writes it.
    pub value: String,
    /// The layer, and the place in its file.
    pub origin: String,
    /// The place by itself; none where nobody said anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place in a file that people wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, as the user named it.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
}

impl Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}  # {}", self.clause, self.value, self.origin)
    }
}

/// The sections of a policy file, in their order.
pub(crate) const SECTIONS: [&str; 12] = [
    "commands",
    "resource_limits",
    "filesystem",
    "network",
    "syscalls",
    "require",
    "outputs",
    "environment",
    "images",
    "functions",
    "http",
    "secrets",
];

/// Where a clause stands in a policy file, by its section.
pub(crate) fn section_order(clause: &str) -> usize {
    let section = clause.split('.').next().unwrap_or(clause);
    SECTIONS.iter().position(|known| *known == section).unwrap_or(SECTIONS.len())
}

/// Lines as they are collected, each with who decided it.
pub(crate) struct Lines {
    found: Vec<(Explained, Origin)>,
    /// Clauses of which no line is wanted.
    but_for: Enforces,
}

impl Lines {
    fn push(&mut self, clause: impl Into<String>, value: impl Into<String>, origin: &Origin) {
        let clause = clause.into();
        if has_clause(self.but_for, &clause) {
            return;
        }
        let place = origin.at.as_ref().map(|at| Place {
            file: at.source.name.clone(),
            line: at.span.line,
            column: at.span.column,
        });
        let value = value.into();
        self.found.push((Explained { clause, value, origin: origin.to_string(), place }, origin.clone()));
    }

    pub(super) fn set<'a, T: Right + 'a>(
        &mut self,
        clause: &str,
        members: impl Iterator<Item = (&'a T, &'a Origin)>,
    ) {
        if has_clause(self.but_for, clause) {
            return;
        }
        for (element, origin) in members {
            self.push(clause, element.line(), origin);
        }
    }
}

/// Every effective value with who decided it.
pub(crate) fn lines(rights: &Rights) -> Vec<Explained> {
    decided_lines(rights, &[]).into_iter().map(|(line, _)| line).collect()
}

/// The same, each with who decided it, but for those of some clauses: a registry has thousands of them that are in order.
pub(crate) fn decided_lines(rights: &Rights, but_for: Enforces) -> Vec<(Explained, Origin)> {
    let mut lines = Lines { found: Vec::new(), but_for };
    rights.show_sets(&mut lines);
    for (key, decided) in &rights.limits {
        lines.push(format!("resource_limits.{key}"), key.show(decided.value), &decided.origin);
    }
    if let Some(decided) = &rights.root {
        lines.push("filesystem.root", decided.value.to_string(), &decided.origin);
    }
    if let Some(decided) = &rights.network {
        lines.push("network.mode", decided.value.name(), &decided.origin);
    }
    let calls = rights.calls();
    lines.push("syscalls.profile", calls.profile.name(), &calls.origin);
    for (call, origin) in &calls.added {
        lines.push("syscalls.add", call.name(), origin);
    }
    for (call, origin) in &calls.removed {
        lines.push("syscalls.remove", call.name(), origin);
    }
    // Without a host there is no call whose size they could bound.
    for (cap, decided) in rights.http_caps.iter().filter(|_| rights.calls_out()) {
        lines.push(format!("http.{}", cap.name()), decided.value.to_string(), &decided.origin);
    }
    for (layer, origin) in &rights.require {
        lines.push("require", layer.name(), origin);
    }
    lines.found
}

//! Whether a runner puts in force what a policy says.

use super::explain::{Explained, decided_lines};
use super::origin::{Layer, Origin};
use super::{EffectivePolicy, Rights};

/// What a runner puts in force: sections of a policy (`http`), clauses (`resource_limits.memory_mb`), or clauses with
/// one value (`network.mode: none`).
pub type Enforces = &'static [&'static str];

/// What a sandbox of our own puts in force.
pub const SHELL_ENFORCES: Enforces = &[
    "commands",
    "resource_limits",
    "filesystem",
    "network.mode: none",
    "network.mode: allowlist",
    "network.hosts",
    "network.addresses",
    "syscalls",
    "require",
    "outputs",
    "environment",
];

/// What the runner of HTTP calls puts in force. Nothing runs here, so there is no memory and no processor to be limited.
pub const HTTP_ENFORCES: Enforces =
    &["http", "secrets", "network.mode: none", "resource_limits.wall_seconds", "resource_limits.output_kb"];

/// What the runner of functions puts in force: what is within reach of who only makes a call. Memory, processor, files and
/// system calls are the platform's.
pub const SERVERLESS_ENFORCES: Enforces = &[
    "functions",
    "secrets",
    "network.mode: none",
    "resource_limits.wall_seconds",
    "resource_limits.output_kb",
];

/// A clause that a runner does not carry out. A right that a job is granted and never gets would be a silence as much
/// as a limit that nothing enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotEnforced {
    /// The clause; with its value where that is the matter.
    pub(crate) clause: String,
    /// What the runner lacks.
    pub(crate) missing: String,
    /// Who said so.
    pub(crate) origin: Origin,
}

impl EffectivePolicy {
    /// What layers state and the runner `kind` does not put in force, each clause once. What nobody stated is closed, or
    /// bounded by the environment, without a promise to anybody.
    pub(crate) fn not_enforced_by(&self, kind: &str, enforces: Enforces) -> Vec<NotEnforced> {
        let mut found: Vec<NotEnforced> = Vec::new();
        for (line, origin) in decided_lines(self.granted(), enforces) {
            let stated = !matches!(origin.layer, Layer::Default | Layer::Environment(_));
            let known = found.iter().any(|known| first_word(&known.clause) == first_word(&line.clause));
            if stated && !known && counts(&line, self.granted()) && !enforced(enforces, &line) {
                let missing = missing(kind, &line);
                let clause = named(&line);
                found.push(NotEnforced { clause, missing, origin });
            }
        }
        found
    }
}

/// Whether `enforces` has the line: by its section, its clause, or its clause and value.
pub(crate) fn enforced(enforces: Enforces, line: &Explained) -> bool {
    has_clause(enforces, &line.clause)
        || enforces.iter().any(|known| {
            let value = known.strip_prefix(line.clause.as_str()).and_then(|rest| rest.strip_prefix(": "));
            value == Some(line.value.as_str())
        })
}

/// Whether `enforces` has the clause whatever its value, by its section or itself.
pub(super) fn has_clause(enforces: Enforces, clause: &str) -> bool {
    enforces
        .iter()
        .any(|known| clause.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// What adds to a right that is not granted promises nothing.
fn counts(line: &Explained, rights: &Rights) -> bool {
    match first_word(&line.clause) {
        "http" => rights.calls_out(),
        // The closed value of each, like an empty list.
        _ => !matches!(
            (line.clause.as_str(), line.value.as_str()),
            ("filesystem.root", "host") | ("network.mode", "none")
        ),
    }
}

fn named(line: &Explained) -> String {
    match first_word(&line.clause) {
        whole @ ("images" | "functions" | "http" | "secrets") => whole.to_owned(),
        "network" => format!("{}: {}", line.clause, line.value),
        _ => line.clause.clone(),
    }
}

fn missing(kind: &str, line: &Explained) -> String {
    let does_not = match first_word(&line.clause) {
        "images" => "starts no containers",
        "functions" => "calls no functions",
        "http" => "makes no HTTP calls",
        "secrets" => "hands no secrets to jobs",
        "commands" => "starts no programs of the host",
        "network" if matches!(kind, "shell" | "docker") => {
            "gives a job an empty network namespace, or one whose loopback leads to the egress proxy only (`mode: \
             allowlist`)"
        }
        _ => {
            return format!(
                "the {kind} runner has no means to put it in force; leave it out, or choose another policy"
            );
        }
    };
    format!("the {kind} runner {does_not}")
}

/// A clause's first word.
pub(crate) fn first_word(clause: &str) -> &str {
    clause.split(['.', ':']).next().unwrap_or(clause)
}

//! That each command and each path of a policy is needed: without it, the honest program fails.

use std::path::Path;

use stockade_policies::{Environment, Library};

use crate::Policy;
use crate::desk::Desk;

/// The clauses whose entries are taken away one at a time.
const CLAUSES: [&str; 4] = ["commands", "filesystem.read", "filesystem.execute", "filesystem.write"];

/// Runs the honest program without each entry in turn, and finds those without which it succeeds all the same. What
/// this host does not have proves nothing and is left out.
pub(crate) fn needless(policy: &Policy) -> Vec<String> {
    let entries = entries(policy.name);
    let here = entries.iter().filter(|(_, path)| Path::new(path).exists() || in_sandbox(path));
    let is_needless = |entry: &&(String, String)| {
        (policy.honest)(&Desk::with_text(&without(policy.name, &entries, entry))).is_ok()
    };
    here.filter(is_needless).map(|(clause, path)| format!("{}: {clause}: {path}", policy.name)).collect()
}

/// What a sandbox has of its own.
fn in_sandbox(path: &str) -> bool {
    ["/job", "/tmp"].contains(&path)
}

/// Clause and path of each entry.
fn entries(policy: &str) -> Vec<(String, String)> {
    let effective = Library::shipped().unwrap().effective(policy, Environment::Production).unwrap();
    let lines = effective.clauses().into_iter().filter(|line| CLAUSES.contains(&line.clause.as_str()));
    lines.map(|line| (line.clause, line.value.trim_end_matches(" (if present)").to_owned())).collect()
}

/// A policy that extends this one and keeps all entries of a clause but one. What is kept may be missing: hosts differ.
fn without(policy: &str, entries: &[(String, String)], left_out: &(String, String)) -> String {
    let (clause, _) = left_out;
    let kept = entries.iter().filter(|entry| entry.0 == *clause && *entry != left_out);
    let kept: Vec<String> = kept
        .map(|(_, path)| match clause.as_str() {
            "filesystem.read" | "filesystem.execute" => format!("{{path: {path}, optional: true}}"),
            _ => path.clone(),
        })
        .collect();
    let kept = format!("[{}]", kept.join(", "));
    let stated = match clause.strip_prefix("filesystem.") {
        Some(key) => format!("filesystem: {{{key}: {kept}}}"),
        None => format!("{clause}: {kept}"),
    };
    format!("policy: without\nextends: {policy}\n{stated}\n")
}

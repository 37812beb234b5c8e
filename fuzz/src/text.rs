//! Text that people write.

use std::sync::OnceLock;

use stockade_policies::{Capabilities, Diagnostics, EffectivePolicy, Environment, Library, Registry};

/// Text to a policy, and the policy to its rights under every environment. One that was taken explains each of its
/// lines; one that was refused says why, at a place that is there.
pub fn policy(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match library().with_text("fuzzed.yaml", text) {
        Ok((library, name)) => {
            for environment in Environment::ALL {
                if let Ok(policy) = library.effective(name.as_str(), environment) {
                    explained(&policy);
                    let again = library.effective(name.as_str(), environment);
                    assert_eq!(again.map(|again| again.sha256()), Ok(policy.sha256()));
                }
            }
        }
        Err(found) => explained_errors(&found, text),
    }
}

/// Stands for runners that lack nothing.
const ALL_CLAUSES: stockade_policies::Enforces = &[
    "commands", "resource_limits", "filesystem", "network", "syscalls", "require", "outputs", "environment", "images",
    "functions", "http", "secrets",
];

/// Text to a service registry.
pub fn registry(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let capabilities = ["shell", "http", "docker", "serverless", "other"]
        .into_iter()
        .fold(Capabilities::new(), |can, kind| can.runner(kind, ALL_CLAUSES));
    match Registry::parse("fuzzed.yaml", text, library(), Environment::Production, &capabilities) {
        Ok(registry) => {
            for operation in registry.services().flat_map(|service| service.operations()) {
                for value in values() {
                    let taken = operation.check_input(value);
                    assert!(taken.is_ok() || taken.is_err_and(|errors| !errors.to_string().is_empty()));
                    let _ = operation.check_output(value);
                }
                explained(&operation.effective_policy());
            }
        }
        Err(found) => explained_errors(&found, text),
    }
}

/// What schemas are tried on: something of everything, some of it twice.
fn values() -> &'static [serde_json::Value] {
    static VALUES: OnceLock<Vec<serde_json::Value>> = OnceLock::new();
    VALUES.get_or_init(|| {
        let all = serde_json::json!([null, true, -1, 2.5, 1e300, "", "a", "2026-11-23", "é\u{0}", [], {}]);
        let mixed = serde_json::json!({"a": all, "rows": 1, "$ref": "#", "": {"a": {"a": [[all]]}}});
        vec![serde_json::Value::Null, all, mixed]
    })
}

/// Bytes that are not UTF-8 are refused before anything is parsed; libFuzzer's time is better spent behind that.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn explained(policy: &EffectivePolicy) {
    let lines = policy.clauses();
    assert!(lines.iter().all(|line| !line.clause.is_empty() && !line.origin.is_empty()));
}

fn explained_errors(found: &Diagnostics, text: &str) {
    assert!(found.has_errors());
    assert!(!found.to_string().is_empty());
    let lines = u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX);
    for diagnostic in found.iter().filter(|diagnostic| diagnostic.file.as_ref() == "fuzzed.yaml") {
        assert!(diagnostic.line <= lines + 1, "line {} of {lines}: {}", diagnostic.line, diagnostic.message);
        assert!(diagnostic.end_column >= diagnostic.column, "{}", diagnostic.message);
    }
    assert!(serde_json::to_string(found).is_ok());
}

fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| Library::shipped().unwrap_or_else(|found| panic!("{found}")))
}

//! What the pages on policies and registries show is what the language does.

use std::path::PathBuf;

use stockade_policies::{Capabilities, Checks, Environment, Library, check};

const POLICY: &str = include_str!("../../docs/policy.md");
const REGISTRY: &str = include_str!("../../docs/registry.md");
const HTTP: &str = include_str!("../../docs/http.md");

fn examples() -> Vec<&'static str> {
    let of_page = |page: &'static str| page.split("```yaml\n").skip(1);
    let all = of_page(POLICY).chain(of_page(REGISTRY)).chain(of_page(HTTP));
    all.map(|rest| rest.split("```").next().unwrap_or("")).collect()
}

#[test]
fn every_example_of_the_pages_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = examples()
        .into_iter()
        .enumerate()
        .map(|(index, text)| {
            let path = directory.path().join(format!("{index}.yaml"));
            std::fs::write(&path, text).unwrap();
            path
        })
        .collect();
    assert!(files.len() >= 4);
    let library = Library::shipped().unwrap();
    let capabilities = Capabilities::shipped();
    let checks = Checks {
        library: &library,
        environment: Environment::Production,
        capabilities: &capabilities,
        host: None,
    };
    let report = check(&files, &checks);
    assert!(!report.diagnostics.has_errors(), "{}", report.diagnostics);
}

#[test]
fn every_shipped_policy_is_on_the_page() {
    for name in Library::shipped().unwrap().names() {
        assert!(POLICY.contains(&format!("\n| `{name}` | ")), "{name}");
    }
}

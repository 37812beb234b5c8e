//! Every message beside the bad text that causes it: `errors/NAME.yaml` and `errors/NAME.stderr`.
//!
//! `BLESS=1` writes the messages anew; the difference is then what a reviewer reads.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use stockade_policies::{Capabilities, Checks, Diagnostics, Environment, Library, check};

fn inputs() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("tests/errors")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    paths
}

fn messages(path: &Path) -> String {
    let library = Library::shipped().unwrap();
    let capabilities = Capabilities::new().runner("shell", stockade_policies::SHELL_ENFORCES);
    let checks = Checks {
        library: &library,
        environment: Environment::Production,
        capabilities: &capabilities,
        host: None,
    };
    let report = check(&[path.to_owned()], &checks);
    // How the working copy was checked out is not what is tested here.
    let found: Diagnostics = report
        .diagnostics
        .into_iter()
        .filter(|d| !["writable-by-others", "foreign-owner"].contains(&d.code))
        .collect();
    format!("{found}\n")
}

#[test]
fn every_bad_text_gets_exactly_the_messages_beside_it() {
    let mut wrong = Vec::new();
    for path in inputs() {
        let beside = path.with_extension("stderr");
        let actual = messages(&path);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&beside, &actual).unwrap();
        }
        if std::fs::read_to_string(&beside).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "run with BLESS=1 after review:\n{}", wrong.join("\n"));
}

#[test]
fn every_bad_text_is_refused_or_at_least_warned_about() {
    assert!(inputs().len() >= 40);
    for path in inputs() {
        assert_ne!(messages(&path), "\n", "{}", path.display());
    }
}

/// What no text is known to cause. `bad-schema` is said when the library that compiles JSON Schemas refuses one that our
/// own walk over it has taken; a text that shows a difference between the two belongs beside the others.
const CAUSED_BY_NO_TEXT: [&str; 1] = ["bad-schema"];

#[test]
fn every_kind_of_finding_has_a_text_that_causes_it() {
    let mut codes = std::collections::BTreeSet::new();
    sources(Path::new("src"), &mut |text| codes.extend(codes_in(text)));
    assert!(codes.len() > 30, "{codes:?}");
    let mut shown = String::new();
    for directory in ["tests/errors", "tests/errors/made"] {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "stderr") {
                shown.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let unseen: Vec<&String> = codes.iter().filter(|code| !shown.contains(&format!("[{code}]"))).collect();
    assert_eq!(unseen, CAUSED_BY_NO_TEXT, "these, and no others, have no text in tests/errors");
}

fn sources(directory: &Path, look: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            Some(extension) if extension == "rs" => look(&std::fs::read_to_string(&path).unwrap()),
            Some(_) => {}
            None => sources(&path, look),
        }
    }
}

/// The codes that a source names where it makes a finding.
fn codes_in(source: &str) -> Vec<String> {
    let makers = [".error(", "about_file(", "code: "];
    let after = makers.iter().flat_map(|maker| source.split(maker).skip(1));
    let literal = |rest: &str| Some(rest.trim_start().strip_prefix('"')?.split('"').next()?.to_owned());
    let is_code = |code: &String| {
        !code.is_empty()
            && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    after.filter_map(literal).filter(is_code).collect()
}

#[test]
fn every_expected_message_still_has_its_text() {
    for entry in std::fs::read_dir("tests/errors").unwrap() {
        let path = entry.unwrap().path();
        assert!(
            path.extension().is_none() || path.with_extension("yaml").metadata().is_ok(),
            "{} is left over",
            path.display()
        );
    }
}

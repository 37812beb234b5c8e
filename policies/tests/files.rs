//! What is wrong with files and hosts rather than with texts: each message beside the making of its cause. The
//! messages are in `errors/made/NAME.stderr`; `BLESS=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Display;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stockade_policies::{
    Capabilities, CheckReport, Checks, Diagnostics, Environment, Host, Library, Registry, check,
};
use tempfile::TempDir;

const POLICY: &str = "policy: mine\nextends: script-strict\n";

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }
    directory
}

fn shipped() -> Library {
    Library::shipped().unwrap()
}

fn shell() -> Capabilities {
    Capabilities::new().runner("shell", stockade_policies::SHELL_ENFORCES)
}

fn looked_at(path: &Path, host: Option<&Host>) -> CheckReport {
    let (library, capabilities) = (shipped(), shell());
    let environment = Environment::Development;
    check(&[path.to_owned()], &Checks { library: &library, environment, capabilities: &capabilities, host })
}

fn codes(found: &Diagnostics) -> Vec<&str> {
    found.iter().map(|found| found.code).collect()
}

/// Compares what is said with what is expected; the directory is called `DIR`.
fn expect(name: &str, directory: &Path, said: &dyn Display) {
    let said = format!("{said}\n").replace(&directory.display().to_string(), "DIR");
    let beside = PathBuf::from(format!("tests/errors/made/{name}.stderr"));
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all("tests/errors/made").unwrap();
        fs::write(&beside, &said).unwrap();
    }
    assert_eq!(fs::read_to_string(&beside).unwrap_or_default(), said, "{name}");
}

#[test]
fn a_policy_that_is_wrong_is_not_said_to_be_absent() {
    let place = directory(&[
        ("a.yaml", "policy: wrong\ncolour: red\n"),
        ("b.yaml", "policy: mine\nextends: wrong\n"),
    ]);
    expect("base-with-errors", place.path(), &looked_at(place.path(), None).diagnostics);
    fs::write(place.path().join("a.yaml"), "policy: wrong\n").unwrap();
    assert!(looked_at(place.path(), None).diagnostics.is_empty());
}

#[test]
fn a_symbolic_link_is_refused_where_it_counts_and_a_warning_where_it_is_looked_at() {
    let place = directory(&[("mine.yaml", POLICY), ("services.yaml", "services: []\n")]);
    let [policy, registry] = ["policy-link.yaml", "services-link.yaml"].map(|name| place.path().join(name));
    symlink("mine.yaml", &policy).unwrap();
    symlink("services.yaml", &registry).unwrap();
    expect("symbolic-link", place.path(), &shipped().with_file(&policy).unwrap_err());
    let load = |path: &Path| Registry::load(path, &shipped(), Environment::Production, &shell());
    assert_eq!(codes(&load(&registry).unwrap_err()), ["symbolic-link"]);
    assert!(
        load(&place.path().join("services.yaml")).is_ok()
            && shipped().with_file(&place.path().join("mine.yaml")).is_ok()
    );
    for path in [policy, registry] {
        let report = looked_at(&path, None);
        assert_eq!(
            (codes(&report.diagnostics), report.diagnostics.has_errors()),
            (vec!["symbolic-link"], false)
        );
    }
}

#[test]
fn what_others_can_write_is_refused_where_it_counts_and_a_warning_where_it_is_looked_at() {
    let place = directory(&[("mine.yaml", POLICY), ("services.yaml", "services: []\n")]);
    let [policy, registry] = ["mine.yaml", "services.yaml"].map(|name| place.path().join(name));
    for path in [&policy, &registry] {
        fs::set_permissions(path, Permissions::from_mode(0o646)).unwrap();
        let report = looked_at(path, None);
        assert_eq!(
            (codes(&report.diagnostics), report.diagnostics.has_errors()),
            (vec!["writable-by-others"], false)
        );
    }
    expect("writable-by-others", place.path(), &shipped().with_file(&policy).unwrap_err());
    let refused = Registry::load(&registry, &shipped(), Environment::Production, &shell()).unwrap_err();
    assert_eq!(codes(&refused), ["writable-by-others"]);
    fs::set_permissions(place.path(), Permissions::from_mode(0o777)).unwrap();
    expect(
        "directory-writable-by-others",
        place.path(),
        &shipped().with_directory(place.path()).unwrap_err(),
    );
}

#[test]
fn what_belongs_to_others_is_refused_where_it_counts_and_a_warning_where_it_is_looked_at() {
    let place = directory(&[("mine.yaml", POLICY)]);
    let policy = place.path().join("mine.yaml");
    assert!(shipped().with_file(&policy).is_ok());
    // Only root can give a file away; whoever is not finds somebody else's file in none of the usual places.
    if chown(&policy, Some(4321), None).is_err() {
        return;
    }
    expect("foreign-owner", place.path(), &shipped().with_file(&policy).unwrap_err());
    assert!(shipped().trusting(4321).with_file(&policy).is_ok());
    assert_eq!(codes(&looked_at(&policy, None).diagnostics), ["foreign-owner"]);
}

#[test]
fn what_is_no_file_is_told_at_once() {
    let place = directory(&[]);
    expect("missing-file", place.path(), &shipped().with_file(&place.path().join("none.yaml")).unwrap_err());
    expect("no-file", place.path(), &shipped().with_file(place.path()).unwrap_err());
    let fifo = place.path().join("fifo.yaml");
    let made = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, made.as_c_str(), rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(codes(&shipped().with_file(&fifo).unwrap_err()), ["unreadable-file"]);
    assert_eq!(codes(&looked_at(&fifo, None).diagnostics), ["unreadable-file"]);
}

#[test]
fn a_hundred_megabytes_are_refused_without_being_read() {
    let place = directory(&[("large.yaml", "")]);
    let path = place.path().join("large.yaml");
    File::options().write(true).open(&path).unwrap().set_len(100 << 20).unwrap();
    let begun = Instant::now();
    expect("too-large", place.path(), &shipped().with_file(&path).unwrap_err());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

/// A text just below the bound on files.
fn filled(begin: &str, part: &str) -> String {
    format!("{begin}{}", part.repeat((1024 * 1024 - 100 - begin.len()) / part.len()))
}

#[test]
fn a_megabyte_of_mischief_is_answered_in_bounded_time() {
    let texts = [
        ("values", filled("policy: a\noutputs: [", "a, ")),
        ("nesting", filled("policy: ", "[")),
        ("nested-maps", filled("policy: ", "{a: ")),
        ("quotes", filled("policy: ", "\"")),
        ("keys", (0..60_000).map(|key| format!("k{key}: 1\n")).collect()),
        ("one-key", filled("", "policy: a\n")),
        ("one-line", filled("policy: ", "a")),
        ("anchors", filled("", "- &a a\n")),
        ("comments", filled("policy: a\n", "#\n")),
        ("documents", filled("policy: a\n", "---\n")),
        ("questions", filled("", "? ")),
        ("dashes", filled("", "- ")),
        ("escapes", filled("policy: \"", "\\u0041")),
    ];
    for (name, text) in texts {
        let place = directory(&[("mischief.yaml", text.as_str())]);
        let begun = Instant::now();
        let report = looked_at(&place.path().join("mischief.yaml"), None);
        // Unoptimized, on a busy machine; the release build takes a fraction of it.
        assert!(begun.elapsed() < Duration::from_secs(10), "{name}: {:?}", begun.elapsed());
        assert!(name == "comments" || report.diagnostics.has_errors(), "{name}");
        assert!(report.diagnostics.len() < 510 && report.diagnostics.to_string().len() < 1 << 20, "{name}");
    }
}

#[test]
fn a_text_that_is_wrong_all_over_says_so_and_stops() {
    let keys: String = (0..600).map(|key| format!("k{key}: 1\n")).collect();
    let place = directory(&[("wrong.yaml", &format!("policy: a\n{keys}"))]);
    let found = shipped().with_file(&place.path().join("wrong.yaml")).unwrap_err();
    assert_eq!(found.len(), 501);
    let last: Diagnostics = found.into_iter().filter(|found| found.code == "too-many-errors").collect();
    expect("too-many-errors", place.path(), &last);
}

#[test]
fn policies_that_extend_one_another_in_a_circle_are_each_told() {
    let files = [
        ("a.yaml", "policy: a\nextends: b\n"),
        ("b.yaml", "policy: b\nextends: c\n"),
        ("c.yaml", "policy: c\nextends: a\n"),
    ];
    let place = directory(&files);
    expect("cycle", place.path(), &looked_at(place.path(), None).diagnostics);
    let chain: Vec<(String, String)> = (0..10)
        .map(|link| {
            (
                format!("{link}.yaml"),
                format!(
                    "policy: p{link}\n{}",
                    if link == 9 { String::new() } else { format!("extends: p{}\n", link + 1) }
                ),
            )
        })
        .collect();
    let chain: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let place = directory(&chain);
    expect("chain", place.path(), &looked_at(place.path(), None).diagnostics);
}

#[test]
fn what_this_host_does_not_have_is_told_at_its_place() {
    let policy = "policy: mine\ncommands: [/bin/sh, /usr/bin/none]\nfilesystem: {read: [/opt/none]}\n";
    let services = "services:\n  - name: s\n    execution_type: shell\n    security_policy: {use: mine}\n    operations:\n      - {name: o, runner_config: {command: [/bin/sh]}}\n";
    let place = directory(&[("mine.yaml", policy), ("services.yaml", services)]);
    let host = Host::new();
    expect("absent", place.path(), &looked_at(&place.path().join("mine.yaml"), Some(&host)).diagnostics);
    let (library, _) = shipped().with_file(&place.path().join("mine.yaml")).unwrap();
    let path = place.path().join("services.yaml");
    let registry = Registry::load(&path, &library, Environment::Development, &shell()).unwrap();
    expect("not-on-this-host", place.path(), &registry.check_on(&host, 6).unwrap_err());
}

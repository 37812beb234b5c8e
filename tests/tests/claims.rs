//! Every claim has tests that exist, every test of a sandbox suite and every case of the corpus is claimed, and the
//! table of SECURITY.md is the one that they make. `make security-table` writes it, from a run.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stockade_tests::Case;

/// What tests and cases name that show how Stockade serves, not what it stops.
const SERVED: &str = "served";
const BEGIN: &str = "<!-- claims: made by `make security-table` from tests/claims.txt and tests/corpus -->";
const END: &str = "<!-- end of claims -->";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// One entry of `claims.txt`.
#[derive(Debug, Default)]
struct Claim {
    id: String,
    kind: String,
    fields: BTreeMap<String, String>,
    tests: Vec<String>,
}

fn claims() -> Vec<Claim> {
    let text = std::fs::read_to_string(root().join("tests/claims.txt")).unwrap();
    let mut claims: Vec<Claim> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            None => {
                let (id, kind) = line.split_once(' ').unwrap_or((line, ""));
                claims.push(Claim { id: id.to_owned(), kind: kind.to_owned(), ..Claim::default() });
            }
            Some(field) => {
                let (key, value) = field.split_once(": ").unwrap_or_else(|| panic!("`{line}`"));
                let claim = claims.last_mut().unwrap();
                match key {
                    "test" => claim.tests.push(value.to_owned()),
                    _ => drop(claim.fields.insert(key.to_owned(), value.to_owned())),
                }
            }
        }
    }
    claims
}

/// The files of the tests of every crate.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories: Vec<PathBuf> = ["tests/tests", "supervisor/tests", "policies/tests", "fuzz/tests"]
        .iter()
        .map(|path| root().join(path))
        .collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten() {
            let entry = entry.unwrap();
            let (path, is_directory) = (entry.path(), entry.file_type().unwrap().is_dir());
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if is_directory => directories.push(path),
                Some("rs") => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// What follows `opening` in `text`, up to the first character that is none of a name.
fn names_after<'t>(text: &'t str, opening: &'t str) -> impl Iterator<Item = String> + 't {
    text.split(opening).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        rest.get(..end).filter(|name| name.len() > 2).map(str::to_owned)
    })
}

/// Tests of the suites that share a sandbox.
fn suite_tests() -> BTreeSet<String> {
    let texts = sources().into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    texts.flat_map(|text| names_after(&text, "suite.test(\"").collect::<Vec<_>>()).collect()
}

/// Every other test.
fn plain_tests() -> BTreeSet<String> {
    let texts = sources().into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    let functions = |text: String| {
        text.split("test]\n").skip(1).filter_map(|rest| names_after(rest, "fn ").next()).collect::<Vec<_>>()
    };
    texts.flat_map(functions).collect()
}

#[test]
fn every_claim_has_an_id_of_its_own_all_its_parts_and_tests_that_exist() {
    let cases = Case::all();
    let known: BTreeSet<String> = suite_tests().into_iter().chain(plain_tests()).collect();
    let mut ids = BTreeSet::new();
    for claim in claims() {
        assert!(ids.insert(claim.id.clone()), "{} is used twice", claim.id);
        for test in &claim.tests {
            assert!(known.contains(test), "{} names `{test}`, which is no test", claim.id);
        }
        if claim.id != SERVED {
            let shown = !claim.tests.is_empty() || cases.iter().any(|case| case.claim == claim.id);
            assert!(shown, "{} has no test", claim.id);
            let parts: Vec<&str> = claim.fields.keys().map(String::as_str).collect();
            assert_eq!(parts, ["by", "claim", "left"], "{}", claim.id);
            assert!(claim.id.split_once('-').is_some_and(|(_, number)| number.parse::<u32>().is_ok()));
        }
    }
    assert!(ids.len() > 40, "the claims were not read: {ids:?}");
}

#[test]
fn every_test_of_a_sandbox_suite_and_every_case_of_the_corpus_is_claimed() {
    let claims = claims();
    let claimed: BTreeSet<&String> = claims.iter().flat_map(|claim| &claim.tests).collect();
    let unclaimed: Vec<String> = suite_tests().into_iter().filter(|test| !claimed.contains(test)).collect();
    assert!(unclaimed.is_empty(), "claimed by nobody, to be named in tests/claims.txt: {unclaimed:#?}");
    for case in Case::all() {
        let known = claims.iter().any(|claim| claim.id == case.claim);
        assert!(known, "`{}` belongs to `{}`, which is no claim", case.name, case.claim);
    }
}

fn table() -> String {
    let cases = Case::all();
    let mut table = String::from(
        "| id | kind | claim | mechanism | tests, and cases of the corpus | what remains |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for claim in claims().iter().filter(|claim| claim.id != SERVED) {
        let own = cases.iter().filter(|case| case.claim == claim.id);
        let own = own.map(|case| format!("{}/{}", case.class, case.name));
        let tests: Vec<String> = claim.tests.iter().cloned().chain(own).collect();
        let field = |name: &str| claim.fields.get(name).map_or("", String::as_str);
        let cells = [&claim.id, &claim.kind, field("claim"), field("by"), &tests.join(", "), field("left")];
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// With `STOCKADE_TESTS_REPORT` (what a run of the sandbox suite wrote) the table is written, if the run had every
/// test of a claim and each passed.
#[test]
fn the_table_of_security_md_is_the_one_that_claims_and_corpus_make() {
    let path = root().join("SECURITY.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    let table = table();
    if let Some(report) = std::env::var_os("STOCKADE_TESTS_REPORT") {
        assert_shown_by(&std::fs::read_to_string(report).unwrap());
        std::fs::write(&path, format!("{before}{BEGIN}\n\n{table}\n{END}{after}")).unwrap();
    } else {
        assert!(there.trim() == table.trim(), "the table is stale: `make security-table`");
    }
}

/// Each line is a test's name and how it went.
fn assert_shown_by(report: &str) {
    let went: BTreeMap<&str, &str> = report.lines().filter_map(|line| line.split_once(' ')).collect();
    let directory = root().join("tests/tests/sandbox");
    let texts = sources().into_iter().filter(|path| path.starts_with(&directory));
    let texts = texts.map(|path| std::fs::read_to_string(path).unwrap());
    let suite: Vec<String> =
        texts.flat_map(|text| names_after(&text, "suite.test(\"").collect::<Vec<_>>()).collect();
    for test in suite.into_iter().chain(Case::all().into_iter().map(|case| case.name)) {
        assert_eq!(went.get(test.as_str()), Some(&"ok"), "`{test}` in the run");
    }
}

//! Every claim of SECURITY.md names tests that exist, and every test of the sandbox suite is claimed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Tests that show how Stockade serves, not what it stops.
const NO_CLAIM: [&str; 17] = [
    "a_job_below_every_limit_runs_and_is_measured",
    "exit_status_137_is_not_out_of_memory",
    "inputs_lie_in_the_work_directory",
    "an_input_of_another_size_than_the_plan_says_stops_the_job",
    "python_runs_unchanged_with_its_extension_modules",
    "after_all_that_the_launcher_serves_on_and_ends_when_told",
    "the_second_job_of_a_policy_finds_its_sandbox_made",
    "inputs_and_streams_reach_a_job_in_a_sandbox_made_ahead",
    "a_command_that_cannot_be_executed_says_so_and_the_next_job_runs",
    "a_hundred_jobs_from_sixteen_callers",
    "a_job_that_keeps_to_its_policy_has_no_denial",
    "programs_that_know_of_proxies_reach_hosts_that_are_named",
    "programs_that_know_no_proxy_reach_them_unchanged",
    "what_is_sent_and_received_arrives_whole",
    "other_protocols_pass_where_no_host_can_be_asked_for",
    "open_files",
    "shm_segment",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Id and tests of each claim.
fn claims() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let rows = text.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    rows.filter(|cells| cells.len() == 7 && is_id(cells[1]))
        .map(|cells| (cells[1].to_owned(), cells[5].split(", ").map(str::to_owned).collect()))
        .collect()
}

fn is_id(cell: &str) -> bool {
    cell.split_once('-').is_some_and(|(kind, number)| {
        kind.chars().all(|c| c.is_ascii_uppercase()) && !kind.is_empty() && number.parse::<u32>().is_ok()
    })
}

/// The names of the tests of the sandbox suite, as its sources spell them.
fn tests() -> BTreeSet<String> {
    let directory = root().join("tests/tests/sandbox");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap();
        // Tests of the suite, and the cases of the attack table.
        for opening in ["suite.test(\"", "\n    (\""] {
            names.extend(
                text.split(opening)
                    .skip(1)
                    .filter_map(|rest| rest.split_once('"'))
                    .map(|(name, _)| name.to_owned()),
            );
        }
    }
    names.retain(|name| {
        name.len() > 2 && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    });
    names
}

#[test]
fn every_claim_has_an_id_of_its_own_and_tests_that_exist() {
    let (claims, tests) = (claims(), tests());
    assert!(claims.len() > 30, "the table was not read: {}", claims.len());
    let ids: BTreeSet<&String> = claims.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), claims.len(), "an id is used twice");
    for (id, named) in &claims {
        assert!(!named.is_empty(), "{id} has no test");
        for test in named {
            assert!(tests.contains(test), "{id} names `{test}`, which is no test");
        }
    }
}

#[test]
fn every_test_of_the_sandbox_suite_is_claimed() {
    let claimed: BTreeSet<String> = claims().into_iter().flat_map(|(_, tests)| tests).collect();
    for test in tests() {
        assert!(
            claimed.contains(&test) || NO_CLAIM.contains(&test.as_str()),
            "`{test}` is claimed by nobody"
        );
    }
}

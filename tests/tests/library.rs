//! The shipped policies at work: each runs an honest program that succeeds and stops a hostile one, and has no line
//! that the honest one could do without. Needs root, and the programs that `deploy/setup.sh test` installs.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the programs it tests"
)]

#[path = "library/archive_unpack.rs"]
mod archive_unpack;
#[path = "library/artifact_verify.rs"]
mod artifact_verify;
#[path = "library/big_file_data.rs"]
mod big_file_data;
#[path = "library/c_compiler.rs"]
mod c_compiler;
#[path = "library/desk.rs"]
mod desk;
#[path = "library/environments.rs"]
mod environments;
#[path = "library/json_tools.rs"]
mod json_tools;
#[path = "library/lines.rs"]
mod lines;
#[path = "library/node_script.rs"]
mod node_script;
#[path = "library/other_runners.rs"]
mod other_runners;
#[path = "library/perl_text.rs"]
mod perl_text;
#[path = "library/pip_install.rs"]
mod pip_install;
#[path = "library/python_data.rs"]
mod python_data;
#[path = "library/script_standard.rs"]
mod script_standard;
#[path = "library/script_strict.rs"]
mod script_strict;
#[path = "library/shell_utils.rs"]
mod shell_utils;
#[path = "library/sqlite_query.rs"]
mod sqlite_query;

use desk::Desk;
use stockade_policies::Library;

/// A policy that the shell runner runs.
struct Policy {
    name: &'static str,
    /// Does real work under it, and says what went wrong if the result is not the right one.
    honest: fn(&Desk) -> Result<(), String>,
}

/// Those that run something. `base` runs nothing by itself.
const RUNNABLE: [&Policy; 13] = [
    &archive_unpack::POLICY,
    &artifact_verify::POLICY,
    &big_file_data::POLICY,
    &c_compiler::POLICY,
    &json_tools::POLICY,
    &node_script::POLICY,
    &perl_text::POLICY,
    &pip_install::POLICY,
    &python_data::POLICY,
    &script_standard::POLICY,
    &script_strict::POLICY,
    &shell_utils::POLICY,
    &sqlite_query::POLICY,
];

#[test]
fn every_policy_of_the_library_is_run_here_or_waits_for_its_runner() {
    let library = Library::shipped().unwrap();
    let mut tested: Vec<&str> = RUNNABLE.iter().map(|policy| policy.name).collect();
    tested.extend(other_runners::POLICIES.iter().map(|policy| policy.name));
    tested.push("base");
    tested.sort_unstable();
    assert_eq!(tested, library.names().map(|name| name.as_str()).collect::<Vec<_>>());
}

#[test]
fn honest_work_is_done_under_each() {
    for policy in RUNNABLE {
        (policy.honest)(&Desk::new(policy.name)).unwrap_or_else(|wrong| panic!("{}: {wrong}", policy.name));
    }
}

#[test]
fn no_command_or_path_of_any_could_be_left_out() {
    let needless: Vec<String> = RUNNABLE.into_iter().flat_map(lines::needless).collect();
    assert!(needless.is_empty(), "the honest programs do not need {needless:#?}");
}

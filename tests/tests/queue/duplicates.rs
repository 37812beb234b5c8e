//! The same job handed in twice.

use serde_json::json;

use super::{SERVER, script};

#[test]
fn a_second_job_of_the_same_identifier_is_refused_and_the_first_one_is_unharmed() {
    let more = [("identifier", json!("Order_1_stripe_create_charge"))];
    let first = SERVER.try_submit("tools", "sh", &script("echo once"), &more).unwrap();
    let second = SERVER.try_submit("tools", "sh", &script("echo twice"), &more).unwrap_err();
    assert!(second.contains("duplicate key") && second.contains("Order_1_stripe_create_charge"), "{second}");
    assert_eq!(SERVER.ended(&first)["output_data"]["stdout"], "once\n");
}

#[test]
fn the_command_line_says_which_identifier_is_taken() {
    let submit = || {
        let arguments = [
            "submit",
            "tools",
            "sh",
            "--input",
            "{\"script\": \"true\"}",
            "--identifier",
            "nightly-2026-01-01",
            "--json",
        ];
        SERVER.place().stockade(&arguments)
    };
    let (first, second) = (submit(), submit());
    assert!(first.status.success(), "{first:?}");
    assert_eq!(second.status.code(), Some(1));
    assert!(second.stdout.is_empty());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("identifier"), "{said}");
    let rows = SERVER.sql("SELECT count(*) FROM jobs.tb_job_run WHERE identifier = 'nightly-2026-01-01'");
    assert_eq!(rows, "1");
}

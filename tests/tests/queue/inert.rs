//! No field of a job passes through a shell, a statement, a format string or a terminal.

use serde_json::{Value, json};
use stockade_tests::polled;

use super::{SERVER, id_of};

const NASTY: [&str; 8] = [
    "'; DROP TABLE jobs.tb_job_run; --",
    "$(touch /tmp/stockade-owned) `touch /tmp/stockade-owned`",
    "two\nlines\r\nINFO forged",
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m",
    "%s%n{0}{{}}\\x00\\",
    "../../../../etc/passwd",
    "\u{202e}txt.exe \u{2028} \u{feff}",
    "--version",
];

/// Nothing of it may be there, whoever is asked to have done it.
fn assert_nothing_happened() {
    let owned = std::fs::symlink_metadata("/tmp/stockade-owned");
    assert!(owned.is_err(), "somebody ran what was a text");
    assert_eq!(SERVER.sql("SELECT to_regclass('jobs.tb_job_run') IS NOT NULL"), "t");
}

#[test]
fn whatever_stands_in_the_fields_of_a_row_the_job_runs_and_they_stay_as_they_were() {
    for (number, nasty) in NASTY.into_iter().enumerate() {
        let identifier = format!("{nasty} {number}");
        let texts = ["idempotency_key", "correlation_id", "entity_type", "entity_pk"];
        let mut more: Vec<(&str, Value)> = texts.iter().map(|column| (*column, json!(nasty))).collect();
        more.push(("identifier", json!(identifier)));
        let input = json!({"text": nasty, nasty: {"nested": [nasty]}});
        let job = SERVER.ended(&SERVER.submit_with("tools", "show_input", &input, &more));
        assert_eq!(job["status"], "completed", "{nasty:?}: {job}");
        let shown: Value = serde_json::from_str(job["output_data"]["stdout"].as_str().unwrap()).unwrap();
        assert_eq!(shown, input, "the job is given its input as it was");
        assert_eq!(job["identifier"], identifier);
        assert!(texts.iter().all(|column| job[column] == nasty), "{job}");
        assert_eq!(SERVER.events(id_of(&job))[0]["body"]["identifier"], identifier);
    }
    assert_nothing_happened();
}

#[test]
fn whatever_is_called_is_looked_up_and_nothing_else() {
    for nasty in NASTY {
        let (as_service, as_operation) =
            (SERVER.run(nasty, "sh", &json!({})), SERVER.run("tools", nasty, &json!({})));
        for job in [as_service, as_operation] {
            assert_eq!((&job["status"], &job["attempts"]), (&json!("failed"), &json!(1)), "{nasty:?}");
        }
    }
    assert_nothing_happened();
}

#[test]
fn no_strangers_text_steers_a_terminal_or_forges_a_line() {
    let escape = "\u{1b}[2J\u{1b}[31mred\u{9b}31m\nERROR forged-in-full\r\u{202e}";
    let job = SERVER.run(escape, "sh", &json!({}));
    let printed = json!({"script": "printf '\\033[2J\\033[31mred\\nforged-line\\n'; exit 1"});
    let id = SERVER.submit_with("tools", "sh", &printed, &[("max_attempts", json!(1))]);
    SERVER.ended(&id);
    let shown = [&["jobs", "list"][..], &["jobs", "show", id_of(&job)], &["jobs", "show", &id]];
    for arguments in shown {
        let output = SERVER.place().stockade(arguments);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("red"), "the text is shown: {text}");
        let steering =
            |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
        assert!(!text.contains(steering), "{arguments:?}: {text:?}");
        assert!(text.lines().all(|line| !line.starts_with("ERROR forged")), "{text}");
    }
    // What became of it is logged a moment after it is on the row.
    let log = polled(std::time::Duration::from_secs(2), || {
        let log = SERVER.log();
        log.contains("forged-in-full").then_some(log)
    });
    let log = log.unwrap_or_else(|| panic!("{}", SERVER.log()));
    assert!(!log.contains('\u{1b}') && !log.lines().any(|line| line.starts_with("ERROR forged")), "{log}");
}

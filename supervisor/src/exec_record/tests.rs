use std::io::Write as _;

use serde_json::json;
use tempfile::TempDir;

use super::*;

fn with_entries(count: usize) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let mut record = ExecRecord::open(directory.path()).unwrap();
    for number in 0..count {
        record.append("attempt.started", Uuid::new_v4(), &json!({"number": number, "half": 0.1})).unwrap();
    }
    let path = directory.path().join(FILE_NAME);
    (directory, path)
}

fn rewrite(path: &Path, change: impl FnOnce(Vec<String>) -> Vec<String>) {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = change(text.lines().map(str::to_owned).collect());
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_record_that_nobody_touched_verifies() {
    let (_directory, path) = with_entries(5);
    assert_eq!(verify(&path).unwrap().entries, 5);
}

#[test]
fn a_changed_entry_is_found() {
    let (_directory, path) = with_entries(5);
    rewrite(&path, |mut lines| {
        lines[2] = lines[2].replace("\"number\":2", "\"number\":7");
        lines
    });
    assert!(matches!(verify(&path), Err(Broken::Link { line: 3, .. })));
}

#[test]
fn a_removed_entry_is_found() {
    let (_directory, path) = with_entries(5);
    rewrite(&path, |mut lines| {
        lines.remove(1);
        lines
    });
    assert!(matches!(verify(&path), Err(Broken::Link { line: 2, reason: "entries before it are missing" })));
}

#[test]
fn entries_in_another_order_are_found() {
    let (_directory, path) = with_entries(5);
    rewrite(&path, |mut lines| {
        lines.swap(1, 2);
        lines
    });
    assert!(verify(&path).is_err());
}

#[test]
fn writers_at_the_same_time_take_turns() {
    let (directory, path) = with_entries(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut record = ExecRecord::open(directory.path()).unwrap();
                for _ in 0..10 {
                    record.append("attempt.started", Uuid::new_v4(), &json!({})).unwrap();
                }
            });
        }
    });
    assert_eq!(verify(&path).unwrap().entries, 40);
}

#[test]
fn a_line_torn_by_a_crash_is_cut_off_and_the_record_says_so() {
    let (directory, path) = with_entries(2);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":3,\"at").unwrap();
    assert!(matches!(verify(&path), Err(Broken::Malformed { line: 3, .. })));
    ExecRecord::open(directory.path())
        .unwrap()
        .append("attempt.started", Uuid::new_v4(), &json!({}))
        .unwrap();
    assert_eq!(verify(&path).unwrap().entries, 4);
    assert!(std::fs::read_to_string(&path).unwrap().contains("record.mended"));
}

#[test]
fn a_first_line_torn_by_a_crash_is_mended_too() {
    let (directory, path) = with_entries(0);
    std::fs::write(&path, b"{\"seq").unwrap();
    ExecRecord::open(directory.path())
        .unwrap()
        .append("attempt.started", Uuid::new_v4(), &json!({}))
        .unwrap();
    assert_eq!(verify(&path).unwrap().entries, 2);
}

#[test]
fn nothing_is_appended_to_a_damaged_record() {
    let (directory, path) = with_entries(1);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"not an entry\n").unwrap();
    let mut record = ExecRecord::open(directory.path()).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        record.append("attempt.started", Uuid::new_v4(), &json!({})),
        Err(RecordError::Damaged { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn an_entry_longer_than_a_line_may_be_is_refused() {
    let (directory, path) = with_entries(1);
    let mut record = ExecRecord::open(directory.path()).unwrap();
    let body = json!({"arguments": "x".repeat(LINE_MAX)});
    assert!(matches!(
        record.append("attempt.started", Uuid::new_v4(), &body),
        Err(RecordError::TooLong { .. })
    ));
    assert_eq!(verify(&path).unwrap().entries, 1);
}

#[test]
fn a_symbolic_link_in_its_place_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/null", directory.path().join(FILE_NAME)).unwrap();
    assert!(matches!(ExecRecord::open(directory.path()), Err(RecordError::Io { operation: "open", .. })));
}

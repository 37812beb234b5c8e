//! Bytes that cross the privilege line.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stockade_plan::{Assignment, FILTER_MAX, FRAME_MAX, Mark, Reply, Report, Request, decode, encode};

/// Bytes to a request, as the launcher reads it.
pub fn request(data: &[u8]) {
    let Some(Request::Build { confinement, .. }) = same_again::<Request>(data) else { return };
    assert!(confinement.filter.instructions.len() <= FILTER_MAX);
    assert!(confinement.init_filter.instructions.len() <= FILTER_MAX);
    assert!(confinement.view.entries.len() <= 512 && confinement.landlock.rules.len() <= 512);
}

/// Bytes to a task, as a sandbox's init reads it.
pub fn task(data: &[u8]) {
    let Some(Assignment { task, mark }) = same_again::<Assignment>(data) else { return };
    // Names of processes end at a zero, and at this length.
    assert!(mark.is_none_or(|mark| mark.name().as_bytes().len() == Mark::LENGTH));
    assert!(task.inputs.len() <= 64 && task.outputs.len() <= 64);
    for output in &task.outputs {
        assert!(!output.path.as_str().split('/').any(|part| matches!(part, "" | "." | "..")));
    }
    for input in &task.inputs {
        assert!(!input.name.as_str().contains(['/', '\0']));
    }
    for argument in &task.command.arguments {
        assert!(
            argument.to_c_string().as_bytes().len() == argument.as_str().len(),
            "an argument was cut short"
        );
    }
}

/// Bytes to a reply, as the supervisor reads it.
pub fn reply(data: &[u8]) {
    same_again::<Reply>(data);
}

/// Bytes to a report, as the supervisor reads it.
pub fn report(data: &[u8]) {
    if let Some(Report::Chunk(bytes)) = same_again::<Report>(data) {
        assert!(bytes.len() <= 65_536);
    }
}

/// Decodes a value. One that was taken is shown, and encodes to bytes no longer than it came in, which decode to it.
fn same_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let value: T = decode(data).ok()?;
    assert!(data.len() <= FRAME_MAX);
    let bytes = encode(&value).unwrap_or_else(|error| panic!("what was decoded does not encode: {error}"));
    assert!(bytes.len() <= data.len(), "an encoding that is longer than the shortest");
    assert_eq!(decode::<T>(&bytes).as_ref(), Ok(&value));
    Some(value)
}

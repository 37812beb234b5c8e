//! Bytes that cross the privilege line.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stockade_plan::{FILTER_MAX, FRAME_MAX, Reply, Report, Request, decode, encode};

/// Bytes to a request, as the launcher reads it. A plan that was taken has a digest, and is within its bounds.
pub fn request(data: &[u8]) {
    let Some(request) = same_again::<Request>(data) else { return };
    let plan = &request.plan;
    assert!(plan.digest().is_ok(), "a plan that came in a frame fits into one");
    assert!(
        plan.filter.instructions.len() <= FILTER_MAX && plan.init_filter.instructions.len() <= FILTER_MAX
    );
    assert!(plan.inputs.len() <= 64 && plan.outputs.len() <= 64);
    assert!(plan.view.entries.len() <= 512 && plan.landlock.rules.len() <= 512);
    for output in &plan.outputs {
        assert!(!output.path.as_str().split('/').any(|part| matches!(part, "" | "." | "..")));
    }
    for input in &plan.inputs {
        assert!(!input.name.as_str().contains(['/', '\0']));
    }
    for argument in &plan.command.arguments {
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

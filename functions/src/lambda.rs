//! What AWS Lambda answers.

use serde_json::Value;

pub use crate::report::read as report;
use crate::{CutOff, Fault};

/// How a function failed whose answer says so by `kind`, the header `X-Amz-Function-Error`.
///
/// The text is the function's, or of the runtime that it brings; its kind says at most why this one attempt failed.
pub fn fault(kind: &str, payload: &[u8]) -> Fault {
    let said: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
    let member = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    let (error, message) = (member("errorType"), member("errorMessage"));
    let text = match (error, message) {
        ("", "") => format!("the function failed ({kind})"),
        ("", message) => format!("the function failed ({kind}): {message}"),
        (error, message) => format!("the function failed ({kind}) with `{error}`: {message}"),
    };
    if kind != "Unhandled" {
        return Fault::Threw(text);
    }
    match error {
        "Sandbox.Timedout" => Fault::CutOff(CutOff::Timeout, text),
        "Runtime.OutOfMemory" => Fault::CutOff(CutOff::Memory, text),
        "Runtime.ExitError" | "Runtime.Unknown" | "Extension.Crash" => Fault::CutOff(CutOff::Crash, text),
        // Older platforms name no kind.
        "" if message.contains("Task timed out after") => Fault::CutOff(CutOff::Timeout, text),
        "" => Fault::CutOff(CutOff::Crash, text),
        _ => Fault::Threw(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_threw_is_told_from_one_that_was_cut_off() {
        let threw = br#"{"errorType":"ValueError","errorMessage":"no rows"}"#;
        assert_eq!(
            fault("Unhandled", threw),
            Fault::Threw("the function failed (Unhandled) with `ValueError`: no rows".to_owned())
        );
        assert!(matches!(fault("Handled", b"garbage"), Fault::Threw(_)));
        for (payload, expected) in [
            (r#"{"errorType":"Sandbox.Timedout","errorMessage":"x"}"#, CutOff::Timeout),
            (r#"{"errorMessage":"2026-01-01 Task timed out after 3.00 seconds"}"#, CutOff::Timeout),
            (r#"{"errorType":"Runtime.OutOfMemory"}"#, CutOff::Memory),
            (r#"{"errorType":"Runtime.ExitError"}"#, CutOff::Crash),
            ("garbage", CutOff::Crash),
        ] {
            assert!(
                matches!(fault("Unhandled", payload.as_bytes()), Fault::CutOff(found, _) if found == expected),
                "{payload}"
            );
        }
        // Only the platform says that a function was cut off.
        assert!(matches!(fault("Handled", br#"{"errorType":"Sandbox.Timedout"}"#), Fault::Threw(_)));
    }
}

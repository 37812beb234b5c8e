//! What is known of a job that has ended, and of the host around it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::survivors::Processes;
use super::trap::Trap;
use crate::store::{Attempt, Job, Output};
use crate::text::visible_bytes;

/// A job that has ended.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) job: Job,
    pub(super) attempt: Attempt,
    pub(super) outputs: Vec<Output>,
}

/// The host while and after the jobs ran.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// Something on the host that can be connected to.
    pub(super) trap: Trap,
    /// The path that a job tries to write to.
    pub(super) plant: String,
    /// The users whose processes were seen while the jobs ran.
    pub(super) seen: BTreeSet<u32>,
    /// The processes after the last job had ended.
    pub(super) left: Processes,
}

impl Observed {
    /// How its attempt ended.
    pub(super) fn verdict(&self) -> &str {
        &self.attempt.status
    }

    /// Why it failed, as the supervisor says.
    pub(super) fn error(&self) -> &str {
        self.attempt.error.as_deref().unwrap_or("no reason")
    }

    /// The last thing that the job itself complained of.
    pub(super) fn last_words(&self) -> String {
        let said = visible_lines(&self.attempt.stderr.bytes);
        said.into_iter().rev().find(|line| !line.trim().is_empty()).unwrap_or_default()
    }

    /// The error number that Python names in them.
    pub(super) fn errno(&self) -> Option<i32> {
        errno(&self.last_words())
    }

    /// A measured value.
    pub(super) fn usage(&self, key: &str) -> Option<f64> {
        self.attempt.resource_usage.as_ref()?.get(key)?.as_f64()
    }

    /// A limit that was in force.
    pub(super) fn limit(&self, key: &str) -> Option<u64> {
        self.context("limits")?.get(key)?.as_u64()
    }

    /// The id it ran as on the host.
    pub(super) fn host_uid(&self) -> Option<u32> {
        u32::try_from(self.context("host_uid")?.as_u64()?).ok()
    }

    /// What was refused it, counted by that layer: what it was applied to, and how often.
    pub(super) fn denial(&self, layer: &str, what: &str) -> Option<(String, u64)> {
        let denials = self.context("denials")?.as_array()?;
        let denial = denials.iter().find(|denial| denial["layer"] == layer && denial["what"] == what)?;
        Some((denial["target"].as_str()?.to_owned(), denial["count"].as_u64()?))
    }

    /// The state of a layer of what was in force.
    pub(super) fn layer(&self, name: &str) -> Option<&str> {
        self.context("enforcement")?.get(name)?.get("state")?.as_str()
    }

    /// What was found at an output.
    pub(super) fn output(&self, name: &str) -> Option<&Output> {
        self.outputs.iter().find(|output| output.path == name.as_bytes())
    }

    /// What it printed.
    pub(super) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.attempt.stdout.bytes).into_owned()
    }

    fn context(&self, key: &str) -> Option<&Value> {
        self.attempt.security_context.as_ref()?.get(key)
    }
}

/// `PermissionError: [Errno 13] Permission denied`
fn errno(words: &str) -> Option<i32> {
    words.split_once("[Errno ")?.1.split_once(']')?.0.parse().ok()
}

fn visible_lines(bytes: &[u8]) -> Vec<String> {
    bytes.split(|byte| *byte == b'\n').map(visible_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_that_a_script_saw_is_read_out_of_what_it_says() {
        assert_eq!(errno("FileNotFoundError: [Errno 2] No such file or directory: '/etc/shadow'"), Some(2));
        assert_eq!(errno("ZeroDivisionError: division by zero"), None);
    }

    #[test]
    fn what_a_job_printed_cannot_steer_the_terminal() {
        assert_eq!(visible_lines(b"a\n\x1b[2J"), ["a", "\\u001b[2J"]);
    }
}

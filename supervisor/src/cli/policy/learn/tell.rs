//! What is said of a learned policy.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use stockade_plan::{Digest, Ended};
use stockade_policies::{Draft, PolicyName};

use super::proof::Proof;
use crate::output;
use crate::report::insert_bytes;
use crate::text::visible_bytes;

/// The last of a failed run's error output that is shown, bytes.
const SHOWN_MAX: usize = 4096;

/// A policy that was learned.
#[derive(Debug)]
pub(super) struct Learned {
    pub(super) name: PolicyName,
    pub(super) draft: Draft,
    pub(super) proof: Proof,
    /// How many runs it took to prove it.
    pub(super) runs: usize,
    pub(super) program: Option<Ended>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) usage: Option<Value>,
}

impl Learned {
    /// Prints what was learned. Where the policy goes to standard output, what the program printed there goes to standard
    /// error.
    pub(super) fn tell(&self, as_json: bool, path: Option<&Path>) -> io::Result<()> {
        if as_json {
            return output::json(&self.object(path));
        }
        let mut err = io::stderr().lock();
        match path {
            Some(_) => io::stdout().lock().write_all(&self.stdout)?,
            None => err.write_all(&self.stdout)?,
        }
        err.write_all(&self.stderr)?;
        drop(err);
        output::complain(&self.summary(path));
        if path.is_none() {
            io::stdout().lock().write_all(self.draft.text.as_bytes())?;
        }
        Ok(())
    }

    fn summary(&self, path: Option<&Path>) -> String {
        let place = path.map_or("standard output".to_owned(), |path| format!("`{}`", path.display()));
        let mut text = format!("policy `{}` written to {place}: a draft, to be read\n", self.name);
        let recorded = match self.program {
            Some(Ended::Exited(code)) => format!("exit code {code}"),
            Some(Ended::Signaled(signal)) => format!("signal {signal}"),
            None => "no end".to_owned(),
        };
        if self.program != Some(Ended::Exited(0)) {
            text += &format!(
                "the program failed in the recording ({recorded}): the policy is that of a failure\n"
            );
        }
        if !self.draft.refused.is_empty() {
            text +=
                &format!("not granted, though tried: {}; see the policy's end\n", self.draft.refused.len());
        }
        text += &match (&self.proof.same_end, &self.proof.error) {
            (true, _) if self.proof.same_stdout => {
                format!("proved: run again under it, the program ended with {recorded} and printed the same")
            }
            (true, _) => {
                format!(
                    "proved: run again under it, the program ended with {recorded}; it printed something else"
                )
            }
            (false, error) => {
                let error = error.as_deref().unwrap_or("exited with code 0");
                let tail = self.proof.stderr.get(self.proof.stderr.len().saturating_sub(SHOWN_MAX)..);
                format!(
                    "NOT PROVED: recorded {recorded}, run again under it: {error}\n{}",
                    visible_lines(tail)
                )
            }
        };
        text
    }

    fn object(&self, path: Option<&Path>) -> Value {
        let proof = &self.proof;
        let (exit_code, signal) = match self.program {
            Some(Ended::Exited(code)) => (Some(code), None),
            Some(Ended::Signaled(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        let mut recording = Map::new();
        recording.insert("exit_code".to_owned(), json!(exit_code));
        recording.insert("signal".to_owned(), json!(signal));
        recording.insert("stdout_sha256".to_owned(), json!(Digest::of(&self.stdout)));
        insert_bytes(&mut recording, "stdout", &self.stdout);
        insert_bytes(&mut recording, "stderr", &self.stderr);
        recording.insert("resource_usage".to_owned(), json!(self.usage));
        let mut proved = Map::new();
        proved.insert("runs".to_owned(), json!(self.runs));
        proved.insert("same_end".to_owned(), json!(proof.same_end));
        proved.insert("same_stdout".to_owned(), json!(proof.same_stdout));
        proved.insert("exit_code".to_owned(), json!(proof.exit_code));
        proved.insert("signal".to_owned(), json!(proof.signal));
        proved.insert("error".to_owned(), json!(proof.error));
        insert_bytes(&mut proved, "stderr", &proof.stderr);
        json!({
            "ok": proof.holds(), "policy": self.name, "path": path.map(|path| path.display().to_string()),
            "text": self.draft.text, "refused": self.draft.refused, "recording": recording, "proof": proved,
        })
    }
}

/// What a program printed, line by line, each made visible.
fn visible_lines(bytes: Option<&[u8]>) -> String {
    let lines = bytes.unwrap_or_default().split(|byte| *byte == b'\n').map(visible_bytes);
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

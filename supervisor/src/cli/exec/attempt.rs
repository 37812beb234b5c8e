//! A job without a queue, and its record.

use serde_json::{Value, json};
use stockade_plan::Digest;
use stockade_policies::Egress;
use stockade_sandbox::{End, Lost, Sandbox, SandboxJob, Usage};
use uuid::Uuid;

use super::code;
use crate::cli::CliError;
use crate::exec_record::ExecRecord;
use crate::report::{self, Circumstances};
use crate::runner::shell::network;
use crate::runner::{Finished, Refusal, WorkFacts};
use crate::store::Verdict;

/// What became of the job, and what to exit with.
pub(in crate::cli) struct Ended {
    pub(in crate::cli) finished: Finished,
    pub(in crate::cli) code: u8,
    /// How it ended and what it used up, if it ran.
    pub(in crate::cli) ran: Option<(End, Usage)>,
    /// Why some of its output and of its error output did not reach the caller.
    pub(in crate::cli) lost: [Option<Lost>; 2],
}

/// What is on record of a job before it runs.
pub(in crate::cli) struct Attempt<'a> {
    id: Uuid,
    command: &'a [String],
    pub(in crate::cli) facts: WorkFacts,
    pub(in crate::cli) around: Circumstances<'a>,
}

impl<'a> Attempt<'a> {
    pub(in crate::cli) fn new(command: &'a [String], facts: WorkFacts, around: Circumstances<'a>) -> Self {
        Self { id: Uuid::new_v4(), command, facts, around }
    }

    /// Records that the job was not let run.
    pub(in crate::cli) fn refuse(
        &self,
        refusal: Refusal,
        record: &mut ExecRecord,
    ) -> Result<Ended, CliError> {
        let finished = match refusal {
            Refusal::Refused(error) => Finished::failed(Verdict::Refused, error),
            Refusal::CannotSetUp(error) => Finished::failed(Verdict::SetupFailed, error),
        };
        let mut body = self.started(&[], &[]);
        merge(&mut body, self.ended(&finished));
        record.append("attempt.refused", self.id, &body)?;
        Ok(Ended { code: code::of_unrun(&finished), finished, ran: None, lost: [None, None] })
    }

    /// Records the start, runs the job, records the end. `over` is what is to be done beside that when the job has ended.
    pub(in crate::cli) async fn run(
        &self,
        sandbox: &Sandbox,
        job: SandboxJob,
        egress: Option<Egress>,
        record: &mut ExecRecord,
        over: impl Future<Output = ()>,
    ) -> Result<Ended, CliError> {
        let names: Vec<String> = job.plan.task.inputs.iter().map(|input| input.name.to_string()).collect();
        let started = self.started(&names, &job.inputs);
        // It is written while the sandbox is built, and the job begins when it is on the disk.
        let recorded = async {
            record.append("attempt.started", self.id, &started)?;
            // The thread that will record the end is there before it is needed.
            drop(tokio::task::spawn_blocking(|| ()));
            Ok::<_, CliError>(())
        };
        let job = network::run_when(sandbox, job, egress, recorded).await?;
        let ran = job.outcome.as_ref().ok().map(|outcome| (outcome.end, outcome.usage.clone()));
        let lost = job
            .outcome
            .as_ref()
            .map_or([None, None], |outcome| [outcome.stdout.lost.clone(), outcome.stderr.lost.clone()]);
        let finished = job.finished();
        let code = ran.as_ref().map_or_else(|| code::of_unrun(&finished), |(end, _)| code::of_end(*end));
        let ended = Ended { code, finished, ran, lost };
        let body = self.ended(&ended.finished);
        let recorded = record.append_aside("attempt.ended", self.id, body, shortened);
        // What the sandbox was made of is cleared away while the disk is at work.
        let (recorded, ()) = tokio::join!(biased; recorded, over);
        recorded?;
        Ok(ended)
    }

    fn started(&self, names: &[String], inputs: &[Vec<u8>]) -> Value {
        let inputs: Vec<Value> = names
            .iter()
            .zip(inputs)
            .map(|(name, bytes)| json!({"name": name, "size": bytes.len(), "sha256": Digest::of(bytes)}))
            .collect();
        json!({
            "command": self.command, "inputs": inputs, "user": self.around.user, "policy": self.facts.policy,
            "plan_sha256": self.facts.plan_sha256, "environment": self.facts.environment,
            "limits": self.facts.limits, "host": self.around.host,
        })
    }

    fn ended(&self, finished: &Finished) -> Value {
        let outputs: Vec<Value> = finished.outputs.iter().map(report::output_facts).collect();
        json!({
            "status": finished.verdict, "exit_code": finished.exit_code, "signal": finished.signal,
            "error": finished.error, "outputs": outputs, "resource_usage": finished.usage,
            "security_context": report::security_context(Some(&self.facts), finished, &self.around),
        })
    }
}

/// An end without what in it can be long.
fn shortened(end: &Value) -> Value {
    let mut short = end.clone();
    if let Some(context) = short.get_mut("security_context") {
        *context = report::shortened(context);
    }
    short
}

fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec_record::{FILE_NAME, verify};

    #[tokio::test]
    async fn an_end_that_is_too_long_for_the_record_is_recorded_without_what_makes_it_long() {
        let directory = tempfile::tempdir().unwrap();
        let mut record = ExecRecord::open(directory.path()).unwrap();
        let job = Uuid::new_v4();
        record.append("attempt.started", job, &json!({"command": ["/usr/bin/true"]})).unwrap();
        for (denials, connections) in [(2, 1), (20_000, 3)] {
            let denials: Vec<Value> =
                (0..denials).map(|number| json!({"target": format!("{number:060}")})).collect();
            let network = json!({"connections": vec!["192.0.2.1:80"; connections], "not_listed": 0});
            let end = json!({"status": "completed", "exit_code": 0,
                "security_context": {"policy": "p", "denials": denials, "network": network}});
            record.append_aside("attempt.ended", job, end, shortened).await.unwrap();
        }
        let path = directory.path().join(FILE_NAME);
        assert_eq!(verify(&path).unwrap().entries, 3);
        let text = std::fs::read_to_string(path).unwrap();
        let ends: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        let bodies: Vec<&Value> = ends.iter().map(|end| &end["body"]).collect();
        assert_eq!(bodies[0]["security_context"]["denials"].as_array().unwrap().len(), 2);
        assert_eq!(bodies[0]["security_context"].get("left_out"), None);
        assert_eq!((&bodies[1]["status"], &bodies[1]["exit_code"]), (&json!("completed"), &json!(0)));
        let context = &bodies[1]["security_context"];
        assert_eq!(context["left_out"], json!({"denials": 20_000, "connections": 3}));
        assert_eq!((&context["denials"], &context["policy"]), (&json!([]), &json!("p")));
    }
}

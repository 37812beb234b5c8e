//! `stockade jobs show`

use std::process::ExitCode;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Value, json};

use super::{Common, list};
use crate::cli::{CliError, exit};
use crate::output;
use crate::report;
use crate::store::{Attempt, Job, JobId, JobStatus, Output, Store};

/// Show a job: its row, its attempts, what it printed and left
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stockade jobs show 0e8a3c52-7d5b-4a6e-9f0d-0c5b8a3e6f11 --json")]
pub(super) struct Show {
    /// The job's id
    id: JobId,
    #[command(flatten)]
    common: Common,
}

impl Show {
    pub(super) fn run(self) -> Result<ExitCode, CliError> {
        let (id, as_json) = (self.id, self.common.json);
        self.common.with_store(|store| async move {
            let missing = || CliError::Other(format!("there is no job `{id}`, or it is another tenant's"));
            let job = store.job(id).await?.ok_or_else(missing)?;
            print(&store, &job, as_json).await
        })?;
        Ok(exit::check(true))
    }
}

/// Prints a job with its attempts.
pub(in crate::cli) async fn print(store: &Store, job: &Job, as_json: bool) -> Result<(), CliError> {
    let attempts = store.attempts(job.id).await?;
    let last = attempts.last().map_or(0, |attempt| attempt.attempt);
    let outputs = store.outputs(job.id, last).await?;
    let untaken = untaken(store, job).await?;
    match as_json {
        true => output::json(&as_value(job, &attempts, &outputs, untaken)?)?,
        false => print_text(job, &attempts, &outputs, untaken)?,
    }
    Ok(())
}

/// Why a job that waits will wait on, if no worker that lives takes jobs of its execution type.
async fn untaken(store: &Store, job: &Job) -> Result<Option<String>, CliError> {
    if job.is_final() || job.status == JobStatus::Running {
        return Ok(None);
    }
    let taken = store.taken_execution_types().await?;
    let all =
        if taken.is_empty() { "none lives".to_owned() } else { format!("they take {}", taken.join(", ")) };
    let named = &job.execution_type;
    let why =
        || format!("no worker takes jobs of execution type `{named}`: {all}; start one that has its runner");
    Ok((!taken.contains(named)).then(why))
}

fn as_value(
    job: &Job,
    attempts: &[Attempt],
    outputs: &[Output],
    untaken: Option<String>,
) -> Result<Value, CliError> {
    let mut value = serde_json::to_value(job).map_err(std::io::Error::other)?;
    if let Value::Object(members) = &mut value {
        members.insert("waits_because".to_owned(), json!(untaken));
        members.insert("attempt_list".to_owned(), attempts.iter().map(attempt_value).collect());
        members.insert("outputs".to_owned(), outputs.iter().map(output_value).collect());
    }
    Ok(value)
}

fn attempt_value(attempt: &Attempt) -> Value {
    let (policy_name, policy_version, policy_sha256) = &attempt.policy;
    let mut value = json!({
        "attempt": attempt.attempt, "worker_id": attempt.worker, "status": attempt.status,
        "started_at": attempt.started_at, "ended_at": attempt.ended_at, "error": attempt.error,
        "policy": {"name": policy_name, "version": policy_version, "sha256": policy_sha256},
        "plan_sha256": attempt.plan_sha256, "registry_sha256": attempt.registry_sha256,
        "resource_usage": attempt.resource_usage, "security_context": attempt.security_context,
        "exit_code": attempt.exit_code, "signal": attempt.signal,
        "truncated": attempt.stdout.truncated || attempt.stderr.truncated,
    });
    if let Value::Object(members) = &mut value {
        report::insert_bytes(members, "stdout", &attempt.stdout.bytes);
        report::insert_bytes(members, "stderr", &attempt.stderr.bytes);
    }
    value
}

fn output_value(output: &Output) -> Value {
    json!({
        "path": String::from_utf8_lossy(&output.path), "state": output.state, "size": output.size,
        "base64": output.bytes.as_ref().map(|bytes| STANDARD.encode(bytes)),
    })
}

fn print_text(
    job: &Job,
    attempts: &[Attempt],
    outputs: &[Output],
    untaken: Option<String>,
) -> Result<(), CliError> {
    output::line(&format!("job        {}", job.id))?;
    output::line(&format!("identifier {}", job.identifier))?;
    output::line(&format!("calls      {}.{}", job.service_name, job.operation))?;
    output::line(&format!(
        "status     {} ({} of {} attempts)",
        list::status(job),
        job.attempts,
        job.max_attempts
    ))?;
    if let Some(why) = untaken {
        output::line(&format!("waits      {why}"))?;
    }
    output::line(&format!("created    {}", job.created_at))?;
    if let Some(error) = &job.error_message {
        output::line(&format!("error      {error}"))?;
    }
    for attempt in attempts {
        print_attempt(attempt)?;
    }
    for output in outputs {
        let name = String::from_utf8_lossy(&output.path);
        output::line(&format!("output     {name}: {}, {} bytes", output.state, output.size))?;
    }
    Ok(())
}

fn print_attempt(attempt: &Attempt) -> Result<(), CliError> {
    let error = attempt.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    output::line(&format!("attempt {}  {}{error}", attempt.attempt, attempt.status))?;
    if let Some(usage) = &attempt.resource_usage {
        output::line(&format!("  used     {}", usage_text(usage)))?;
    }
    let denials = attempt.security_context.as_ref().and_then(|context| context.get("denials")?.as_array());
    for denial in denials.into_iter().flatten() {
        output::line(&format!("  refused  {}", denial_text(denial)))?;
    }
    let network = attempt.security_context.as_ref().and_then(|context| context.get("network"));
    let connections = network.and_then(|network| network.get("connections")?.as_array());
    for connection in connections.into_iter().flatten() {
        output::line(&format!("  network  {}", connection_text(connection)))?;
    }
    for (name, stream) in [("stdout", &attempt.stdout), ("stderr", &attempt.stderr)] {
        for (index, line) in String::from_utf8_lossy(&stream.bytes).lines().enumerate() {
            output::line(&format!("  {:8} {line}", if index == 0 { name } else { "" }))?;
        }
        if stream.truncated {
            output::line("           … (there was more)")?;
        }
    }
    Ok(())
}

/// `a.example:443 (203.0.113.10), connect: allowed, 719 bytes out, 1632 in`.
fn connection_text(connection: &Value) -> String {
    let text = |key: &str| connection.get(key).and_then(Value::as_str);
    let bytes = |key: &str| connection.get(key).and_then(Value::as_u64).unwrap_or_default();
    let address = text("address").map(|address| format!(" ({address})")).unwrap_or_default();
    let reason = text("reason").map(|reason| format!(" because {reason}")).unwrap_or_default();
    format!(
        "{}{address}, {}: {}{reason}, {} bytes out, {} in",
        text("destination").unwrap_or_default(),
        text("how").unwrap_or_default(),
        text("verdict").unwrap_or_default(),
        bytes("sent_bytes"),
        bytes("received_bytes"),
    )
}

fn usage_text(usage: &Value) -> String {
    let number = |key: &str| usage.get(key).and_then(Value::as_f64);
    let cpu = number("user_cpu_ms").zip(number("system_cpu_ms")).map(|(user, system)| user + system);
    let parts = [
        number("wall_ms").map(|wall| format!("{wall:.0} ms")),
        cpu.map(|cpu| format!("{cpu:.0} ms of processor time")),
        number("peak_memory_mb").map(|peak| format!("{peak:.0} MiB at most")),
        number("peak_processes").map(|peak| format!("{peak} processes at most")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn denial_text(denial: &Value) -> String {
    let text = |key: &str| denial.get(key).and_then(Value::as_str).unwrap_or_default();
    let count = denial.get("count").and_then(Value::as_u64).unwrap_or(1);
    format!("{} {} ({count} times, by {})", text("what"), text("target"), text("layer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_and_denials_read_as_sentences() {
        let usage = json!({"wall_ms": 12.4, "user_cpu_ms": 1.0, "system_cpu_ms": 2.0, "peak_processes": 3});
        assert_eq!(usage_text(&usage), "12 ms, 3 ms of processor time, 3 processes at most");
        let denial = json!({"layer": "cgroup", "what": "fork", "target": "limit of 4 processes", "count": 7});
        assert_eq!(denial_text(&denial), "fork limit of 4 processes (7 times, by cgroup)");
    }
}

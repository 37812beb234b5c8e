//! What a container's job used, and what was refused it, as far as the container's control group counts it.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Map, Value, json};
use stockade_plan::{Account, Limits};
use stockade_sandbox::{Captured, Collected, Denial};

/// `ru_inblock` and `ru_oublock` count in this unit; getrusage(2).
const BLOCK_BYTES: u64 = 512;
const MIB: f64 = 1024.0 * 1024.0;

/// A usage with the keys of a sandbox's. What is not known is null, and `unknown` says why.
pub(super) fn usage(account: Option<&Account>, setup: Duration, lived: Duration) -> Value {
    let Some(account) = account else {
        let why = "the container was killed before it could tell what it had counted";
        let mut members: Map<String, Value> =
            KEYS.into_iter().map(|key| (key.to_owned(), Value::Null)).collect();
        let unknown: Map<String, Value> = KEYS.into_iter().map(|key| (key.to_owned(), json!(why))).collect();
        members.insert("duration_seconds".to_owned(), json!(lived.as_secs_f64()));
        members.insert("wall_ms".to_owned(), json!(lived.as_secs_f64() * 1e3));
        members.insert("setup_ms".to_owned(), json!(setup.as_secs_f64() * 1e3));
        members.insert("unknown".to_owned(), Value::Object(unknown));
        return Value::Object(members);
    };
    let counted = &account.counted;
    let cpu = counted.cpu_us;
    let wall_us = float(account.wall_us);
    let mib = |bytes: u64| float(bytes) / MIB;
    let mut unknown = Map::new();
    unknown.insert("read_bytes".to_owned(), json!("a container's first process may not read it"));
    unknown.insert("written_bytes".to_owned(), json!("a container's first process may not read it"));
    let hidden = "the container's control group does not show it";
    let mut known = |key: &str, value: Option<f64>| {
        if value.is_none() {
            unknown.insert(key.to_owned(), json!(hidden));
        }
        json!(value)
    };
    let peak = counted.peak_processes.map(|peak| peak.saturating_sub(1));
    known("peak_processes", peak.map(float));
    let mut value = json!({
        "duration_seconds": wall_us / 1e6,
        "wall_ms": wall_us / 1e3,
        "setup_ms": setup.as_secs_f64() * 1e3,
        "user_cpu_ms": known("user_cpu_ms", cpu.map(|(user, _)| float(user) / 1e3)),
        "system_cpu_ms": known("system_cpu_ms", cpu.map(|(_, system)| float(system) / 1e3)),
        "cpu_usage_percent": known(
            "cpu_usage_percent",
            cpu.filter(|_| wall_us > 0.0).map(|(user, system)| 100.0 * float(user + system) / wall_us),
        ),
        "throttled_ms": known("throttled_ms", counted.throttled.map(|(us, _)| float(us) / 1e3)),
        "memory_mb": known("memory_mb", counted.memory_bytes.map(mib)),
        "peak_memory_mb": known("peak_memory_mb", counted.peak_memory_bytes.map(mib)),
        "peak_processes": peak,
        "read_bytes": null,
        "written_bytes": null,
        "block_read_bytes": account.rusage.blocks_in * BLOCK_BYTES,
        "block_written_bytes": account.rusage.blocks_out * BLOCK_BYTES,
        "output_bytes": account.printed.iter().sum::<u64>(),
    });
    if let Value::Object(members) = &mut value {
        members.insert("unknown".to_owned(), Value::Object(unknown));
    }
    value
}

/// What only the container itself could tell.
const KEYS: [&str; 12] = [
    "user_cpu_ms",
    "system_cpu_ms",
    "cpu_usage_percent",
    "throttled_ms",
    "memory_mb",
    "peak_memory_mb",
    "peak_processes",
    "read_bytes",
    "written_bytes",
    "block_read_bytes",
    "block_written_bytes",
    "output_bytes",
];

/// Exact up to 2^53.
#[expect(clippy::as_conversions, reason = "there is no lossless conversion; the bound is stated above")]
fn float(value: u64) -> f64 {
    value as f64
}

/// What the control group refused, in the words of a sandbox's denials.
pub(super) fn denials(
    account: &Account,
    limits: &Limits,
    stdout: &Captured,
    stderr: &Captured,
    outputs: &[Collected],
) -> Vec<Denial> {
    let denial = |layer, what, target: String, count| Denial {
        layer,
        what,
        target,
        count,
        at_least: false,
        at: Utc::now(),
    };
    let counted = &account.counted;
    let mut denials = Vec::new();
    if let Some(kills) = counted.oom_kills.filter(|kills| *kills > 0) {
        let target = format!("memory limit of {} bytes", limits.memory_bytes);
        denials.push(denial("cgroup", "out_of_memory", target, kills));
    }
    if let Some(refusals) = counted.fork_refusals.filter(|refusals| *refusals > 0) {
        denials.push(denial("cgroup", "fork", format!("limit of {} processes", limits.pids), refusals));
    }
    // Less than a millisecond is what the end of a period costs whoever uses his whole share.
    if let Some((us, periods)) = counted.throttled.filter(|(us, _)| *us >= 1000) {
        denials.push(denial("cgroup", "cpu_throttled", format!("{} ms", us / 1000), periods));
    }
    for (name, stream) in [("stdout", stdout), ("stderr", stderr)] {
        if stream.truncated {
            let target = format!("{name} beyond {} bytes", limits.output_bytes);
            denials.push(denial(
                "output",
                "write",
                target,
                stream.total_bytes.saturating_sub(limits.output_bytes),
            ));
        }
    }
    denials.extend(outputs.iter().filter_map(Denial::of_output));
    denials
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_told_nothing_leaves_every_figure_null_with_its_reason() {
        let usage = usage(None, Duration::from_millis(2), Duration::from_secs(3));
        let members = usage.as_object().unwrap();
        let nulls: Vec<&String> =
            members.iter().filter(|(_, value)| value.is_null()).map(|(key, _)| key).collect();
        let reasons: Vec<&String> = usage["unknown"].as_object().unwrap().keys().collect();
        assert_eq!(nulls, reasons);
        assert_eq!((nulls.len(), &usage["duration_seconds"]), (KEYS.len(), &json!(3.0)));
    }
}

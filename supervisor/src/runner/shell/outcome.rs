//! From what the sandbox says of a job to what Stockade says of an attempt.

use nix::sys::signal::Signal;
use serde_json::json;
use stockade_plan::{Limits, NotCollected};
use stockade_sandbox::{
    Captured, Collected, End, Enforcement, Limit, NotRun, Outcome, OutputState, RunError, State,
};

use crate::runner::Finished;
use crate::store::{Output, Stream, Verdict};

/// A job that ran.
pub fn finished(outcome: Outcome, limits: &Limits) -> Finished {
    let (verdict, error) = verdict(outcome.end, limits);
    Finished {
        error,
        exit_code: exit_code(outcome.end),
        signal: signal(outcome.end),
        stdout: stream(outcome.stdout),
        stderr: stream(outcome.stderr),
        outputs: outcome.outputs.into_iter().map(output).collect(),
        usage: serde_json::to_value(&outcome.usage).ok(),
        enforcement: serde_json::to_value(&outcome.enforcement).unwrap_or_else(|_| json!({})),
        denials: serde_json::to_value(&outcome.denials).unwrap_or_else(|_| json!([])),
        host_uid: Some(outcome.host_uid),
        ..Finished::new(verdict)
    }
}

/// A job that did not start, or whose end cannot be told.
pub fn not_run(not_run: &NotRun) -> Finished {
    let verdict = match not_run.error {
        RunError::Cancelled => Verdict::Cancelled,
        RunError::NoMemoryForSetup { .. } => Verdict::OutOfMemory,
        _ => Verdict::SetupFailed,
    };
    let enforcement = not_run.enforcement.as_ref().and_then(|found| serde_json::to_value(found).ok());
    Finished {
        enforcement: enforcement.unwrap_or_else(|| json!({})),
        host_uid: not_run.host_uid,
        ..Finished::failed(verdict, not_run.to_string())
    }
}

/// The code that it exited with.
pub(in crate::runner) fn exit_code(end: End) -> Option<i32> {
    match end {
        End::Exited(code) => Some(code),
        _ => None,
    }
}

/// The signal that ended it.
pub(in crate::runner) fn signal(end: End) -> Option<i32> {
    match end {
        End::Signaled(signal) => Some(signal),
        _ => None,
    }
}

/// How an attempt ended, and why.
pub(in crate::runner) fn verdict(end: End, limits: &Limits) -> (Verdict, Option<String>) {
    match end {
        End::Exited(0) => (Verdict::Completed, None),
        End::Exited(code) => (Verdict::Failed, Some(format!("exited with code {code}"))),
        End::Signaled(signal) => (Verdict::Failed, Some(format!("ended by {}", signal_name(signal)))),
        End::TimedOut => {
            (Verdict::TimedOut, Some(format!("ran longer than its {} s", thousandths(limits.wall_time_ms))))
        }
        End::OutOfMemory => {
            (Verdict::OutOfMemory, Some(format!("went over its {} MiB of memory", limits.memory_bytes >> 20)))
        }
        End::LimitExceeded(limit) => (Verdict::LimitExceeded, Some(exceeded(limit, limits))),
        End::Cancelled => (Verdict::Cancelled, Some("cancelled while it ran".to_owned())),
    }
}

fn exceeded(limit: Limit, limits: &Limits) -> String {
    match limit {
        Limit::CpuTime => format!("used up its {} s of processor time", thousandths(limits.cpu_time_ms)),
        Limit::Output => format!("printed more than its {} KiB", limits.output_bytes >> 10),
    }
}

/// `2500` milliseconds as `2.5`.
fn thousandths(milliseconds: u64) -> String {
    let (whole, part) = (milliseconds / 1000, milliseconds % 1000);
    if part == 0 { whole.to_string() } else { format!("{whole}.{part:03}").trim_end_matches('0').to_owned() }
}

fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |name| name.as_str().to_owned())
}

/// What was kept of a stream.
pub(in crate::runner) fn stream(captured: Captured) -> Stream {
    Stream { bytes: captured.bytes, truncated: captured.truncated }
}

/// What became of an output.
pub(in crate::runner) fn output(collected: Collected) -> Output {
    let path = collected.path.to_string().into_bytes();
    match collected.state {
        OutputState::File(bytes) => {
            let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            Output { path, state: "file".to_owned(), size, bytes: Some(bytes) }
        }
        OutputState::Not(reason) => {
            let (state, size) = not_collected(reason);
            Output { path, state: state.to_owned(), size, bytes: None }
        }
    }
}

fn not_collected(reason: NotCollected) -> (&'static str, i64) {
    match reason {
        NotCollected::Missing => ("missing", 0),
        NotCollected::Symlink => ("symlink", 0),
        NotCollected::Directory => ("directory", 0),
        NotCollected::Fifo => ("fifo", 0),
        NotCollected::Socket => ("socket", 0),
        NotCollected::Device => ("device", 0),
        NotCollected::HardLinked => ("hard_linked", 0),
        NotCollected::TooLarge { size } => ("too_large", i64::try_from(size).unwrap_or(i64::MAX)),
        NotCollected::Unreadable(_) => ("unreadable", 0),
    }
}

/// The layers that do not hold entirely, as `layer: detail`. What is told of refusals is none of them: it refuses nothing.
pub(super) fn weak_layers(enforcement: &Enforcement) -> Vec<String> {
    let confines = |name: &str| stockade_policies::LAYERS.contains(&name);
    let weak = enforcement.0.iter().filter(|(name, layer)| confines(name) && layer.state != State::Enforced);
    weak.map(|(name, layer)| format!("{name}: {}", layer.detail)).collect()
}

#[cfg(test)]
mod tests {
    use stockade_sandbox::Layer;

    use super::*;

    const LIMITS: Limits = Limits {
        memory_bytes: 128 << 20,
        pids: 4,
        cpu_quota_us: 100_000,
        cpu_time_ms: 60_000,
        wall_time_ms: 2_500,
        disk_bytes: 1 << 20,
        files: 16,
        disk_read_bytes_per_second: None,
        output_bytes: 1 << 20,
    };

    #[test]
    fn each_end_has_one_verdict_and_says_which_limit() {
        let said = |end| {
            let (verdict, error) = verdict(end, &LIMITS);
            (verdict.as_str(), error.unwrap_or_default())
        };
        let owned = |verdict, error: &str| (verdict, error.to_owned());
        assert_eq!(said(End::Exited(0)), owned("completed", ""));
        assert_eq!(said(End::Exited(137)), owned("failed", "exited with code 137"));
        assert_eq!(said(End::Signaled(11)), owned("failed", "ended by SIGSEGV"));
        assert_eq!(said(End::TimedOut), owned("timed_out", "ran longer than its 2.5 s"));
        assert_eq!(said(End::OutOfMemory), owned("out_of_memory", "went over its 128 MiB of memory"));
        assert_eq!(
            said(End::LimitExceeded(Limit::CpuTime)),
            owned("limit_exceeded", "used up its 60 s of processor time")
        );
        assert_eq!(
            said(End::LimitExceeded(Limit::Output)),
            owned("limit_exceeded", "printed more than its 1024 KiB")
        );
        assert_eq!(said(End::Cancelled), owned("cancelled", "cancelled while it ran"));
    }

    #[test]
    fn what_is_not_a_regular_file_is_reported_as_what_it_is() {
        let state = |reason| {
            let path = stockade_plan::RelPath::new("result.json").unwrap();
            output(Collected { path, state: OutputState::Not(reason) })
        };
        assert_eq!(state(NotCollected::Symlink).state, "symlink");
        assert_eq!(state(NotCollected::TooLarge { size: 9 }).size, 9);
        assert_eq!(state(NotCollected::Fifo).bytes, None);
    }

    #[test]
    fn a_job_that_did_not_start_has_the_evidence_of_the_sandbox_that_it_had() {
        let layer = Layer { state: State::Enforced, detail: "1".to_owned() };
        let enforcement = Some(Enforcement([("no_new_privs", layer)].into()));
        let with = NotRun { error: RunError::Cancelled, host_uid: Some(1_879_048_193), enforcement };
        let finished = not_run(&with);
        assert_eq!((finished.verdict, finished.host_uid), (Verdict::Cancelled, Some(1_879_048_193)));
        assert_eq!(finished.enforcement["no_new_privs"]["state"], "enforced");
        let without = not_run(&RunError::SetupDeadline.into());
        assert_eq!((without.verdict, without.host_uid), (Verdict::SetupFailed, None));
        assert_eq!(without.enforcement, json!({}));
    }

    #[test]
    fn layers_that_do_not_hold_are_named() {
        let layer = |state| Layer { state, detail: "ABI 4".to_owned() };
        let layers = [("seccomp", layer(State::Enforced)), ("landlock", layer(State::Degraded))];
        assert_eq!(weak_layers(&Enforcement(layers.into())), ["landlock: ABI 4"]);
    }

    #[test]
    fn the_time_of_a_denial_is_told_to_the_millisecond_however_finely_it_is_known() {
        for nanoseconds in [0, 972_000_000, 972_123_456] {
            let at = chrono::DateTime::from_timestamp(1_795_446_429, nanoseconds).unwrap();
            let (layer, what, target) = ("view", "open", "/etc/shadow".to_owned());
            let denial = stockade_sandbox::Denial { layer, what, target, count: 1, at_least: false, at };
            let milliseconds = nanoseconds / 1_000_000;
            let told = serde_json::to_value(denial).unwrap();
            assert_eq!(told["at"], format!("2026-11-23T15:07:09.{milliseconds:03}Z"), "{told}");
        }
    }
}

//! From what became of a container to what Stockade says of an attempt.

use serde_json::{Value, json};
use stockade_policies::ContainerPlan;
use stockade_sandbox::{End, Enforcement};

use super::account;
use super::engine::EngineFacts;
use super::known::Known;
use super::run::{NotRun, Ran};
use crate::runner::shell::network;
use crate::runner::shell::outcome::{exit_code, output, signal, stream, verdict};
use crate::runner::{ErrorClass, Finished};
use crate::secret::Redactor;
use crate::store::{Output, Retry, Stream, Verdict};

/// A job that ran.
pub(super) fn finished(
    ran: Ran,
    known: &Known,
    plan: &ContainerPlan,
    facts: &EngineFacts,
    idempotent: bool,
) -> Finished {
    let limits = &plan.errand.limits;
    let usage = account::usage(ran.account.as_deref(), ran.setup, ran.lived);
    let mut denials = ran
        .account
        .as_deref()
        .map(|account| account::denials(account, limits, &ran.stdout, &ran.stderr, &ran.outputs))
        .unwrap_or_default();
    let mut enforcement = known.enforcement(plan, facts);
    if let Some(traffic) = &ran.traffic {
        denials.extend(network::refusals(traffic));
        if let Some(layers) = &mut enforcement {
            layers.0.insert("egress", network::layer(&plan.errand.network));
        }
    }
    let (verdict, error, end) = match ran.end {
        Ok(end) => {
            let (verdict, error) = verdict(end, limits);
            (verdict, error, Some(end))
        }
        Err(why) => (Verdict::Failed, Some(unknown(&why)), None),
    };
    let class = class(end);
    Finished {
        error,
        class,
        retry: class.map_or(Retry::Default, |class| class.retry(idempotent, None)),
        exit_code: end.and_then(exit_code),
        signal: end.and_then(signal),
        stdout: stream(ran.stdout),
        stderr: stream(ran.stderr),
        outputs: ran.outputs.into_iter().map(output).collect(),
        usage: Some(usage),
        enforcement: layers(enforcement),
        denials: serde_json::to_value(&denials).unwrap_or_else(|_| json!([])),
        target: Some(known.target(plan, facts, ran.state.as_ref())),
        network: ran.traffic.and_then(|traffic| serde_json::to_value(traffic).ok()),
        host_uid: known.host_uid(facts),
        ..Finished::new(verdict)
    }
}

/// What a job that began has done by then, if it did not get to its end, nobody here knows.
fn class(end: Option<End>) -> Option<ErrorClass> {
    (end != Some(End::Exited(0))).then_some(ErrorClass::Unknown)
}

/// A job of which nobody heard that it started.
pub(super) fn not_started(
    error: &NotRun,
    known: &Known,
    plan: &ContainerPlan,
    facts: &EngineFacts,
    idempotent: bool,
) -> Finished {
    let finished = match (known.let_go, error) {
        (true, NotRun::Cancelled) => {
            Finished::failed(Verdict::Cancelled, "cancelled before its start was heard of")
        }
        (true, NotRun::Init(why)) => Finished {
            class: Some(ErrorClass::Unknown),
            retry: ErrorClass::Unknown.retry(idempotent, None),
            ..Finished::failed(Verdict::Failed, unknown(why))
        },
        _ => not_run(error),
    };
    Finished {
        target: Some(known.target(plan, facts, None)),
        enforcement: layers(known.enforcement(plan, facts)),
        host_uid: known.host_uid(facts),
        ..finished
    }
}

/// Without the secrets that the job was given. Of an output that held one the rest is kept, and its size is that of the rest.
pub(super) fn redacted(finished: Finished, redactor: &Redactor) -> Finished {
    let stream = |stream: Stream| {
        let bytes = redactor.bytes(stream.bytes);
        let bytes = if stream.truncated { redactor.cut_tail(bytes) } else { bytes };
        Stream { bytes, truncated: stream.truncated }
    };
    let output = |output: Output| {
        let Some(bytes) = output.bytes.map(|bytes| redactor.bytes(bytes)) else {
            return Output { bytes: None, ..output };
        };
        Output { size: i64::try_from(bytes.len()).unwrap_or(i64::MAX), bytes: Some(bytes), ..output }
    };
    Finished {
        error: finished.error.map(|error| redactor.text(&error)),
        stdout: stream(finished.stdout),
        stderr: stream(finished.stderr),
        outputs: finished.outputs.into_iter().map(output).collect(),
        denials: redactor.json(finished.denials),
        network: finished.network.map(|network| redactor.json(network)),
        ..finished
    }
}

fn layers(enforcement: Option<Enforcement>) -> Value {
    enforcement.and_then(|found| serde_json::to_value(found).ok()).unwrap_or_else(|| json!({}))
}

fn unknown(why: &str) -> String {
    format!("what became of the job is not known: {why}")
}

/// A job that did not start, whatever is known of it.
pub(super) fn not_run(error: &NotRun) -> Finished {
    let (class, retry) = match error {
        NotRun::Cancelled => return Finished::failed(Verdict::Cancelled, error.to_string()),
        NotRun::Engine(engine) | NotRun::Image(super::ImageError::Engine(engine)) if engine.is_passing() => {
            (ErrorClass::Retryable, Retry::Default)
        }
        NotRun::Init(_) | NotRun::Profile(_) | NotRun::Network { .. } => {
            (ErrorClass::Retryable, Retry::Default)
        }
        NotRun::Image(_)
        | NotRun::Engine(_)
        | NotRun::Unconfined(_)
        | NotRun::Inexpressible(_)
        | NotRun::LeftAway(_)
        | NotRun::Secret(_)
        | NotRun::OwnNetwork(_)
        | NotRun::Program { .. } => (ErrorClass::Permanent, Retry::Never),
    };
    Finished { class: Some(class), retry, ..Finished::failed(Verdict::SetupFailed, error.to_string()) }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::super::container::tests::{facts, plan};
    use super::super::{EngineError, ImageError};
    use super::*;

    #[test]
    fn what_was_let_go_may_have_run_and_is_not_made_again_unless_twice_is_once() {
        let (plan, facts) = (plan(), facts(false, false));
        let silent = || NotRun::Init("it said nothing".to_owned());
        let told = |error: NotRun, let_go: bool, idempotent: bool| {
            let known = Known { let_go, uid: Some(7), ..Known::default() };
            not_started(&error, &known, &plan, &facts, idempotent)
        };
        for (let_go, idempotent, class, retry) in [
            (false, false, ErrorClass::Retryable, Retry::Default),
            (true, true, ErrorClass::Unknown, Retry::Default),
            (true, false, ErrorClass::Unknown, Retry::Never),
        ] {
            let said = told(silent(), let_go, idempotent);
            assert_eq!((said.class, said.retry, said.host_uid), (Some(class), retry, Some(7)), "{said:?}");
        }
        // What init itself says of its start is known.
        let absent = NotRun::Program { what: "execute".to_owned(), error: ErrorKind::NotFound.into() };
        assert_eq!(told(absent, true, false).class, Some(ErrorClass::Permanent));
        for (let_go, word) in [(false, "before it ran"), (true, "before its start was heard of")] {
            let said = told(NotRun::Cancelled, let_go, false);
            assert_eq!(said.verdict, Verdict::Cancelled);
            assert!(said.error.unwrap().contains(word));
        }
    }

    #[test]
    fn what_began_and_did_not_come_to_its_end_is_unknown_and_what_did_is_no_error() {
        for end in
            [Some(End::Exited(1)), Some(End::Signaled(9)), Some(End::TimedOut), Some(End::Cancelled), None]
        {
            assert_eq!(class(end), Some(ErrorClass::Unknown), "{end:?}");
        }
        assert_eq!(class(Some(End::Exited(0))), None);
    }

    #[test]
    fn what_may_go_otherwise_the_next_time_is_tried_again_and_what_will_not_is_not() {
        let class = |error: NotRun| (not_run(&error).class, not_run(&error).retry);
        let gone =
            || EngineError::Gone { socket: "/run/docker.sock".to_owned(), reason: "refused".to_owned() };
        assert_eq!(class(gone().into()), (Some(ErrorClass::Retryable), Retry::Default));
        assert_eq!(class(ImageError::Engine(gone()).into()), (Some(ErrorClass::Retryable), Retry::Default));
        let full = NotRun::Network { what: "bind".to_owned(), source: ErrorKind::StorageFull.into() };
        assert_eq!(class(full), (Some(ErrorClass::Retryable), Retry::Default));
        let missing = ImageError::Missing("a@sha256:0".to_owned());
        assert_eq!(class(missing.into()), (Some(ErrorClass::Permanent), Retry::Never));
        assert_eq!(not_run(&NotRun::Cancelled).verdict, Verdict::Cancelled);
    }
}

//! From what became of a container to what Stockade says of an attempt.

use std::io::ErrorKind;

use serde_json::json;
use stockade_policies::ContainerPlan;
use stockade_sandbox::End;

use super::engine::EngineFacts;
use super::run::{NotRun, Ran};
use super::{account, evidence};
use crate::runner::shell::network;
use crate::runner::shell::outcome::{exit_code, output, signal, stream, verdict};
use crate::runner::{ErrorClass, Finished};
use crate::store::{Retry, Verdict};

/// A job that ran.
pub(super) fn finished(ran: Ran, plan: &ContainerPlan, facts: &EngineFacts, idempotent: bool) -> Finished {
    let limits = &plan.errand.limits;
    let usage = account::usage(ran.account.as_deref(), ran.setup, ran.lived);
    let mut denials = ran
        .account
        .as_deref()
        .map(|account| account::denials(account, limits, &ran.stdout, &ran.stderr, &ran.outputs))
        .unwrap_or_default();
    let mut enforcement = evidence::enforcement(&ran.evidence, plan, facts);
    if let Some(traffic) = &ran.traffic {
        denials.extend(network::refusals(traffic));
        enforcement.0.insert("egress", network::layer(&plan.errand.network));
    }
    let times = ran.state.as_ref();
    let target = json!({
        "image": plan.image,
        "image_id": ran.image_id,
        "runtime": plan.runtime.as_ref().unwrap_or(&facts.runtime),
        "engine": facts,
        "started_at": times.and_then(|state| state.started_at.as_ref()),
        "finished_at": times.and_then(|state| state.finished_at.as_ref()),
        "oom_killed": times.and_then(|state| state.oom_killed),
        "warnings": ran.warnings,
    });
    let (verdict, error, end) = match ran.end {
        Ok(end) => {
            let (verdict, error) = verdict(end, limits);
            (verdict, error, Some(end))
        }
        Err(why) => (Verdict::Failed, Some(format!("what became of the job is not known: {why}")), None),
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
        enforcement: serde_json::to_value(&enforcement).unwrap_or_else(|_| json!({})),
        denials: serde_json::to_value(&denials).unwrap_or_else(|_| json!([])),
        target: Some(target),
        network: ran.traffic.and_then(|traffic| serde_json::to_value(traffic).ok()),
        host_uid: (!facts.own_ids).then_some(ran.uid),
        ..Finished::new(verdict)
    }
}

/// What a job that began has done by then, if it did not get to its end, nobody here knows.
fn class(end: Option<End>) -> Option<ErrorClass> {
    (end != Some(End::Exited(0))).then_some(ErrorClass::Unknown)
}

/// A job that did not start.
pub(super) fn not_run(error: &NotRun) -> Finished {
    let (class, retry) = match error {
        NotRun::Cancelled => return Finished::failed(Verdict::Cancelled, error.to_string()),
        NotRun::Engine(engine) | NotRun::Image(super::ImageError::Engine(engine)) if engine.is_passing() => {
            (ErrorClass::Retryable, Retry::Default)
        }
        // A path that is too long for a socket stays so.
        NotRun::Network { source, .. } if source.kind() != ErrorKind::InvalidInput => {
            (ErrorClass::Retryable, Retry::Default)
        }
        NotRun::Init(_) | NotRun::Profile(_) => (ErrorClass::Retryable, Retry::Default),
        NotRun::Image(_)
        | NotRun::Engine(_)
        | NotRun::Unconfined(_)
        | NotRun::Inexpressible(_)
        | NotRun::LeftAway(_)
        | NotRun::Network { .. }
        | NotRun::OwnNetwork(_)
        | NotRun::Program { .. } => (ErrorClass::Permanent, Retry::Never),
    };
    Finished { class: Some(class), retry, ..Finished::failed(Verdict::SetupFailed, error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::super::{EngineError, ImageError};
    use super::*;

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
        let network = |kind: ErrorKind| NotRun::Network { what: "bind".to_owned(), source: kind.into() };
        assert_eq!(class(network(ErrorKind::StorageFull)), (Some(ErrorClass::Retryable), Retry::Default));
        assert_eq!(class(network(ErrorKind::InvalidInput)), (Some(ErrorClass::Permanent), Retry::Never));
        let missing = ImageError::Missing("a@sha256:0".to_owned());
        assert_eq!(class(missing.into()), (Some(ErrorClass::Permanent), Retry::Never));
        assert_eq!(not_run(&NotRun::Cancelled).verdict, Verdict::Cancelled);
    }
}

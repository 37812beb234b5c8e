//! The HTTP runner: one call of a server, and nothing but what the policy names.
//!
//! The client follows no redirect, uses no proxy, keeps no connection and looks up no name. All that is done here, in
//! the order in which it must be: the place is checked against the policy, its name looked up once, each address
//! judged, and the connection made to an address that was judged. A redirect begins this anew.

mod access;
mod body;
mod call;
mod credentials;
mod fault;
mod fields;
mod journal;
mod outcome;
mod place;
mod redirect;
mod request;
mod resolver;
mod send;
mod tls;
mod token;

use std::sync::Arc;
use std::time::Duration;

use stockade_policies::{EffectivePolicy, Enforces, HTTP_ENFORCES, HttpAuth, Runner};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::origin::Caller;
use super::{Boxed, Finished, JobRunner, Refusal, Request, RunnerError, Running, Work, WorkFacts};
use crate::secret::Redactor;
use crate::store::AttemptId;
use call::Call;
use fault::{Fault, Kind};
use journal::Journal;
use outcome::Terms;
use place::Place;
pub use resolver::{Lookup, OfHost};
use send::{Message, Ways};
pub(super) use tls::AUTHORITIES;
pub use tls::Authorities;
use token::Tokens;

/// Makes HTTP calls.
#[derive(Debug)]
pub struct HttpRunner {
    ways: Ways,
    running: Running,
}

impl HttpRunner {
    /// A runner that looks names up with `lookup` and trusts whom `authorities` vouch for.
    pub fn new(lookup: impl Lookup + 'static, authorities: Authorities) -> Self {
        Self {
            ways: Ways { lookup: Arc::new(lookup), authorities, tokens: Tokens::default() },
            running: Running::default(),
        }
    }
}

impl JobRunner for HttpRunner {
    fn execution_type(&self) -> &'static str {
        "http"
    }

    fn enforces(&self) -> Enforces {
        HTTP_ENFORCES
    }

    fn validate(&self, request: &Request<'_>) -> Result<Box<dyn Work>, Refusal> {
        let operation = request.operation;
        let Runner::Http(action) = operation.runner() else {
            return Err(Refusal::none_of("http", operation));
        };
        let refused = |why: &dyn ToString| Refusal::Refused(why.to_string());
        let policy = action.tightened(&request.proposal).map_err(|found| refused(&found))?;
        let settings = action.settings();
        let rights = policy.http();
        let max = usize::try_from(rights.request_bytes()).unwrap_or(usize::MAX);
        let (message, place) = request::build(settings, request.input, max).map_err(|why| refused(&why))?;
        let limits = policy.limits();
        let idempotent = action.idempotent().unwrap_or(message.method.is_idempotent());
        let facts = WorkFacts { idempotent, ..WorkFacts::of(&policy) };
        let terms = Terms {
            idempotent,
            wall: Duration::from_secs(limits.wall_seconds),
            response_bytes: rights.response_bytes(),
            output_bytes: usize::try_from(limits.output_kb.saturating_mul(1024)).unwrap_or(usize::MAX),
            tls: place.is_tls(),
        };
        let (service, auth) = (operation.service().to_owned(), settings.auth.clone());
        if let Some(named) = auth.secret().filter(|named| !policy.secrets().any(|granted| granted == *named))
        {
            return Err(Refusal::Refused(format!(
                "the policy does not grant the secret `{named}`; grant it in `secrets`, of the job's row as well if that has any"
            )));
        }
        let caller = Caller::of(&request.job);
        let (ways, running) = (self.ways.clone(), self.running.clone());
        Ok(Box::new(HttpWork { facts, policy, message, place, service, auth, caller, terms, ways, running }))
    }

    fn cancel(&self, attempt: &AttemptId) {
        self.running.cancel(attempt);
    }

    fn rules_changed(&self) {
        self.ways.tokens.forget_all();
    }

    /// A connection goes with the worker that made it: nothing is left to be dealt with.
    fn recover(&self) -> Boxed<'_, Result<(), RunnerError>> {
        Box::pin(async { Ok(()) })
    }
}

#[derive(Debug)]
struct HttpWork {
    facts: WorkFacts,
    policy: EffectivePolicy,
    message: Message,
    place: Place,
    service: String,
    auth: HttpAuth,
    caller: Caller,
    terms: Terms,
    ways: Ways,
    running: Running,
}

impl Work for HttpWork {
    fn facts(&self) -> &WorkFacts {
        &self.facts
    }

    fn execute(self: Box<Self>, attempt: AttemptId) -> Boxed<'static, Finished> {
        // Before the future is polled for the first time: `cancel` must find the attempt from now on.
        let place = self.running.enter(attempt);
        Box::pin(async move { self.run(attempt.attempt, &place.token()).await })
    }
}

impl HttpWork {
    async fn run(mut self, attempt: i32, cancel: &CancellationToken) -> Finished {
        fields::insert_own(&mut self.message.headers, &self.caller, attempt);
        let mut journal = Journal::begin();
        let (made, mut secrets) = match access::of(&self.service, &self.auth) {
            Ok((access, secrets)) => {
                let call = Call { message: self.message, place: self.place, access };
                let made =
                    bounded(call, &self.ways, &self.policy, self.terms.wall, cancel, &mut journal).await;
                (made, secrets)
            }
            Err(fault) => (Err(fault), Vec::new()),
        };
        secrets.append(&mut journal.secrets);
        outcome::finished(made, &journal, &self.terms, &Redactor::new(&secrets))
    }
}

/// The call, until it is over, its time is, or it is cancelled; what has not ended by then is dropped, and its
/// connection with it.
async fn bounded(
    call: Call,
    ways: &Ways,
    policy: &EffectivePolicy,
    wall: Duration,
    cancel: &CancellationToken,
    journal: &mut Journal,
) -> Result<call::Answer, Fault> {
    let place = call.place.clone();
    let rights = policy.http();
    let deadline = Instant::now() + wall;
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Fault::new(Kind::Cancelled, "calling", &place, "cancelled while it ran")),
        made = timeout_at(deadline, call.make(ways, &rights, deadline, journal)) => made.unwrap_or_else(|_| {
            let why = format!("it has not answered to the end in {} s", wall.as_secs());
            Err(Fault::new(Kind::TimedOut, "calling", &place, why))
        }),
    }
}

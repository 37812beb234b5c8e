//! A call from its first request to the end of its answer.

use chrono::Utc;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use stockade_policies::HttpRights;
use tokio::time::Instant;

use super::body::{self, Body, Stopped};
use super::credentials::Credentials;
use super::fault::{Fault, Kind};
use super::journal::Journal;
use super::place::Place;
use super::redirect::{NotFollowed, next};
use super::send::{Message, Ways, check_named};
use super::token::TokenRequest;

/// Everything that a call needs.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) message: Message,
    pub(super) place: Place,
    pub(super) access: Access,
}

/// Whose call it is, or how that is found out first.
#[derive(Debug)]
pub(super) enum Access {
    /// Known.
    Known(Credentials),
    /// A server is asked for a token.
    Asked(TokenRequest),
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Why the body is not whole, if it is not.
    pub(super) cut: Option<Fault>,
}

impl Call {
    /// Makes the call, redirects included. One that a kept token does not let in is made once more with a new one.
    pub(super) async fn make(
        self,
        ways: &Ways,
        rights: &HttpRights<'_>,
        deadline: Instant,
        journal: &mut Journal,
    ) -> Result<Answer, Fault> {
        check(rights, &self.message, &self.place, journal)?;
        let asked = match &self.access {
            Access::Known(credentials) => {
                return self.follow(credentials, ways, rights, deadline, journal).await;
            }
            Access::Asked(asked) => asked,
        };
        if let Some(kept) = asked.kept(ways, rights, journal)? {
            let answer = self.follow(&kept, ways, rights, deadline, journal).await?;
            // It may have been taken back before its time. Who is not let in has not done anything.
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            ways.tokens.forget(asked);
            journal.acted = false;
        }
        let fresh = asked.fetch(ways, rights, deadline, journal).await?;
        self.follow(&fresh, ways, rights, deadline, journal).await
    }

    async fn follow(
        &self,
        credentials: &Credentials,
        ways: &Ways,
        rights: &HttpRights<'_>,
        deadline: Instant,
        journal: &mut Journal,
    ) -> Result<Answer, Fault> {
        let mut place = self.place.clone();
        for followed in 0.. {
            let mut message = self.message.clone();
            // Another origin is told neither whose call it is nor what the registry adds to it.
            if place.same_origin(&self.place) {
                for (name, value) in &self.message.stated {
                    message.headers.insert(name, value.clone());
                }
                credentials.put_on(&mut message, &place, Utc::now());
            }
            let method = message.method.clone();
            journal.acted = true;
            let response = ways.send(rights, message, &place, deadline, journal).await?;
            match next(response.status(), response.headers(), &method, &place, followed) {
                Ok(Some(there)) => {
                    drop(response);
                    journal.acted = false;
                    check(rights, &self.message, &there, journal)?;
                    place = there;
                }
                Ok(None) => return read(response, rights, &place, journal).await,
                Err((target, why)) => return Err(not_followed(&place, &target, &why, journal)),
            }
        }
        Err(Fault::new(Kind::Refused, "calling", &place, "it was redirected without end"))
    }
}

/// What the policy says of a request, but for the addresses that its host's name leads to.
fn check(
    rights: &HttpRights<'_>,
    message: &Message,
    place: &Place,
    journal: &mut Journal,
) -> Result<(), Fault> {
    check_named(rights, place, journal)?;
    let (method, path) = (message.method.as_str(), place.url().path());
    let (what, why) = match () {
        () if !rights.allows_method(method) => ("method", format!("the policy does not name `{method}`")),
        () if !rights.allows_path(path) => {
            ("path", "the policy names no path that it lies beneath".to_owned())
        }
        () => return Ok(()),
    };
    journal.refused("destination", what, format_args!("{method} {place}"));
    Err(Fault::new(Kind::Refused, "calling", place, why))
}

fn not_followed(place: &Place, target: &str, why: &NotFollowed, journal: &mut Journal) -> Fault {
    journal.refused("redirects", "follow", target);
    let why = format!("the redirect to `{target}` is not followed: {why}");
    Fault::new(Kind::Refused, "calling", place, why).help("have the registry name the place that it leads to")
}

async fn read(
    mut response: reqwest::Response,
    rights: &HttpRights<'_>,
    place: &Place,
    journal: &mut Journal,
) -> Result<Answer, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    let max = usize::try_from(rights.response_bytes()).unwrap_or(usize::MAX);
    let mut body = Body::default();
    let read = body::read(&mut response, max, &mut body).await;
    journal.received = Some(body.received);
    let cut = read.err().map(|stopped| {
        let kind = match &stopped {
            Stopped::TooLarge(_) | Stopped::Bomb(_) => Kind::TooLarge,
            Stopped::Encoding(_) | Stopped::Gzip(_) | Stopped::Idle(_) | Stopped::Broken(_) => Kind::Broken,
        };
        if kind == Kind::TooLarge {
            journal.refused("answer_size", "response", format_args!("{max} bytes"));
        }
        Fault::new(kind, "reading the answer of", place, stopped)
    });
    Ok(Answer { status, headers, body: body.bytes, cut })
}

//! What functions of Google Cloud answer, and who hands out tokens for them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use crate::{Class, Fault};

/// What an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The function's own; if it failed, how.
    Answered(Option<Fault>),
    /// None of the function's: what that says of another attempt, and why.
    Refused(Class, String),
}

/// What an answer with this HTTP status is. A function's own answers and its platform's look alike; what can be either is
/// taken for what does less harm.
pub fn judged(status: u16, payload: &[u8]) -> Judged {
    let said = || String::from_utf8_lossy(payload).trim().to_owned();
    let refused = |class, what: &str| Judged::Refused(class, format!("{what} (HTTP {status}): {}", said()));
    match status {
        200..=299 => Judged::Answered(None),
        500 => {
            Judged::Answered(Some(Fault::Threw(format!("the function failed (HTTP {status}): {}", said()))))
        }
        // Nothing that is documented tells the platform's own from one that the function sends, perhaps half-way.
        429 => refused(
            Class::Unknown,
            "no instance of the function was free, or it says so itself; whether it has run is not known",
        ),
        401 | 403 => refused(Class::Permanent, "the worker's account may not call the function"),
        404 => refused(Class::Permanent, "there is no such function, or not in that revision"),
        502..=504 => refused(Class::Unknown, "the function did not answer; whether it has run is not known"),
        400..=499 => {
            refused(Class::Permanent, "the function does not take the call; see what it says of its input")
        }
        _ => refused(Class::Unknown, "the answer is none of a function; whether it has run is not known"),
    }
}

/// What an identity token says of itself. Whether it is genuine is for the function's platform to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Until when it is good.
    pub until: SystemTime,
    /// Which function it is for.
    pub audience: String,
}

/// Reads a JSON Web Token, RFC 7519, without looking at its signature.
pub fn claims(token: &str) -> Option<Claims> {
    #[derive(Deserialize)]
    struct Said {
        exp: u64,
        aud: String,
    }
    let payload = token.split('.').nth(1)?;
    let said: Said = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    // The time is the endpoint's word, and may be further off than there are times.
    let until = UNIX_EPOCH.checked_add(Duration::from_secs(said.exp))?;
    Some(Claims { until, audience: said.aud })
}

/// The identity token in the answer to a signed request for one.
pub fn granted(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Granted {
        id_token: String,
    }
    serde_json::from_str::<Granted>(body).ok().map(|granted| granted.id_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn a_token_says_for_whom_it_is_and_until_when() {
        let said = claims(&token(r#"{"aud": "https://f.run.app", "exp": 7, "iss": "x"}"#)).unwrap();
        assert_eq!(said.audience, "https://f.run.app");
        assert_eq!(said.until, UNIX_EPOCH + Duration::from_secs(7));
        let endless = format!(r#"{{"aud": "a", "exp": {}}}"#, u64::MAX);
        for none in [endless.as_str(), r#"{"aud": "a"}"#, r#"{"aud": "a", "exp": -1}"#, "", "[]"] {
            assert_eq!(claims(&token(none)), None, "{none}");
        }
        assert_eq!(claims("no token"), None);
        assert_eq!(granted(r#"{"id_token": "a.b.c"}"#).as_deref(), Some("a.b.c"));
        assert_eq!(granted(r#"{"access_token": "a"}"#), None);
    }

    #[test]
    fn an_answer_is_the_functions_or_says_what_another_attempt_would_bring() {
        assert_eq!(judged(204, b""), Judged::Answered(None));
        assert!(
            matches!(judged(500, b" boom "), Judged::Answered(Some(Fault::Threw(text))) if text.ends_with(": boom"))
        );
        for (status, class) in [
            (429, Class::Unknown),
            (403, Class::Permanent),
            (404, Class::Permanent),
            (418, Class::Permanent),
            (503, Class::Unknown),
            (302, Class::Unknown),
        ] {
            assert!(
                matches!(judged(status, b"why"), Judged::Refused(found, _) if found == class),
                "{status}"
            );
        }
    }
}

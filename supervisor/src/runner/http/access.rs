//! From where a secret is kept to the credentials of a call.

use reqwest::header::HeaderName;
use stockade_policies::HttpAuth;

use super::call::Access;
use super::credentials::Credentials;
use super::fault::{Fault, Kind};
use super::place::Place;
use super::request::percent;
use super::token::TokenRequest;
use crate::secret::{Secret, resolve};

/// What a call shows, of a secret that is fetched now, and all that must be taken out of what is kept.
pub(super) fn of(service: &str, auth: &HttpAuth) -> Result<(Access, Vec<Secret>), Fault> {
    let Some(named) = auth.secret() else {
        return Ok((Access::Known(Credentials::None), Vec::new()));
    };
    let fault = |why: &dyn ToString| Fault::of(Kind::Unprepared, "making ready to call", why.to_string());
    let secret = resolve(named).map_err(|error| fault(&error))?;
    let access = access(service, auth, secret.reveal()).map_err(|error| fault(&error))?;
    // A form in which `basic` sends it is no form of the secret alone.
    let shown = match &access {
        Access::Known(credentials) => credentials.shown(),
        Access::Asked(asked) => asked.client.shown(),
    };
    let halves = match auth {
        HttpAuth::Basic { user: None, .. } => secret.reveal().split_once(':'),
        _ => None,
    };
    let halves = halves.into_iter().flat_map(|(user, password)| [user.to_owned(), password.to_owned()]);
    let known = shown.into_iter().chain(halves).map(Secret::from).chain([secret.clone()]).collect();
    Ok((access, known))
}

/// Why a secret is none for this kind of access.
#[derive(Debug, thiserror::Error)]
enum NotAccess {
    #[error("the secret {0}")]
    Unsendable(#[from] super::credentials::Unsendable),
    #[error("the secret is no `user:password`, and `auth` names no `user`")]
    NoUser,
    #[error("`{0}` is no header field")]
    Field(String),
    #[error("`token_url`: {0}")]
    TokenUrl(#[from] super::place::NoPlace),
}

fn access(service: &str, auth: &HttpAuth, secret: &str) -> Result<Access, NotAccess> {
    let field = |name: &str| HeaderName::try_from(name).map_err(|_| NotAccess::Field(name.to_owned()));
    Ok(Access::Known(match auth {
        HttpAuth::None => Credentials::None,
        HttpAuth::BearerToken { .. } => Credentials::bearer(secret)?,
        HttpAuth::ApiKey { header, .. } => Credentials::field(field(header)?, secret)?,
        HttpAuth::Basic { user: Some(user), .. } => Credentials::basic(user, secret)?,
        HttpAuth::Basic { user: None, .. } => {
            let (user, password) = secret.split_once(':').ok_or(NotAccess::NoUser)?;
            Credentials::basic(user, password)?
        }
        HttpAuth::Hmac { header, timestamp_header, .. } => Credentials::Signature {
            key: secret.as_bytes().to_vec(),
            signature: field(header)?,
            timestamp: field(timestamp_header)?,
        },
        HttpAuth::Oauth2 { client_id, token_url, scope, .. } => {
            return Ok(Access::Asked(TokenRequest {
                service: service.to_owned(),
                place: Place::parse(token_url)?,
                // Both are form-encoded before they are put together; RFC 6749, 2.3.1.
                client: Credentials::basic(&percent(client_id), &percent(secret))?,
                scope: scope.clone(),
            }));
        }
    }))
}

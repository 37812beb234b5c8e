//! From where a secret is kept to the credentials of a call.

use reqwest::header::HeaderName;
use stockade_policies::HttpAuth;

use super::call::Access;
use super::credentials::{Credentials, Unsendable};
use super::fault::{Fault, Kind};
use super::place::Place;
use super::request::percent;
use super::token::TokenRequest;
use crate::secret::{Redactor, resolve};

/// What a call shows, of a secret that is fetched now. `redactor` knows it from then on.
pub(super) fn of(auth: &HttpAuth, redactor: &mut Redactor) -> Result<Access, Fault> {
    let Some(reference) = auth.secret() else { return Ok(Access::Known(Credentials::None)) };
    let doing = format!("fetching the secret `{reference}`");
    let fault = |why: &dyn ToString| Fault::of(Kind::Unprepared, &doing, why.to_string());
    let secret = resolve(reference).map_err(|error| fault(&error))?;
    redactor.learn(&secret);
    let text = secret.text();
    access(auth, text).map_err(|error| fault(&error))
}

//! How a call shows whose it is.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use sha2::Sha256;

use super::place::Place;
use super::send::Message;

/// What is put on each request to the origin that it is meant for.
#[derive(Clone)]
pub(super) enum Credentials {
    /// Nothing.
    None,
    /// A field that stays the same.
    Field(HeaderName, HeaderValue),
    /// A signature of each request.
    Signature {
        key: Vec<u8>,
        /// The field for the signature.
        signature: HeaderName,
        /// The field for the time that is signed with it.
        timestamp: HeaderName,
    },
}

/// A secret that cannot be sent: it has a line end, or another byte that no field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("has a byte that no header field can hold; a line end perhaps")]
pub(super) struct Unsendable;

impl Credentials {
    /// `Authorization: Bearer`; RFC 6750, 2.1.
    pub(super) fn bearer(token: &str) -> Result<Self, Unsendable> {
        Self::field(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// `Authorization: Basic`; RFC 7617.
    pub(super) fn basic(user: &str, password: &str) -> Result<Self, Unsendable> {
        Self::field(AUTHORIZATION, &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    /// A field of this name.
    pub(super) fn field(name: HeaderName, value: &str) -> Result<Self, Unsendable> {
        let mut value = HeaderValue::from_str(value).map_err(|_| Unsendable)?;
        value.set_sensitive(true);
        Ok(Self::Field(name, value))
    }

    /// What a server may send back of them.
    pub(super) fn shown(&self) -> Option<String> {
        let Self::Field(_, value) = self else { return None };
        let text = value.to_str().ok()?;
        Some(text.rsplit(' ').next().unwrap_or(text).to_owned())
    }

    /// Puts them on a request.
    pub(super) fn put_on(&self, message: &mut Message, place: &Place, now: DateTime<Utc>) {
        match self {
            Self::None => {}
            Self::Field(name, value) => drop(message.headers.insert(name.clone(), value.clone())),
            Self::Signature { key, signature, timestamp } => {
                let time = now.timestamp().to_string();
                let signed = signature_of(key, &time, message, place);
                for (name, value) in [(timestamp, time), (signature, signed)] {
                    // Digits and letters.
                    if let Ok(value) = HeaderValue::try_from(value) {
                        message.headers.insert(name.clone(), value);
                    }
                }
            }
        }
    }
}

/// HMAC-SHA256 (RFC 2104) in hexadecimal, of time, method, path with query, and body, with a line feed between two.
fn signature_of(key: &[u8], time: &str, message: &Message, place: &Place) -> String {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    let query = place.url().query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", place.url().path());
    mac.update(format!("{time}\n{}\n{path}\n", message.method).as_bytes());
    mac.update(message.body.as_deref().unwrap_or_default());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Field(..) => "Field(***)",
            Self::Signature { .. } => "Signature(***)",
        })
    }
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn a_signature_covers_time_method_path_query_and_body() {
        let place = Place::parse("https://a.example/b?c=d").unwrap();
        let sign = |time: &str, method: Method, place: &Place, body: &[u8]| {
            let message = Message {
                method,
                headers: HeaderMap::new(),
                stated: HeaderMap::new(),
                body: Some(body.to_vec()),
            };
            signature_of(b"key", time, &message, place)
        };
        let signed = sign("1", Method::POST, &place, b"{}");
        // printf '1\nPOST\n/b?c=d\n{}' | openssl dgst -sha256 -hmac key
        assert_eq!(signed, "b739c578d732f5c5d1a7110d80fca59302625a117d7de6841e50442519c775a2");
        let other = Place::parse("https://a.example/b?c=e").unwrap();
        for different in [
            sign("2", Method::POST, &place, b"{}"),
            sign("1", Method::PUT, &place, b"{}"),
            sign("1", Method::POST, &other, b"{}"),
            sign("1", Method::POST, &place, b"{ }"),
        ] {
            assert_ne!(different, signed);
        }
    }

    #[test]
    fn credentials_are_not_shown_and_forge_no_field() {
        let credentials = Credentials::bearer("hunter2").unwrap();
        assert!(!format!("{credentials:?}").contains("hunter2"));
        assert_eq!(Credentials::bearer("a\r\nx: y").unwrap_err(), Unsendable);
    }
}

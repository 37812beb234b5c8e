//! How the calls of an HTTP service show whose they are.

use std::collections::BTreeMap;

use serde::Serialize;
use stockade_plan::EnvName;

use super::settings::text;
use crate::policy::{HeaderName, SecretRef};
use crate::yaml::{Fields, Node, Reader};

/// How a call shows whose it is. Secrets are named, never written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HttpAuth {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer` and the secret.
    BearerToken {
        /// The token.
        secret: SecretRef,
    },
    /// A field with the secret in it.
    ApiKey {
        /// The key.
        secret: SecretRef,
        /// The field.
        header: String,
    },
    /// `Authorization: Basic`.
    Basic {
        /// The password; `user:password` if `user` is not said.
        secret: SecretRef,
        /// The user.
        user: Option<String>,
    },
    /// A token that is asked for with the client credentials grant (RFC 6749, 4.4).
    Oauth2 {
        /// The client's secret.
        secret: SecretRef,
        /// The client's id.
        client_id: String,
        /// Where tokens are handed out.
        token_url: String,
        /// What is asked for.
        scope: Option<String>,
    },
    /// HMAC-SHA256 of each request.
    Hmac {
        /// The key.
        secret: SecretRef,
        /// The field for the signature.
        header: String,
        /// The field for the time, which is signed with the rest.
        timestamp_header: String,
    },
}

impl HttpAuth {
    /// What `auth_type` and `auth` say together; `place` is where something is missing if anything is.
    pub(super) fn decode(
        reader: &Reader,
        kind: &str,
        place: Option<&Node>,
        node: Option<&Node>,
        service: &str,
    ) -> Option<Self> {
        let mut stated = match node {
            Some(node) => stated(reader, node)?,
            None => BTreeMap::new(),
        };
        let secret = match stated.remove("secret") {
            Some(node) => secret(reader, node)?,
            None => SecretRef::Env(conventional(service)?),
        };
        let auth = Self::of(kind, secret, &mut |name, what| match what {
            Wanted::Field => header_name(reader, stated.remove(name)?),
            Wanted::Text => text(reader, stated.remove(name), "a text"),
        });
        if let (None, Some(place)) = (&auth, place) {
            let message = format!("`auth_type: {kind}` needs `token_url` and `client_id`");
            let help =
                "add `auth: {token_url: \"https://…\", client_id: …, secret: \"env:NAME\"}` to the service";
            reader.report(reader.at(place.span).error("missing-key", message).help(help));
        } else {
            for (name, node) in stated {
                let message = format!("`{name}` is not used with `auth_type: {kind}`");
                reader.report(reader.at(node.span).error("contradiction", message).help("leave it out"));
            }
        }
        auth
    }

    fn of(
        kind: &str,
        secret: SecretRef,
        stated: &mut dyn FnMut(&'static str, Wanted) -> Option<String>,
    ) -> Option<Self> {
        let mut field = |key, default: &str| stated(key, Wanted::Field).unwrap_or_else(|| default.to_owned());
        Some(match kind {
            "bearer_token" => Self::BearerToken { secret },
            "api_key" => Self::ApiKey { secret, header: field("header", "x-api-key") },
            "basic" => Self::Basic { secret, user: stated("user", Wanted::Text) },
            "hmac" => Self::Hmac {
                secret,
                header: field("header", "x-signature"),
                timestamp_header: field("timestamp_header", "x-timestamp"),
            },
            "oauth2" => Self::Oauth2 {
                secret,
                client_id: stated("client_id", Wanted::Text)?,
                token_url: stated("token_url", Wanted::Text)?,
                scope: stated("scope", Wanted::Text),
            },
            _ => return None,
        })
    }

    /// Where its secret is kept.
    pub fn secret(&self) -> Option<&SecretRef> {
        match self {
            Self::None => None,
            Self::BearerToken { secret }
            | Self::ApiKey { secret, .. }
            | Self::Basic { secret, .. }
            | Self::Oauth2 { secret, .. }
            | Self::Hmac { secret, .. } => Some(secret),
        }
    }
}

/// The keys of `auth`, whichever `auth_type` needs them.
fn stated<'n>(reader: &Reader, node: &'n Node) -> Option<BTreeMap<&'static str, &'n Node>> {
    const KEYS: [&str; 7] =
        ["secret", "header", "timestamp_header", "user", "client_id", "token_url", "scope"];
    let mut fields = Fields::of(reader, node, "`auth`")?;
    let stated = KEYS.into_iter().filter_map(|key| Some((key, fields.optional(key)?))).collect();
    fields.finish();
    Some(stated)
}

/// What a key of `auth` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Field,
    Text,
}

fn header_name(reader: &Reader, node: &Node) -> Option<String> {
    reader.parsed(node, "the name of a header field in lower case", |text: &str| {
        HeaderName::parse(text).map(|_| text.to_owned()).map_err(|wrong| wrong.reason)
    })
}

/// The message never repeats the text: it might be the secret.
fn secret(reader: &Reader, node: &Node) -> Option<SecretRef> {
    const EXPECTED: &str = "`env:NAME`, `file:/PATH` or `credential:NAME`";
    let found = SecretRef::parse(reader.text(node, EXPECTED)?);
    if found.is_none() {
        let message = "this does not say where the secret is kept";
        let help = format!("expected {EXPECTED}; a secret never stands in a registry");
        reader.report(reader.at(node.span).error("bad-value", message).help(help));
    }
    found
}

/// Where the secret of a service is if it does not say so: in `NAME_TOKEN` of the worker's environment.
fn conventional(service: &str) -> Option<EnvName> {
    let upper = service.to_ascii_uppercase();
    let name: String = upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
    EnvName::new(format!("{name}_TOKEN")).ok()
}

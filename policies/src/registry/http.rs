//! What an HTTP service says, parsed strictly and kept for its runner.

use std::net::IpAddr;

use serde::Serialize;

use super::settings::{text, word};
use crate::policy::{AddressRange, Clauses, HostPattern, PathPrefix};
use crate::yaml::{At, Fields, Node, Reader, Spanned};

/// The settings of an HTTP operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HttpSettings {
    /// Of the service.
    #[serde(serialize_with = "plain")]
    pub(crate) base_url: Option<Spanned<String>>,
    /// Of the service: `bearer_token` and its like.
    pub auth_type: Option<String>,
    /// Of the operation.
    pub method: Option<String>,
    /// Of the operation, below the base.
    pub path: Option<String>,
}

pub(crate) const AUTH_TYPES: [(&str, &str); 6] = [
    ("none", "none"),
    ("bearer_token", "bearer_token"),
    ("api_key", "api_key"),
    ("basic", "basic"),
    ("oauth2", "oauth2"),
    ("hmac", "hmac"),
];
pub(crate) const METHODS: [(&str, &str); 6] = [
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
];
fn plain<S: serde::Serializer>(url: &Option<Spanned<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(|url| &url.value).serialize(serializer)
}

/// Scheme, host, port and path of a base URL.
struct Base<'a> {
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Base<'a> {
    /// Splits a URL of scheme `http` or `https` without user, query and fragment.
    fn parse(url: &'a str) -> Result<Self, &'static str> {
        let (rest, standard) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (rest, 443),
            (_, Some(rest)) => (rest, 80),
            _ => return Err("does not start with `https://` or `http://`"),
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if url.contains(['?', '#', '\\', '@']) {
            return Err("has a user, a query or a fragment; secrets are named by `secrets` of the policy");
        }
        let (host, port) =
            match authority.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']')) {
                Some((host, port)) => {
                    (host, port.parse().map_err(|_| "has no port from 1 to 65535 behind its `:`")?)
                }
                None => (authority, standard),
            };
        if port == 0 || host.is_empty() {
            return Err("has no host, or the port 0");
        }
        Ok(Self { host, port, path: if path.is_empty() { "/" } else { path } })
    }

    fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
}

/// What a base URL at `at` says of where calls may go.
fn destination(reader: &Reader, url: &str, at: &At) -> Option<Clauses> {
    let wrong = |reason: String| {
        let help = "write it as `https://api.example.com/v1`, in lower case; an address that is meant, as `http://192.0.2.7:8080`";
        reader.report(at.error("bad-value", format!("`base_url` {reason}")).help(help));
    };
    let base = match Base::parse(url) {
        Ok(base) => base,
        Err(reason) => {
            wrong(reason.to_owned());
            return None;
        }
    };
    let mut clauses =
        Clauses { http_hosts: Some(Vec::new()), http_addresses: Some(Vec::new()), ..Clauses::default() };
    let spanned = |at: &At| at.clone();
    let found = match base.address() {
        Some(_) => AddressRange::parse(&format!("{}:{}", base.host, base.port))
            .map(|value| clauses.http_addresses = Some(vec![Spanned { value, at: spanned(at) }])),
        None => HostPattern::parse(&format!("{}:{}", base.host, base.port))
            .map(|value| clauses.http_hosts = Some(vec![Spanned { value, at: spanned(at) }])),
    };
    if let Err(not_taken) = found {
        wrong(not_taken.reason);
        return None;
    }
    match PathPrefix::of(base.path) {
        Some(value) => clauses.prefixes = Some(vec![Spanned { value, at: spanned(at) }]),
        None => {
            wrong("has a path that servers read differently".to_owned());
            return None;
        }
    }
    Some(clauses)
}

impl HttpSettings {
    /// What the service's `base_url` says of where its calls may go.
    pub(crate) fn implied(&self, reader: &Reader) -> Clauses {
        let url = self.base_url.as_ref();
        url.and_then(|url| destination(reader, &url.value, &url.at)).unwrap_or_default()
    }

    /// Of the service.
    pub fn base_url(&self) -> Option<&str> {
        self.base_url.as_ref().map(|url| url.value.as_str())
    }

    /// The service's part.
    pub(crate) fn of_service(fields: &mut Fields<'_, '_>) -> Self {
        let reader = fields.reader();
        Self {
            base_url: fields.optional("base_url").and_then(|node| {
                reader.text(node, "a URL").map(|text| reader.spanned(node, text.to_owned()))
            }),
            auth_type: word(reader, fields.optional("auth_type"), "an authentication type", &AUTH_TYPES),
            ..Self::default()
        }
    }

    /// The same keys may stand in a service's `runner_config`.
    pub(crate) fn or_in(self, reader: &Reader, config: Option<&Node>) -> Self {
        let Some(mut fields) = config.and_then(|node| Fields::of(reader, node, "an HTTP `runner_config`"))
        else {
            return self;
        };
        let inner = Self::of_service(&mut fields);
        fields.finish();
        Self {
            base_url: self.base_url.or(inner.base_url),
            auth_type: self.auth_type.or(inner.auth_type),
            ..self
        }
    }

    /// With an operation's part.
    pub(crate) fn of_operation(&self, fields: &mut Fields<'_, '_>) -> Self {
        let reader = fields.reader();
        Self {
            method: word(reader, fields.optional("method"), "an HTTP method", &METHODS),
            path: text(reader, fields.optional("path"), "a path"),
            ..self.clone()
        }
    }
}

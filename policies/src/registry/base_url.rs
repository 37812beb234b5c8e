//! What a URL of the registry says of where calls may go.

use std::net::IpAddr;

use crate::policy::{AddressRange, Clauses, HostPattern, PathPrefix};
use crate::yaml::{At, Reader, Spanned};

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

/// What the URL under `key` says of where calls may go.
pub(super) fn destination(reader: &Reader, key: &str, url: &str, at: &At) -> Option<Clauses> {
    let wrong = |reason: String| {
        let help = "write it as `https://api.example.com/v1`, in lower case; an address that is meant, as `http://192.0.2.7:8080`";
        reader.report(at.error("bad-value", format!("`{key}` {reason}")).help(help));
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

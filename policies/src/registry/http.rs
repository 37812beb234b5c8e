//! What an HTTP service says, parsed strictly and kept for its runner.

use serde::Serialize;

use super::base_url::destination;
use super::http_auth::HttpAuth;
use super::settings::word;
use crate::policy::{Clauses, HeaderName, SecretRef, Stated};
use crate::yaml::{At, Fields, Node, Reader, Spanned, shorten};

/// The settings of an HTTP operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HttpSettings {
    /// Of the service.
    #[serde(serialize_with = "plain")]
    pub(crate) base_url: Option<Spanned<String>>,
    /// Of the service: `bearer_token` and its like.
    pub auth_type: Option<String>,
    /// Of the service: what `auth_type` needs.
    pub auth: HttpAuth,
    /// Where that is said.
    #[serde(skip)]
    pub(crate) auth_at: Option<At>,
    /// Of the operation.
    pub method: Option<String>,
    /// Of the operation, below the base.
    pub path: Option<String>,
    /// How the input is sent; by the method if nothing is said.
    pub body: Option<HttpBody>,
    /// Of the service: fields that go with each request.
    #[serde(skip)]
    pub(crate) headers: Vec<(Spanned<HeaderName>, String)>,
}

fn plain<S: serde::Serializer>(url: &Option<Spanned<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    url.as_ref().map(|url| &url.value).serialize(serializer)
}

/// How the input of a call is sent, but for what its path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpBody {
    /// As the body, in JSON.
    Json,
    /// As the body, in `application/x-www-form-urlencoded`.
    Form,
    /// As the query of the URL.
    Query,
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
pub(crate) const BODIES: [(&str, HttpBody); 3] =
    [("json", HttpBody::Json), ("form", HttpBody::Form), ("query", HttpBody::Query)];

/// Fields that the runner sets itself, or that hold what belongs into a secret.
const NOT_STATED: [&str; 7] = [
    "accept-encoding",
    "authorization",
    "cookie",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "user-agent",
];

impl HttpSettings {
    /// The service's part.
    pub(crate) fn of_service(fields: &mut Fields<'_, '_>, service: &str) -> Self {
        let reader = fields.reader();
        let base_url = fields.optional("base_url");
        let base_url =
            base_url.and_then(|node| Some(reader.spanned(node, reader.text(node, "a URL")?.to_owned())));
        let kind = fields.optional("auth_type");
        let auth_type = word(reader, kind, "an authentication type", &AUTH_TYPES);
        let stated = fields.optional("auth");
        let auth = match (auth_type.as_deref().filter(|kind| *kind != "none"), stated) {
            (Some(word), _) => HttpAuth::decode(reader, word, stated.or(kind), stated, service),
            (None, Some(node)) => {
                let found =
                    reader.at(node.span).error("contradiction", "`auth` without an `auth_type` is not used");
                reader.report(found.help("state `auth_type`, or leave `auth` out"));
                None
            }
            (None, None) => None,
        };
        let auth = auth.unwrap_or_default();
        let headers = fields.optional("headers").map(|node| headers(reader, node)).unwrap_or_default();
        let auth_at = stated.or(kind).map(|node| reader.at(node.span));
        Self { base_url, auth_type, auth, auth_at, headers, ..Self::default() }
    }

    /// The same keys may stand in a service's `runner_config`.
    pub(crate) fn or_in(self, reader: &Reader, config: Option<&Node>, service: &str) -> Self {
        let Some(mut fields) = config.and_then(|node| Fields::of(reader, node, "an HTTP `runner_config`"))
        else {
            return self;
        };
        let inner = Self::of_service(&mut fields, service);
        fields.finish();
        let (auth_type, auth, auth_at) = match self.auth_type {
            Some(_) => (self.auth_type, self.auth, self.auth_at),
            None => (inner.auth_type, inner.auth, inner.auth_at),
        };
        let headers = if self.headers.is_empty() { inner.headers } else { self.headers };
        Self {
            base_url: self.base_url.or(inner.base_url),
            auth_type,
            auth,
            auth_at,
            headers,
            ..Self::default()
        }
    }

    /// With an operation's part.
    pub(crate) fn of_operation(&self, fields: &mut Fields<'_, '_>) -> Self {
        let reader = fields.reader();
        let method = word(reader, fields.optional("method"), "an HTTP method", &METHODS);
        let path = fields.optional("path").and_then(|node| path(reader, node));
        let body = fields.optional("body").and_then(|node| body(reader, node, method.as_deref()));
        Self { method, path, body, ..self.clone() }
    }

    /// What the service's keys say of where its calls go and what they carry.
    pub(crate) fn implied(&self, reader: &Reader) -> Clauses {
        let url = self.base_url.as_ref();
        let of_url = |url: &Spanned<String>| destination(reader, "base_url", &url.value, &url.at);
        let mut clauses = url.and_then(of_url).unwrap_or_default();
        if let (HttpAuth::Oauth2 { token_url, .. }, Some(at)) = (&self.auth, &self.auth_at)
            && let Some(tokens) = destination(reader, "token_url", token_url, at)
        {
            add(&mut clauses.http_hosts, tokens.http_hosts);
            add(&mut clauses.http_addresses, tokens.http_addresses);
        }
        let spanned = |(secret, at): (&SecretRef, &At)| Spanned { value: secret.clone(), at: at.clone() };
        let secret = self.kept_secret().map(|secret| vec![spanned(secret)]);
        let names = self.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let headers = Some(names).filter(|names| !names.is_empty());
        Clauses { secrets: secret, headers, ..clauses }
    }

    /// Of the service.
    pub fn base_url(&self) -> Option<&str> {
        self.base_url.as_ref().map(|url| url.value.as_str())
    }

    /// Where the secret is kept, and where that is said.
    pub(super) fn kept_secret(&self) -> Option<(&SecretRef, &At)> {
        self.auth.secret().zip(self.auth_at.as_ref())
    }

    /// Of the service: fields that go with each request, in lower case, and their values.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.value.as_str(), value.as_str()))
    }

    /// The method, `POST` if nothing is said.
    pub fn method(&self) -> &str {
        self.method.as_deref().unwrap_or("POST")
    }

    /// How the input is sent: in the query with a method whose body means nothing (RFC 9110, 9.3), else as JSON.
    pub fn body(&self) -> HttpBody {
        let by_method = match self.method() {
            "GET" | "HEAD" | "DELETE" => HttpBody::Query,
            _ => HttpBody::Json,
        };
        self.body.unwrap_or(by_method)
    }
}

/// What goes behind the base, with `{parameters}` in it. Without a slash before it, it would go on with the base's last
/// component, or with its host.
fn path(reader: &Reader, node: &Node) -> Option<String> {
    let path = reader.text(node, "a path")?;
    if !path.is_empty() && !path.starts_with(['/', '?']) {
        let message = format!("the path `{path}` does not start with `/`");
        reader.report(reader.at(node.span).error("bad-value", message).help(format!("write `/{path}`")));
        return None;
    }
    Some(path.to_owned())
}

fn body(reader: &Reader, node: &Node, method: Option<&str>) -> Option<HttpBody> {
    let body = reader.word(node, "a way to send the input", &BODIES)?;
    if body != HttpBody::Query && matches!(method, Some("GET" | "HEAD")) {
        let message = "a request to read has no body".to_owned();
        reader.report(reader.at(node.span).error("contradiction", message).help("write `body: query`"));
        return None;
    }
    Some(body)
}

/// Adds what is not there yet: service and token server may be one.
fn add<T: PartialEq>(there: &mut Stated<T>, more: Stated<T>) {
    let there = there.get_or_insert_default();
    for item in more.into_iter().flatten() {
        if there.iter().all(|known| known.value != item.value) {
            there.push(item);
        }
    }
}

/// Names and values, none of them what the runner sets or keeps secret.
fn headers(reader: &Reader, node: &Node) -> Vec<(Spanned<HeaderName>, String)> {
    let entries = reader.map(node, "a map of header fields").unwrap_or_default();
    let mut headers = Vec::new();
    for (key, node) in entries {
        let at = reader.at(key.span);
        match HeaderName::parse(&key.text) {
            Ok(_) if NOT_STATED.contains(&key.text.as_str()) => {
                let message = format!("`{}` is the runner's to set", key.text);
                reader.report(
                    at.error("bad-value", message).help("credentials are said by `auth_type` and `auth`"),
                );
            }
            Err(wrong) => {
                let found = at.error("bad-value", format!("`{}` {}", shorten(&key.text), wrong.reason));
                reader.report(found.maybe_help(wrong.help));
            }
            Ok(value) => {
                headers.extend(header_value(reader, node).map(|text| (Spanned { value, at }, text)));
            }
        }
    }
    headers
}

fn header_value(reader: &Reader, node: &Node) -> Option<String> {
    const EXPECTED: &str = "a text of printable ASCII, at most 1024";
    let text = reader.text(node, EXPECTED)?;
    let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let good = !text.is_empty() && text.len() <= 1024 && text.bytes().all(printable) && text.trim() == text;
    if !good {
        let found = reader.at(node.span).error("bad-value", "this is no value of a header field");
        reader.report(found.help(format!("expected {EXPECTED}, no blank at either end")));
    }
    good.then(|| text.to_owned())
}

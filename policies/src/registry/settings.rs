//! What services of the other execution types say, parsed strictly and kept for their runners.

use serde::Serialize;

use crate::yaml::{Fields, Node, Reader};

/// The settings of an HTTP operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HttpSettings {
    /// Of the service.
    pub base_url: Option<String>,
    /// Of the service: `bearer_token` and its like.
    pub auth_type: Option<String>,
    /// Of the operation.
    pub method: Option<String>,
    /// Of the operation, below the base.
    pub path: Option<String>,
}

/// The settings of a Docker service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DockerSettings {
    /// Images that a job may name.
    pub allowed_images: Vec<String>,
    /// Host directories that a job may mount.
    pub allowed_mounts: Vec<String>,
    /// Seconds.
    pub default_timeout: Option<u64>,
    /// Docker's network mode.
    pub network_mode: Option<String>,
    /// Processor cores, in thousandths.
    pub cpu_millicores: Option<u64>,
    /// Mebibytes.
    pub memory_mb: Option<u64>,
    /// Mebibytes.
    pub disk_mb: Option<u64>,
}

/// The settings of a serverless service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerlessSettings {
    /// `aws` or `gcp`.
    pub provider: Option<String>,
    /// Of AWS.
    pub region: Option<String>,
    /// Of Google Cloud.
    pub project: Option<String>,
    /// How the worker signs in.
    pub auth: Option<String>,
    /// Seconds.
    pub timeout: Option<u64>,
    /// Mebibytes.
    pub memory_size: Option<u64>,
}

/// A week, in seconds: longer timeouts are slips of the unit.
pub(crate) const TIMEOUT_MAX: u64 = 7 * 86_400;

/// Seconds at `node`.
pub(crate) fn seconds(reader: &Reader, node: Option<&Node>) -> Option<u64> {
    node.and_then(|node| reader.integer(node, 1..=TIMEOUT_MAX))
}

fn text(reader: &Reader, node: Option<&Node>, what: &str) -> Option<String> {
    node.and_then(|node| reader.text(node, what)).map(str::to_owned)
}

fn texts(reader: &Reader, node: Option<&Node>, what: &str) -> Vec<String> {
    let decode = |reader: &Reader, node: &Node| reader.text(node, "a text").map(str::to_owned);
    let items = node.and_then(|node| reader.list_of(node, what, decode)).unwrap_or_default();
    items.into_iter().map(|item| item.value).collect()
}

fn word(
    reader: &Reader,
    node: Option<&Node>,
    what: &str,
    words: &[(&'static str, &'static str)],
) -> Option<String> {
    node.and_then(|node| reader.word(node, what, words)).map(str::to_owned)
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
pub(crate) const PROVIDERS: [(&str, &str); 2] = [("aws", "aws"), ("gcp", "gcp")];
pub(crate) const SIGN_INS: [(&str, &str); 5] = [
    ("iam_role", "iam_role"),
    ("access_key", "access_key"),
    ("profile", "profile"),
    ("service_account", "service_account"),
    ("default_credentials", "default_credentials"),
];

impl HttpSettings {
    /// The service's part.
    pub(crate) fn of_service(fields: &mut Fields<'_, '_>) -> Self {
        let reader = fields.reader();
        Self {
            base_url: text(reader, fields.optional("base_url"), "a URL"),
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

impl DockerSettings {
    pub(crate) fn decode(reader: &Reader, config: Option<&Node>, allowed_mounts: Option<&Node>) -> Self {
        let mut settings =
            Self { allowed_mounts: texts(reader, allowed_mounts, "a list of paths"), ..Self::default() };
        let Some(mut fields) = config.and_then(|node| Fields::of(reader, node, "a Docker `runner_config`"))
        else {
            return settings;
        };
        settings.allowed_images = texts(reader, fields.optional("allowed_images"), "a list of images");
        settings.default_timeout = seconds(reader, fields.optional("default_timeout"));
        settings.network_mode = text(reader, fields.optional("network_mode"), "a network mode");
        if let Some(node) = fields.optional("resource_limits") {
            settings.limits(reader, node);
        }
        fields.finish();
        settings
    }

    fn limits(&mut self, reader: &Reader, node: &Node) {
        let Some(mut fields) = Fields::of(reader, node, "`resource_limits` of a Docker service") else {
            return;
        };
        self.cpu_millicores =
            fields.optional("cpu").and_then(|node| reader.thousandths(node, 10..=1_024_000));
        self.memory_mb = fields.optional("memory_mb").and_then(|node| reader.integer(node, 4..=1024 * 1024));
        self.disk_mb = fields.optional("disk_mb").and_then(|node| reader.integer(node, 1..=1024 * 1024));
        fields.finish();
    }
}

impl ServerlessSettings {
    pub(crate) fn decode(reader: &Reader, config: Option<&Node>) -> Self {
        let mut settings = Self::default();
        let Some(mut fields) =
            config.and_then(|node| Fields::of(reader, node, "a serverless `runner_config`"))
        else {
            return settings;
        };
        settings.provider = word(reader, fields.optional("provider"), "a provider", &PROVIDERS);
        settings.region = text(reader, fields.optional("region"), "a region");
        settings.project = text(reader, fields.optional("project"), "a project");
        settings.timeout = seconds(reader, fields.optional("timeout"));
        settings.memory_size =
            fields.optional("memory_size").and_then(|node| reader.integer(node, 128..=32 * 1024));
        if let Some(node) = fields.optional("auth") {
            settings.auth = sign_in(reader, node);
        }
        fields.finish();
        settings
    }
}

fn sign_in(reader: &Reader, node: &Node) -> Option<String> {
    let mut fields = Fields::of(reader, node, "`auth`")?;
    let kind = fields.required("type");
    fields.finish();
    word(reader, kind, "a way to sign in", &SIGN_INS)
}

//! What a serverless service says, parsed strictly and kept for its runner.

use serde::Serialize;

use super::settings::{named, seconds, text, texts, word};
use crate::diagnostic::Diagnostic;
use crate::policy::{Clauses, FunctionArn};
use crate::yaml::{Fields, Node, Reader};

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
    /// Functions that a job may name.
    pub allowed_functions: Vec<String>,
    /// Seconds.
    pub timeout: Option<u64>,
    /// Mebibytes.
    pub memory_size: Option<u64>,
}

pub(crate) const PROVIDERS: [(&str, &str); 2] = [("aws", "aws"), ("gcp", "gcp")];
pub(crate) const SIGN_INS: [(&str, &str); 5] = [
    ("iam_role", "iam_role"),
    ("access_key", "access_key"),
    ("profile", "profile"),
    ("service_account", "service_account"),
    ("default_credentials", "default_credentials"),
];

/// What a service's `allowed_functions` say of what it may call.
pub(crate) fn implied(
    reader: &Reader,
    config: Option<&Node>,
    judge: impl Fn(Diagnostic) -> Diagnostic,
) -> Clauses {
    let functions = config.and_then(|node| node.get("allowed_functions"));
    Clauses {
        functions: functions.map(|node| named(reader, node, &judge, FunctionArn::parse)),
        ..Clauses::default()
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
        let functions = fields.optional("allowed_functions");
        settings.allowed_functions = texts(reader, functions, "a list of functions");
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

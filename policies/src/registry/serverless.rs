//! What a serverless service says, parsed strictly and kept for its runner.

use serde::Serialize;

use super::settings::{named, seconds, secret, text, texts, word};
use crate::diagnostic::Diagnostic;
use crate::effective::EffectivePolicy;
use crate::policy::{Clauses, FunctionArn, SecretRef};
use crate::yaml::{At, Fields, Node, Reader};

/// The settings of a serverless service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerlessSettings {
    /// `aws` or `gcp`.
    pub provider: Option<String>,
    /// The region that every function must lie in.
    pub region: Option<String>,
    /// The account of AWS that every function must belong to.
    pub account: Option<String>,
    /// The project of Google Cloud that the worker's account must belong to.
    pub project: Option<String>,
    /// How the worker signs in.
    pub auth: Option<String>,
    /// The profile of `~/.aws`, where `auth` is one.
    pub profile: Option<String>,
    /// Where the keys lie that the worker signs in with.
    #[serde(skip)]
    pub keys: Keys,
    /// Where that is said.
    #[serde(skip)]
    pub(crate) auth_at: Option<At>,
    /// Functions that a job may name.
    pub allowed_functions: Vec<String>,
    /// Of the operation: the function that it calls.
    pub function_name: Option<String>,
    /// Whether a job may hand its call over without waiting for the result.
    pub event_allowed: bool,
    /// Seconds.
    pub timeout: Option<u64>,
    /// Mebibytes.
    pub memory_size: Option<u64>,
}

/// Keys by what they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Of AWS: the public half of an access key.
    pub access_key_id: Option<SecretRef>,
    /// Of AWS: its secret half.
    pub secret_access_key: Option<SecretRef>,
    /// Of AWS: what goes with a temporary one.
    pub session_token: Option<SecretRef>,
    /// Of Google Cloud: a service account's key, in JSON.
    pub key: Option<SecretRef>,
}

impl Keys {
    fn all(&self) -> impl Iterator<Item = &SecretRef> {
        let Self { access_key_id, secret_access_key, session_token, key } = self;
        [access_key_id, secret_access_key, session_token, key].into_iter().flatten()
    }
}

pub(crate) const PROVIDERS: [(&str, &str); 2] = [("aws", "aws"), ("gcp", "gcp")];
pub(crate) const SIGN_INS: [(&str, &str); 5] = [
    ("iam_role", "iam_role"),
    ("access_key", "access_key"),
    ("profile", "profile"),
    ("service_account", "service_account"),
    ("default_credentials", "default_credentials"),
];

/// The two ways to call a function, by the names that AWS has for them.
pub(crate) const INVOCATIONS: [(&str, bool); 2] = [("RequestResponse", false), ("Event", true)];

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
        settings.account = text(reader, fields.optional("account"), "an account");
        settings.project = text(reader, fields.optional("project"), "a project");
        settings.timeout = seconds(reader, fields.optional("timeout"));
        settings.memory_size =
            fields.optional("memory_size").and_then(|node| reader.integer(node, 128..=32 * 1024));
        let invocation = |reader: &Reader, node: &Node| reader.word(node, "a way to call", &INVOCATIONS);
        let allowed = fields.optional("allowed_invocation_types");
        let allowed = allowed.and_then(|node| reader.list_of(node, "a list of ways to call", invocation));
        settings.event_allowed = allowed.unwrap_or_default().iter().any(|event| event.value);
        if let Some(node) = fields.optional("auth") {
            settings.sign_in(reader, node);
        }
        fields.finish();
        settings
    }

    /// With what an operation says.
    pub(crate) fn of_operation(mut self, reader: &Reader, config: Option<&Node>) -> Self {
        let what = "the `runner_config` of a serverless operation";
        if let Some(mut fields) = config.and_then(|node| Fields::of(reader, node, what)) {
            self.function_name = text(reader, fields.optional("function_name"), "a function");
            fields.finish();
        }
        self
    }

    fn sign_in(&mut self, reader: &Reader, node: &Node) {
        let Some(mut fields) = Fields::of(reader, node, "`auth`") else { return };
        self.auth = word(reader, fields.required("type"), "a way to sign in", &SIGN_INS);
        self.profile = text(reader, fields.optional("profile"), "a profile");
        let mut secret = |key| fields.optional(key).and_then(|node| secret(reader, node));
        self.keys = Keys {
            access_key_id: secret("access_key_id"),
            secret_access_key: secret("secret_access_key"),
            session_token: secret("session_token"),
            key: secret("key"),
        };
        fields.finish();
        self.auth_at = Some(reader.at(node.span));
    }

    /// Where the keys are kept, and where that is said. An access key of which nothing is said is kept where the tools of
    /// AWS look for one.
    pub(super) fn kept_secrets(&self) -> Vec<(SecretRef, At)> {
        let usual = ["env:AWS_ACCESS_KEY_ID", "env:AWS_SECRET_ACCESS_KEY"];
        let usual = usual.into_iter().filter(|_| self.auth.as_deref() == Some("access_key"));
        let mut kept: Vec<SecretRef> = self.keys.all().cloned().collect();
        if kept.is_empty() {
            kept = usual.filter_map(SecretRef::parse).collect();
        }
        let at = self.auth_at.iter().cycle();
        kept.into_iter().zip(at).map(|(secret, at)| (secret, at.clone())).collect()
    }

    /// Reports what does not go together: of the settings, and of them and the functions that `policy` grants.
    pub(crate) fn check(&self, reader: &Reader, config: Option<&Node>, policy: &EffectivePolicy) {
        let Some(config) = config else { return };
        let at = |key: &str| reader.at(config.get(key).unwrap_or(config).span);
        for (key, message) in self.contradictions() {
            reader.report(at(key).error("inconsistent", message));
        }
        for function in policy.functions() {
            for (key, message) in self.misplaced(function) {
                let help = "the policy and the service must mean the same place";
                reader.report(at(key).error("inconsistent", message).help(help));
            }
        }
        for secret in self.keys.all().filter(|secret| !policy.secrets().any(|known| known == *secret)) {
            let message = format!("`{secret}` is none of the policy's `secrets`");
            let help = format!("grant it: `security_policy: {{secrets: [\"{secret}\"]}}`");
            reader.report(at("auth").error("wider", message).help(help));
        }
        if self.memory_size.is_some() {
            let message = "`memory_size` is a setting of the function; nothing here puts it in force";
            reader.report(at("memory_size").error("not-enforceable", message).warning());
        }
        let wall = policy.limits().wall_seconds;
        if let Some(timeout) = self.timeout.filter(|timeout| *timeout >= wall) {
            let message = format!(
                "the function may run {timeout} s, and is waited for {wall} s: one that is late runs on unseen"
            );
            let help = "let the operation's `timeout` be longer than the function's own";
            reader.report(at("timeout").error("too-short", message).help(help).warning());
        }
    }

    /// Whether it is for Google Cloud.
    pub fn is_gcp(&self) -> bool {
        self.provider.as_deref() == Some("gcp")
    }

    fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let of_aws = ["iam_role", "access_key", "profile"];
        let provider = if self.is_gcp() { "gcp" } else { "aws" };
        if let Some(auth) = self.auth.as_deref().filter(|auth| of_aws.contains(auth) == self.is_gcp()) {
            found.push(("auth", format!("`{auth}` is no way to sign in to `{provider}`")));
        }
        let foreign = [("project", &self.project, false), ("account", &self.account, true)];
        for (key, _, _) in foreign.iter().filter(|(_, set, gcp)| set.is_some() && *gcp == self.is_gcp()) {
            found.push((key, format!("`{key}` says nothing to `{provider}`")));
        }
        let Keys { access_key_id, secret_access_key, session_token, key } = &self.keys;
        let access = access_key_id.is_some() && secret_access_key.is_some();
        let any = access_key_id.is_some() || secret_access_key.is_some() || session_token.is_some();
        for (kind, used, whole) in [("access_key", any, access), ("service_account", key.is_some(), true)] {
            if used && self.auth.as_deref() != Some(kind) {
                found.push(("auth", format!("these keys are for the type `{kind}`")));
            } else if used && !whole {
                let message = "an access key has two halves: `access_key_id` and `secret_access_key`";
                found.push(("auth", message.to_owned()));
            }
        }
        if self.profile.is_some() && self.auth.as_deref() != Some("profile") {
            found.push(("auth", "`profile` is for the type `profile`".to_owned()));
        }
        if self.event_allowed && self.is_gcp() {
            found.push(("allowed_invocation_types", "`gcp` has no `Event`".to_owned()));
        }
        found
    }

    /// Why a function is none of this service's.
    fn misplaced(&self, function: &str) -> Vec<(&'static str, String)> {
        let is_url = function.starts_with("https://");
        if is_url != self.is_gcp() {
            let cloud = if is_url { "gcp" } else { "aws" };
            return vec![("provider", format!("the policy's `{function}` is a function of `{cloud}`"))];
        }
        let parts: Vec<&str> = function.split(':').collect();
        let [_, _, _, region, account, ..] = parts.as_slice() else { return Vec::new() };
        let stated = [("region", &self.region, region), ("account", &self.account, account)];
        let other = stated.into_iter().filter_map(|(key, stated, there)| {
            let stated = stated.as_deref().filter(|stated| stated != there)?;
            Some((key, format!("the policy's `{function}` is not of the {key} `{stated}`")))
        });
        other.collect()
    }
}

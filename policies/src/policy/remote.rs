//! Rights of runners other than the shell's, and secrets: what they are named by.

use std::fmt;

use serde::{Serialize, Serializer};
use stockade_plan::{AbsPath, EnvName};

use super::{HostPattern, NotTaken};

/// An image by its digest: a tag can be moved, a digest cannot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Image(String);

/// The longest name of an image, as registries bound it.
const IMAGE_NAME_MAX: usize = 255;

impl Image {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn parse(text: &str) -> Result<Self, NotTaken> {
        let Some((name, digest)) = text.split_once('@') else {
            return Err(NotTaken {
                reason: "names no digest, so what it is can change after review".to_owned(),
                help: Some(format!(
                    "write `{}@sha256:…`, as `docker image inspect --format '{{{{.RepoDigests}}}}' {text}` shows it",
                    untagged(text)
                )),
            });
        };
        if untagged(name) != name {
            let meant = format!("{}@{digest}", untagged(name));
            return Err(NotTaken::meant("has a tag beside its digest", meant));
        }
        let hex = digest.strip_prefix("sha256:").unwrap_or("");
        let good = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !good {
            return Err(NotTaken::new("has no digest of `sha256:` and 64 hexadecimal digits"));
        }
        let lower = text.to_ascii_lowercase();
        if lower != text {
            return Err(NotTaken::meant("has upper-case letters", lower));
        }
        check_image_name(name)?;
        Ok(Self(text.to_owned()))
    }
}

/// The name without its tag: a `:` behind the last `/`.
fn untagged(name: &str) -> &str {
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name.get(last..).and_then(|last| last.find(':')) {
        Some(colon) => name.get(..last + colon).unwrap_or(name),
        None => name,
    }
}

/// Path components of the distribution specification, the first perhaps a registry with a port.
fn check_image_name(name: &str) -> Result<(), NotTaken> {
    let part = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        edge(part.chars().next()) && edge(part.chars().last()) && part.bytes().all(inner)
    };
    let (registry, path) = name.split_once('/').unwrap_or(("a", name));
    let (host, port) = registry.split_once(':').unwrap_or((registry, "1"));
    let good = part(host) && port.parse::<u16>().is_ok() && path.split('/').all(part);
    if good && name.len() <= IMAGE_NAME_MAX {
        Ok(())
    } else {
        Err(NotTaken::new("is not the name of an image with its digest"))
    }
}

/// A function with its version: of AWS Lambda by its ARN, of Google Cloud by the URL of one revision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FunctionArn(String);

impl FunctionArn {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME:VERSION-OR-ALIAS`, or `https://TAG---SERVICE-….run.app` with a path.
    pub(crate) fn parse(text: &str) -> Result<Self, NotTaken> {
        match text.strip_prefix("https://") {
            Some(place) => Self::parse_url(text, place),
            None => Self::parse_arn(text),
        }
    }

    /// A revision has an address of its own once it has a tag; Cloud Run, "Rollbacks, gradual rollouts, traffic
    /// migration".
    fn parse_url(text: &str, place: &str) -> Result<Self, NotTaken> {
        let (host, path) = place.split_once('/').map_or((place, None), |(host, path)| (host, Some(path)));
        if !HostPattern::is_name(host) || host.to_ascii_lowercase() != host || !host.ends_with(".run.app") {
            let help = "write `https://TAG---SERVICE-PROJECT.REGION.run.app`, the address of one revision";
            return Err(NotTaken {
                reason: "is not the address of a function of Google Cloud".to_owned(),
                help: Some(help.to_owned()),
            });
        }
        let segment = |part: &str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            !part.is_empty() && part.bytes().all(good) && !matches!(part, "." | "..")
        };
        if path.is_some_and(|path| !path.split('/').all(segment)) {
            return Err(NotTaken::new("has more than a plain path behind its host"));
        }
        match host.split_once("---") {
            Some((tag, service)) if !tag.is_empty() && !tag.contains('.') && !service.starts_with('.') => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NotTaken {
                reason: "is whatever revision has the traffic".to_owned(),
                help: Some(format!("give a revision a tag and write `https://TAG---{place}`")),
            }),
        }
    }

    fn parse_arn(text: &str) -> Result<Self, NotTaken> {
        let parts: Vec<&str> = text.split(':').collect();
        let ["arn", partition, "lambda", region, account, "function", rest @ ..] = parts.as_slice() else {
            return Err(NotTaken::new("is not the ARN of a function"));
        };
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        let account_good = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let place = matches!(*partition, "aws" | "aws-cn" | "aws-us-gov")
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !region.is_empty();
        match rest {
            [name] if word(name) => Err(NotTaken {
                reason: "names no version, so what it is can change after review".to_owned(),
                help: Some(format!("write `{text}:VERSION` or `{text}:ALIAS`")),
            }),
            [_, "$LATEST"] => Err(NotTaken {
                reason: "is whatever was uploaded last".to_owned(),
                help: Some("publish a version and name it, or an alias".to_owned()),
            }),
            [name, version] if place && account_good && word(name) && word(version) && name.len() <= 64 => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NotTaken::new("is not the ARN of one version of one function")),
        }
    }
}

/// Where a secret is kept. The secret itself never stands in a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretRef {
    /// A variable of the supervisor's environment.
    Env(EnvName),
    /// A file that the supervisor can read.
    File(AbsPath),
    /// A credential of the supervisor's service manager; systemd.exec(5), `LoadCredential=`.
    Credential(String),
}

impl SecretRef {
    /// The message never repeats the text: it might be the secret.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("env", name) => EnvName::new(name).ok().map(Self::Env),
            ("file", path) => AbsPath::new(path).ok().map(Self::File),
            ("credential", name) => {
                let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                let whole = !name.is_empty() && name.len() <= 128 && !name.starts_with('.');
                (whole && name.bytes().all(good)).then(|| Self::Credential(name.to_owned()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FunctionArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_its_digest_and_nothing_else() {
        let hex = "0123456789abcdef".repeat(4);
        for name in
            ["python", "library/python", "docker.io/library/python", "registry.example:5000/a/b-c_d.e"]
        {
            assert!(Image::parse(&format!("{name}@sha256:{hex}")).is_ok(), "{name}");
        }
        for text in [
            "python".to_owned(),
            "python:3.12".to_owned(),
            format!("python:3.12@sha256:{hex}"),
            format!("Python@sha256:{hex}"),
            format!("python@sha256:{}", hex.to_uppercase()),
            format!("python@sha256:{}", &hex[1..]),
            format!("python@md5:{hex}"),
            format!("@sha256:{hex}"),
            format!("a//b@sha256:{hex}"),
            format!("../b@sha256:{hex}"),
            format!("a b@sha256:{hex}"),
            format!("{}@sha256:{hex}", "a".repeat(256)),
        ] {
            assert!(Image::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_function_is_named_with_its_version() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:resize";
        for version in ["7", "live", "v1_2-x"] {
            assert!(FunctionArn::parse(&format!("{arn}:{version}")).is_ok(), "{version}");
        }
        for text in [
            arn,
            "arn:aws:lambda:eu-west-1:123456789012:function:resize:$LATEST",
            "arn:aws:lambda:eu-west-1:123456789012:function:*:1",
            "arn:aws:lambda:eu-west-1:12345:function:resize:1",
            "arn:aws:lambda::123456789012:function:resize:1",
            "arn:aws:s3:::bucket",
            "resize:1",
            "",
        ] {
            assert!(FunctionArn::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_function_of_google_cloud_is_named_by_the_address_of_a_revision() {
        for text in [
            "https://v7---resize-123456789012.europe-west1.run.app",
            "https://v7---resize-abcdefghij-ew.a.run.app",
            "https://v7---resize-123456789012.europe-west1.run.app/thumb/small",
        ] {
            assert!(FunctionArn::parse(text).is_ok(), "{text}");
        }
        for text in [
            "https://resize-123456789012.europe-west1.run.app",
            "https://---resize-1.europe-west1.run.app",
            "https://v7.x---resize-1.europe-west1.run.app",
            "http://v7---resize-1.europe-west1.run.app",
            "https://V7---resize-1.europe-west1.run.app",
            "https://v7---resize-1.europe-west1.run.app:443",
            "https://me@v7---resize-1.europe-west1.run.app",
            "https://v7---resize-1.europe-west1.run.app.evil.example",
            "https://v7---resize-1.europe-west1.run.app/",
            "https://v7---resize-1.europe-west1.run.app/../x",
            "https://v7---resize-1.europe-west1.run.app/a?b=c",
            "https://v7---resize-1.europe-west1.run.app/%2e%2e",
            "https://region-project.cloudfunctions.net/resize",
            "https://169.254.169.254/---.run.app",
        ] {
            assert!(FunctionArn::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_a_reference() {
        for text in ["env:STRIPE_KEY", "file:/etc/stockade/key", "credential:stripe.key"] {
            assert_eq!(SecretRef::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "sk_live_123",
            "env:",
            "env:A-B",
            "file:key",
            "file:/a/../b",
            "credential:",
            "credential:../x",
            "vault:x",
        ] {
            assert!(SecretRef::parse(text).is_none(), "{text}");
        }
    }
}

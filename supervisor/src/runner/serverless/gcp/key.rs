//! A service account's key, and what is signed with it; RFC 7523 as Google's token endpoint takes it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;

/// How long a signed request is good for, seconds; the most that the endpoint takes.
const LIFETIME: u64 = 3_600;

/// Whom a key is for. Shown without the key.
pub struct ServiceKey {
    id: String,
    account: String,
    project: Option<String>,
    pair: RsaKeyPair,
}

/// A text is no key of a service account.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not JSON, or lacks a member.
    // The parser's own words would show where in the key it stopped, and with what.
    #[error(
        "is no JSON of a service account's key: it needs `type`, `client_email`, `private_key_id`, `private_key`"
    )]
    Json,
    /// It is of another kind.
    #[error("is of the type `{0}`, not `service_account`")]
    Kind(String),
    /// The private half cannot be used.
    #[error("has a `private_key` that is no RSA key in PKCS #8")]
    PrivateKey,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    project_id: Option<String>,
}

impl ServiceKey {
    /// Reads a key as `gcloud iam service-accounts keys create` writes it. Its `token_uri` is not looked at: whom the
    /// worker shows itself to is not for a file to say.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let file: File = serde_json::from_slice(text).map_err(|_| KeyError::Json)?;
        if file.kind != "service_account" {
            return Err(KeyError::Kind(file.kind.chars().take(64).collect()));
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.as_bytes())
            .map_err(|_| KeyError::PrivateKey)?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| KeyError::PrivateKey)?;
        Ok(Self { id: file.private_key_id, account: file.client_email, project: file.project_id, pair })
    }

    /// The project that the account belongs to, if the key says.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// A signed request for an identity token with which `audience` can be called, made at `now`, seconds since 1970.
    pub(super) fn assertion(&self, endpoint: &str, audience: &str, now: u64) -> Result<String, KeyError> {
        let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = encoded(json!({"alg": "RS256", "typ": "JWT", "kid": self.id}));
        let claims = encoded(json!({
            "iss": self.account, "sub": self.account, "aud": endpoint, "target_audience": audience,
            "iat": now, "exp": now.saturating_add(LIFETIME),
        }));
        let text = format!("{header}.{claims}");
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| KeyError::PrivateKey)?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceKey").field("account", &self.account).finish_non_exhaustive()
    }
}

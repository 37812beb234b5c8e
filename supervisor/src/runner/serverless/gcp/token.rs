//! Identity tokens: who the worker is to a function.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use stockade_functions::gcp::{claims, granted};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::super::client::{self, chain};
use super::super::provider::{CallError, Class};
use super::key::ServiceKey;

/// Where Google takes signed requests; nothing else is asked.
const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";
/// The metadata service, which only the runner itself may speak to.
const METADATA: &str = "http://169.254.169.254";
/// How long one job waits for its token, behind others that wait for theirs included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tokens are a kilobyte or two.
const ANSWER_BYTES: usize = 16 * 1024;
/// A token that ends within this time is not used any more.
const MARGIN: Duration = Duration::from_secs(60);
/// Behind it comes what was signed, which has nothing that a form would need to encode.
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// Where tokens come from.
#[derive(Debug)]
pub enum Source {
    /// The metadata service of the machine that the worker runs on.
    Metadata,
    /// A service account's key.
    Key(Box<ServiceKey>),
}

/// Tokens by audience, each fetched once and kept while it is good.
#[derive(Debug)]
pub(super) struct Tokens {
    client: Client,
    source: Source,
    endpoint: String,
    patience: Duration,
    kept: Mutex<HashMap<String, Token>>,
}

#[derive(Clone)]
struct Token {
    text: String,
    until: SystemTime,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Tokens {
    /// Tokens from `source`; `instead` stands for Google's own endpoints.
    pub(super) fn new(client: Client, source: Source, instead: Option<&str>) -> Self {
        let endpoint = match (&source, instead) {
            (_, Some(instead)) => instead.trim_end_matches('/'),
            (Source::Metadata, None) => METADATA,
            (Source::Key(_), None) => TOKEN_ENDPOINT,
        };
        Self { client, endpoint: endpoint.to_owned(), source, patience: PATIENCE, kept: Mutex::default() }
    }

    /// A token with which `audience` can be called. One is fetched at a time; whoever waits for others' does not begin to wait
    /// anew when his turn comes.
    pub(super) async fn token(&self, audience: &str) -> Result<String, CallError> {
        let late = |_| Err(unfetched(format!("it did not come within {} s", self.patience.as_secs())));
        timeout(self.patience, self.good(audience)).await.unwrap_or_else(late)
    }

    async fn good(&self, audience: &str) -> Result<String, CallError> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.get(audience).filter(|token| token.until > SystemTime::now() + MARGIN) {
            return Ok(token.text.clone());
        }
        let token = self.fetch(audience).await?;
        let text = token.text.clone();
        kept.insert(audience.to_owned(), token);
        Ok(text)
    }

    async fn fetch(&self, audience: &str) -> Result<Token, CallError> {
        let body = self.ask(self.request(audience)?).await?;
        let text = match self.source {
            Source::Metadata => body,
            Source::Key(_) => granted(&body).ok_or_else(no_token)?,
        };
        let claims = claims(&text).filter(|claims| claims.audience == audience).ok_or_else(no_token)?;
        Ok(Token { until: claims.until, text })
    }

    fn request(&self, audience: &str) -> Result<RequestBuilder, CallError> {
        match &self.source {
            Source::Metadata => {
                let path = "computeMetadata/v1/instance/service-accounts/default/identity";
                let query = [("audience", audience), ("format", "full")];
                let url = Url::parse_with_params(&format!("{}/{path}", self.endpoint), query)
                    .map_err(|error| CallError::new(Class::Permanent, error.to_string()))?;
                Ok(self.client.get(url).header("Metadata-Flavor", "Google"))
            }
            Source::Key(key) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let assertion = key
                    .assertion(&self.endpoint, audience, now)
                    .map_err(|error| CallError::new(Class::Permanent, format!("the key {error}")))?;
                let form = "application/x-www-form-urlencoded";
                let request = self.client.post(&self.endpoint).header(CONTENT_TYPE, form);
                Ok(request.body(format!("{GRANT}{assertion}")))
            }
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<String, CallError> {
        let response = request.send().await.map_err(|error| unfetched(chain(&error.without_url())))?;
        let status = response.status();
        let body =
            client::body(response, ANSWER_BYTES).await.map_err(|error| unfetched(error.to_string()))?;
        match status {
            StatusCode::OK => {
                String::from_utf8(body).map(|text| text.trim().to_owned()).map_err(|_| no_token())
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(unfetched(format!("HTTP {status}")))
            }
            status => Err(CallError::new(
                Class::Permanent,
                format!(
                    "no identity token: the endpoint refuses with HTTP {status}; look at the service's `auth`"
                ),
            )),
        }
    }
}

fn unfetched(why: String) -> CallError {
    CallError::new(Class::Retryable, format!("no identity token could be fetched, nothing was sent: {why}"))
}

fn no_token() -> CallError {
    CallError::new(Class::Permanent, "what the token endpoint answers is no identity token for the function")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn an_authority_that_does_not_answer_keeps_no_job_for_longer_than_one_patience() {
        // Connections are taken by the kernel, and nobody reads what they bring.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let tokens = Tokens::new(client::builder().build().unwrap(), Source::Metadata, Some(&url));
        let tokens = Tokens { patience: Duration::from_millis(500), ..tokens };
        let began = Instant::now();
        let (one, same, other) = tokio::join!(
            tokens.token("https://a.example"),
            tokens.token("https://a.example"),
            tokens.token("https://b.example"),
        );
        // One after the other it would have been three times as long.
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        for error in [one, same, other].map(Result::unwrap_err) {
            assert_eq!(error.class, Class::Retryable, "{error:?}");
        }
    }
}

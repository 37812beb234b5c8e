//! The SDK's way to the network: our own client, so that a call is bounded, and what became of it on the way is known.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use reqwest::{Client, Method, Request, Url};

use super::super::client::{self, BodyError};
use super::super::provider::Sent;

/// The most that is taken from a service other than the functions': credentials, tokens.
const OTHER_ANSWER_BYTES: usize = 256 * 1024;

/// Goes along with one request: how much is taken, and what was seen. Clones see the same.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    /// More bytes are not taken.
    pub(super) answer_bytes: usize,
    /// Who answered.
    pub(super) peer: Arc<OnceLock<SocketAddr>>,
    sent: Sent,
}

impl Watch {
    pub(super) fn new(answer_bytes: usize, sent: Sent) -> Self {
        Self { answer_bytes, peer: Arc::default(), sent }
    }
}

/// Where a request was lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    /// It never left.
    #[error("cannot connect: {0}")]
    BeforeSent(String),
    /// It may have arrived.
    #[error("the connection broke before the answer was there: {0}")]
    OnTheWay(String),
    /// It arrived; the answer did not.
    #[error("{0}")]
    Answer(#[from] BodyError),
}

#[derive(Debug, Clone)]
struct Connector(Client);

/// A client of the SDK's on `client`.
pub(super) fn sdk_client(client: Client) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector(client));
    http_client_fn(move |_, _| connector.clone())
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            exchange(&client, request).await.map_err(|lost| match lost {
                Lost::BeforeSent(_) => ConnectorError::io(lost.into()).never_connected(),
                Lost::OnTheWay(_) | Lost::Answer(_) => ConnectorError::io(lost.into()),
            })
        })
    }
}

async fn exchange(client: &Client, request: HttpRequest) -> Result<HttpResponse, Lost> {
    let other = || Watch::new(OTHER_ANSWER_BYTES, Sent::default());
    let watch = request.extension::<Watch>().cloned().unwrap_or_else(other);
    let request = translated(&request)?;
    watch.sent.set();
    let response = client.execute(request).await.map_err(|error| {
        let said = client::chain(&error);
        match error.is_connect() || error.is_builder() {
            true => Lost::BeforeSent(said),
            false => Lost::OnTheWay(said),
        }
    })?;
    if let Some(peer) = response.remote_addr() {
        let _seen = watch.peer.set(peer);
    }
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = client::body(response, watch.answer_bytes).await?;
    let mut answer = HttpResponse::new(status.into(), bytes.into());
    for (name, value) in &headers {
        // The SDK takes headers that are text; others say nothing to it.
        if let Ok(value) = value.to_str() {
            let _taken = answer.headers_mut().try_append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(answer)
}

fn translated(request: &HttpRequest) -> Result<Request, Lost> {
    let wrong = |what: &str| Lost::BeforeSent(format!("the request has {what}"));
    let method = Method::from_bytes(request.method().as_bytes()).map_err(|_| wrong("no method"))?;
    let url = Url::parse(request.uri()).map_err(|_| wrong("no URL"))?;
    let mut translated = Request::new(method, url);
    for (name, value) in request.headers() {
        let name = name.parse::<reqwest::header::HeaderName>().map_err(|_| wrong("a wrong header"))?;
        translated.headers_mut().append(name, value.parse().map_err(|_| wrong("a wrong header"))?);
    }
    let body = request.body().bytes().ok_or_else(|| wrong("a body that streams"))?;
    *translated.body_mut() = Some(body.to_vec().into());
    Ok(translated)
}

//! One request: judged, sent to an address that was judged, its head read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Response};
use stockade_egress::{Stop, Target, approved};
use stockade_policies::HttpRights;
use tokio::time::Instant;

use super::fault::{Fault, Kind, innermost};
use super::journal::Journal;
use super::place::Place;
use super::resolver::{KnowsNone, Lookup};
use super::tls::{Authorities, Witness};
use super::token::Tokens;

/// A host that does not answer by then is not there.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The fields of an answer's head, and their bytes. The client itself reads at most 400 KiB of a head.
const HEAD_FIELDS_MAX: usize = 100;
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What calls need of the world.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) authorities: Authorities,
    pub(super) tokens: Tokens,
}

/// A request without its place.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    /// The registry's own fields, for the service's origin only.
    pub(super) stated: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
}

impl Ways {
    /// Sends `message` to `place`, whose host the policy must allow, and reads the head of the answer.
    pub(super) async fn send(
        &self,
        rights: &HttpRights<'_>,
        message: Message,
        place: &Place,
        deadline: Instant,
        journal: &mut Journal,
    ) -> Result<Response, Fault> {
        let addresses = self.addresses(rights, place, journal).await?;
        let (client, witness) = self.client(place, &addresses, deadline)?;
        let size = message.body.as_ref().map_or(0, Vec::len);
        let mut request = reqwest::Request::new(message.method, place.url().clone());
        *request.headers_mut() = message.headers;
        *request.body_mut() = message.body.map(Into::into);
        journal.sends(request.method().as_str(), place);
        let sent = client.execute(request).await;
        let response = sent.map_err(|error| unanswered(&error, witness.as_deref(), place))?;
        let tls = witness.and_then(|witness| witness.seen().version);
        journal.answered(response.status().as_u16(), response.remote_addr(), tls, size);
        check_peer(&response, &addresses, place)?;
        check_head(&response, place)?;
        Ok(response)
    }

    /// The addresses that a place may be reached at.
    async fn addresses(
        &self,
        rights: &HttpRights<'_>,
        place: &Place,
        journal: &mut Journal,
    ) -> Result<Vec<SocketAddr>, Fault> {
        check_named(rights, place, journal)?;
        let destination = place.destination();
        let port = destination.port;
        let named = |address: IpAddr| rights.names_address(address, port);
        let found = match &destination.target {
            Target::Address(address) => vec![*address],
            Target::Name(name) => {
                let found = self.lookup.addresses(name).await;
                let approved = found.map_err(Stop::from).and_then(|found| approved(found, named));
                approved.map_err(|stop| not_reached(&stop, place, journal))?
            }
        };
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// A client for this one request: no proxy, no redirect, no second try, no connection kept, and no address but
    /// these.
    fn client(
        &self,
        place: &Place,
        addresses: &[SocketAddr],
        deadline: Instant,
    ) -> Result<(Client, Option<Arc<Witness>>), Fault> {
        let unready = |why: String| Fault::of(Kind::Unprepared, "making ready to call", why);
        let (config, witness) = match place.is_tls() {
            true => self.authorities.connection().map(|(config, witness)| (config, Some(witness))),
            false => self.authorities.none().map(|config| (config, None)),
        }
        .map_err(unready)?;
        // Before the whole time is over, so that it is told from a server that was reached and does not answer.
        let time = deadline.saturating_duration_since(Instant::now()).mul_f64(0.9).min(CONNECT_MAX);
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .http1_max_headers(HEAD_FIELDS_MAX)
            .pool_max_idle_per_host(0)
            .connect_timeout(time)
            .dns_resolver(KnowsNone)
            .tls_backend_preconfigured(config);
        if let Target::Name(name) = &place.destination().target {
            builder = builder.resolve_to_addrs(name.as_str(), addresses);
        }
        let client = builder.build().map_err(|error| unready(innermost(&error)))?;
        Ok((client, witness))
    }
}

/// Whether the policy names the host, or the very address.
pub(super) fn check_named(
    rights: &HttpRights<'_>,
    place: &Place,
    journal: &mut Journal,
) -> Result<(), Fault> {
    let destination = place.destination();
    let named = match &destination.target {
        Target::Address(address) => rights.names_address(*address, destination.port),
        Target::Name(name) => rights.allows_host(name, destination.port),
    };
    if named {
        return Ok(());
    }
    journal.refused("destination", "connect", destination);
    Err(Fault::new(Kind::Refused, "calling", place, "the policy does not name its host"))
}

fn not_reached(stop: &Stop, place: &Place, journal: &mut Journal) -> Fault {
    match stop {
        Stop::Refused(_) => {
            journal.refused("address", "connect", place.destination());
            Fault::new(Kind::Refused, "calling", place, stop)
                .help("an address that is not public must stand in `http.addresses` of the service's policy")
        }
        Stop::Failed(_) => Fault::new(Kind::Unreached, "calling", place, stop),
    }
}

fn unanswered(error: &reqwest::Error, witness: Option<&Witness>, place: &Place) -> Fault {
    let distrust = witness.and_then(|witness| witness.seen().distrust);
    match distrust {
        Some(why) => Fault::new(Kind::Untrusted, "calling", place, why),
        None if error.is_connect() => Fault::new(Kind::Unreached, "calling", place, innermost(error)),
        None => Fault::new(
            Kind::Broken,
            "calling",
            place,
            format_args!("the answer did not come: {}", innermost(error)),
        ),
    }
}

/// What was judged is what was connected to; a client that did otherwise would be a hole.
fn check_peer(response: &Response, addresses: &[SocketAddr], place: &Place) -> Result<(), Fault> {
    match response.remote_addr() {
        Some(peer) if addresses.contains(&peer) => Ok(()),
        peer => {
            let why = format!("it was answered by {peer:?}, which was not judged");
            Err(Fault::new(Kind::Refused, "calling", place, why))
        }
    }
}

fn check_head(response: &Response, place: &Place) -> Result<(), Fault> {
    let bytes: usize =
        response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes <= HEAD_BYTES_MAX {
        return Ok(());
    }
    let why = format!("the head of the answer has {bytes} bytes, at most {HEAD_BYTES_MAX} are read");
    Err(Fault::new(Kind::TooLarge, "calling", place, why).help("no policy raises it; see to the server"))
}

//! One connection of a job, from its first byte.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use stockade_policies::PROXY_PORT;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::approve::connect;
use crate::destination::{Destination, Target};
use crate::forward::forward;
use crate::head::Client;
use crate::ledger::{How, Open, Protocol};
use crate::proxy::Job;
use crate::relay::IDLE;
use crate::speak;
use crate::stop::{Failure, Refusal, Stop};
use crate::tunnel::{readdressed, tunnel};
use crate::wire::http::{self, Head};
use crate::wire::socks::{self, Asked};

/// Where HTTP means another port than it says.
const HTTP_PORT: u16 = 80;

/// A connection and what is written down of it.
struct Session<'j> {
    job: &'j Job,
    client: Client,
    open: Open,
}

/// Serves it to its end.
pub(crate) async fn serve(stream: TcpStream, job: &Job) {
    let local = stream.local_addr();
    let mut session = Session { job, client: Client::new(stream), open: Open::new(&job.ledger) };
    let served = match local {
        Ok(SocketAddr::V4(local)) if is_proxy(*local.ip(), local.port()) => session.asked_as_proxy().await,
        Ok(local) => session.asked_as_host(local).await,
        Err(error) => Err(error.into()),
    };
    if let Err(stop) = served {
        session.open.stopped(&stop);
    }
}

fn is_proxy(address: Ipv4Addr, port: u16) -> bool {
    address == Ipv4Addr::LOCALHOST && port == PROXY_PORT.get()
}

impl Session<'_> {
    /// By a program that knows of no proxy: the address it came to stands for a host.
    async fn asked_as_host(&mut self, local: SocketAddr) -> Result<(), Stop> {
        self.open.asked(How::Transparent);
        let name = match local.ip() {
            IpAddr::V4(address) => self.job.egress.standing_for(address),
            IpAddr::V6(_) => None,
        };
        let Some(name) = name else {
            let target = Target::Address(local.ip());
            self.open.for_destination(&Destination { target, port: local.port() });
            return Err(Refusal::NobodyThere.into());
        };
        let destination = Destination { target: Target::Name(name.clone()), port: local.port() };
        let mut server = self.connect(&destination).await?;
        tunnel(&mut self.client, &mut server, &destination, &mut self.open).await
    }

    /// By a program that knows of the proxy: its first byte tells SOCKS from HTTP.
    async fn asked_as_proxy(&mut self) -> Result<(), Stop> {
        let said = timeout(IDLE, self.client.read()).await;
        let said = said.map_err(|_| Failure::TooSlow(IDLE))??;
        match self.client.buffer.first() {
            // It has left without a word.
            None if !said => Ok(()),
            Some(&socks::VERSION) => self.socks().await,
            _ => self.http().await,
        }
    }

    async fn http(&mut self) -> Result<(), Stop> {
        self.open.asked(How::Http);
        let head = match self.client.parse(http::HEAD_MAX, http::head).await {
            Ok(head) => head,
            Err(stop) => return self.refuse_http(stop).await,
        };
        if head.method == "CONNECT" {
            return self.http_connect(&head).await;
        }
        match self.made_for(&head).await {
            Ok((mut server, written)) => {
                self.open.speaks(Protocol::Http);
                forward(&mut self.client, &mut server, &self.open.counts, &head, &written).await
            }
            Err(stop) => self.refuse_http(stop).await,
        }
    }

    async fn refuse_http(&mut self, stop: Stop) -> Result<(), Stop> {
        let answer = speak::http(&stop, self.open.destination());
        self.client.dismiss(&answer).await;
        Err(stop)
    }

    async fn http_connect(&mut self, head: &Head) -> Result<(), Stop> {
        self.open.asked(How::Connect);
        let (destination, mut server) = match self.connect_to(head.target.as_bytes()).await {
            Ok(made) => made,
            Err(stop) => return self.refuse_http(stop).await,
        };
        self.client.stream.write_all(speak::CONNECTED).await?;
        tunnel(&mut self.client, &mut server, &destination, &mut self.open).await
    }

    async fn connect_to(&mut self, authority: &[u8]) -> Result<(Destination, TcpStream), Stop> {
        let destination =
            Destination::parse(authority, None).ok_or_else(|| self.open.for_bytes(authority))?;
        let server = self.connect(&destination).await?;
        Ok((destination, server))
    }

    /// The connection that a request asks for, and the request's head as it is sent there.
    async fn made_for(&mut self, head: &Head) -> Result<(TcpStream, Vec<u8>), Stop> {
        let authority = head.absolute().map(|(authority, _)| authority);
        let destination = authority
            .and_then(|authority| Destination::parse(authority.as_bytes(), Some(HTTP_PORT)))
            .ok_or_else(|| self.open.for_bytes(authority.unwrap_or(&head.target).as_bytes()))?;
        self.open.for_destination(&destination);
        let written = readdressed(head, &destination)?;
        Ok((self.connect(&destination).await?, written))
    }

    async fn socks(&mut self) -> Result<(), Stop> {
        self.open.asked(How::Socks5);
        let known = self.client.parse(socks::BYTES_MAX, socks::greeting).await?;
        self.client.stream.write_all(&speak::socks_method(known)).await?;
        if !known {
            return Err(Refusal::Malformed("SOCKS is to be spoken without a password").into());
        }
        let destination = match self.client.parse(socks::BYTES_MAX, socks::request).await? {
            Asked::Connect(destination) => destination,
            Asked::Nowhere(bytes) => {
                let stop = self.open.for_bytes(&bytes).into();
                self.client.dismiss(&speak::socks(Some(&stop))).await;
                return Err(stop);
            }
            Asked::Other => {
                self.client.dismiss(&speak::SOCKS_NOT_SUPPORTED).await;
                return Err(Refusal::Malformed("SOCKS is asked for something else than a connection").into());
            }
        };
        let made = self.connect(&destination).await;
        let answer = speak::socks(made.as_ref().err());
        let mut server = match made {
            Ok(server) => server,
            Err(stop) => {
                self.client.dismiss(&answer).await;
                return Err(stop);
            }
        };
        self.client.stream.write_all(&answer).await?;
        tunnel(&mut self.client, &mut server, &destination, &mut self.open).await
    }

    async fn connect(&mut self, destination: &Destination) -> Result<TcpStream, Stop> {
        self.open.for_destination(destination);
        let (server, address) = connect(&self.job.egress, &self.job.resolver, destination).await?;
        self.open.made(address);
        Ok(server)
    }
}

//! Connections to functions: only to addresses that were judged when the connection was made.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use stockade_egress::{Resolver, approved};
use stockade_policies::HostName;

/// Looks a name up and lets through what is a host on the public internet. No policy names another for a function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judging;

impl Resolve for Judging {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = HostName::parse(name.as_str().as_bytes())
                .ok_or_else(|| io::Error::other("the function's host has no good name"))?;
            let found = Resolver::new().addresses(&name).await.map_err(io::Error::other)?;
            let good = approved(found, |_| false).map_err(|stop| io::Error::other(stop.to_string()))?;
            let addresses: Addrs = Box::new(good.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_host_leads_nowhere() {
        for name in ["localhost", "localhost.localdomain", "127.0.0.1"] {
            assert!(Judging.resolve(name.parse().unwrap()).await.is_err(), "{name}");
        }
    }
}

//! Looking names up for calls.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;

use stockade_egress::{Failure, Resolver};
use stockade_policies::HostName;

use crate::runner::Boxed;

/// Looks names up. What it answers is believed of nothing: every address is judged, at every call, on every redirect.
pub trait Lookup: Send + Sync + Debug {
    /// The addresses of `name`, in the order in which they should be tried.
    fn addresses<'a>(&'a self, name: &'a HostName) -> Boxed<'a, Result<Vec<IpAddr>, Failure>>;
}

/// Looks names up as the host does. The resolver's own bound is that of one job, so each look-up has one of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfHost;

impl Lookup for OfHost {
    fn addresses<'a>(&'a self, name: &'a HostName) -> Boxed<'a, Result<Vec<IpAddr>, Failure>> {
        Box::pin(async move { Resolver::new().addresses(name).await })
    }
}

/// The resolver that the HTTP client is given: it knows no name, so that a connection can only be made to addresses
/// that were judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnowsNone;

impl reqwest::dns::Resolve for KnowsNone {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err(io::Error::other("its addresses were not judged").into()) })
    }
}

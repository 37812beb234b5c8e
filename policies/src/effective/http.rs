//! What an effective policy lets an HTTP call be.

use std::net::IpAddr;

use super::{EffectivePolicy, Rights, members};
use crate::egress::HostName;
use crate::policy::HttpCap;

/// The `http` section of an effective policy.
#[derive(Debug, Clone, Copy)]
pub struct HttpRights<'a>(&'a Rights);

impl EffectivePolicy {
    /// What an HTTP call may be.
    pub fn http(&self) -> HttpRights<'_> {
        HttpRights(self.rights())
    }
}

impl HttpRights<'_> {
    /// Whether that host, with that port, may be called.
    pub fn allows_host(&self, name: &HostName, port: u16) -> bool {
        members(&self.0.http_hosts).any(|(host, _)| host.is_met_by(name.as_str(), port))
    }

    /// Whether that very address, or a network around it, is named with that port. Without that no call reaches an
    /// address that is not public, whatever name leads to it.
    pub fn names_address(&self, address: IpAddr, port: u16) -> bool {
        members(&self.0.http_addresses).any(|(range, _)| range.holds(address, port))
    }

    /// Whether the method may be used; `method` in upper case.
    pub fn allows_method(&self, method: &str) -> bool {
        members(&self.0.methods).any(|(known, _)| known.as_str() == method)
    }

    /// Whether the path may be asked for: an absolute path without its query, already normalised and in the form
    /// in which it is sent.
    pub fn allows_path(&self, path: &str) -> bool {
        members(&self.0.prefixes).any(|(prefix, _)| prefix.holds(path))
    }

    /// Whether a job may set that header field; `name` in lower case.
    pub fn allows_header(&self, name: &str) -> bool {
        members(&self.0.headers).any(|(known, _)| known.as_str() == name)
    }

    /// The largest body of a request, bytes.
    pub fn request_bytes(&self) -> u64 {
        self.cap(HttpCap::RequestKb)
    }

    /// The largest body of an answer, bytes, after decompression.
    pub fn response_bytes(&self) -> u64 {
        self.cap(HttpCap::ResponseKb)
    }

    fn cap(&self, cap: HttpCap) -> u64 {
        self.0.http_caps.get(&cap).map_or(cap.closed(), |decided| decided.value) * 1024
    }
}

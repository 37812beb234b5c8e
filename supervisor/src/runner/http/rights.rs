//! placeholder
use std::net::IpAddr;
/// x
#[derive(Debug)]
pub(crate) struct HttpRights<'a>(&'a ());
impl HttpRights<'_> {
    pub(crate) fn allows_host(&self, _: &str, _: u16) -> bool { true }
    pub(crate) fn allows_address(&self, _: IpAddr, _: u16) -> bool { true }
    pub(crate) fn allows_method(&self, _: &str) -> bool { true }
    pub(crate) fn allows_path(&self, _: &str) -> bool { true }
    pub(crate) fn allows_header(&self, _: &str) -> bool { true }
    pub(crate) fn request_bytes(&self) -> u64 { 65536 }
    pub(crate) fn response_bytes(&self) -> u64 { 65536 }
}

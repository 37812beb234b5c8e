//! The proxy between a job's network namespace and the hosts that its policy names.
//!
//! A job's namespace has a loopback and nothing else; what listens there are sockets that the sandbox's init made and
//! handed over. One [`Proxy`] serves those of one job, and ends with it. Programs reach it in three ways: as an HTTP
//! proxy, as a SOCKS5 proxy, and, knowing of no proxy, at the loopback address that stands for a host.
//!
//! At each connection, and only then, the name is looked up; each address is judged; the connection is made to the
//! very address that was judged; and what the job says first is read, so that it cannot ask the server for another
//! host than the one that was allowed. Everything is bounded, and everything is written down.
//!
//! The judgement of addresses is also what the runner of HTTP calls asks, which makes its connections itself.
//!
//! What a job sends is parsed in [`wire`], by functions of bytes.
#![forbid(unsafe_code)]

mod address;
mod approve;
mod connection;
mod destination;
mod forward;
mod head;
mod ledger;
mod own;
mod proxy;
mod relay;
mod resolve;
mod speak;
mod stop;
mod tunnel;
pub mod wire;

pub use approve::approved;
pub use destination::{Destination, Target};
pub use ledger::{Connection, How, Protocol, Refused, Traffic, Verdict};
pub use proxy::{Listeners, Proxy};
pub use resolve::Resolver;
pub use stop::{Failure, Refusal, Stop};

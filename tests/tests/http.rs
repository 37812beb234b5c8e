//! The HTTP runner against real servers on loopback, honest and hostile; and calls through the queue, which need root.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "http/answers.rs"]
mod answers;
#[path = "http/calls.rs"]
mod calls;
#[path = "http/certificates.rs"]
mod certificates;
#[path = "http/credentials.rs"]
mod credentials;
#[path = "http/desk.rs"]
mod desk;
#[path = "http/endings.rs"]
mod endings;
#[path = "http/places.rs"]
mod places;
#[path = "http/policies.rs"]
mod policies;
#[path = "http/queue.rs"]
mod queue;
#[path = "http/redirects.rs"]
mod redirects;
#[path = "http/rights.rs"]
mod rights;
#[path = "http/stage.rs"]
mod stage;
#[path = "http/tls.rs"]
mod tls;

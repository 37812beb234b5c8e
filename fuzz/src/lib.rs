//! What the fuzz targets do with their bytes, and what must hold of it whatever the bytes are.
//!
//! Each function is one target: `targets/NAME.rs` hands it what libFuzzer makes up, `tests/replay.rs` what lies in
//! `corpus/NAME` and `regressions/NAME`. Not to panic is the least; each also states what must be true of a value
//! that was taken.
#![forbid(unsafe_code)]

mod audit;
mod egress;
mod function;
mod job;
mod recording;
mod text;
mod wire;

pub use audit::audit;
pub use egress::egress;
pub use function::function;
pub use job::job;
pub use recording::recording;
pub use text::{policy, registry};
pub use wire::{reply, report, request, task};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 11] = [
    ("policy", policy),
    ("registry", registry),
    ("request", request),
    ("task", task),
    ("reply", reply),
    ("report", report),
    ("recording", recording),
    ("job", job),
    ("audit", audit),
    ("egress", egress),
    ("function", function),
];

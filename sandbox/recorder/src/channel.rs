//! The way out: frames on this program's own standard error.

use std::io::{self, Read, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use stockade_plan::{PRINTED_MAX, Told};

/// Sends messages, from either thread. Nobody is left to tell if the reader has gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channel(Arc<Mutex<()>>);

impl Channel {
    pub(crate) fn send(&self, message: &Told) {
        let Ok(frame) = message.frame() else { return };
        let _turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _unread = io::stderr().write_all(&frame);
    }

    /// Passes on what the program prints, to the last writer's end.
    pub(crate) fn relay(&self, mut from: impl Read) {
        let mut buffer = vec![0; PRINTED_MAX];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let printed = buffer.get(..read).unwrap_or_default().to_vec();
            if let Ok(printed) = printed.try_into() {
                self.send(&Told::Printed(printed));
            }
        }
    }
}

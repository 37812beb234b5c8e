//! What a program tried and a policy does not grant.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use stockade_plan::{Deed, Fact};

use super::evidence::Evidence;
use super::trace::{Trace, shown};
use crate::seccomp;

/// More notes than this are only counted.
const NOTES_MAX: usize = 60;

/// The notes, each with who caused it.
#[derive(Debug, Default)]
pub(super) struct Notes(BTreeMap<String, Evidence>);

impl Notes {
    pub(super) fn add(&mut self, what: String, trace: &Trace, fact: &Fact, times: u32) {
        self.0.entry(what).or_default().add(trace, fact, times);
    }

    /// Addresses, and what the recorder itself has to say.
    pub(super) fn of_trace(&mut self, trace: &Trace) {
        for (fact, times) in trace.facts() {
            if let Deed::Address(bytes) = &fact.deed
                && fact.errno != 0
                && let Some(address) = address(bytes.as_slice())
            {
                let call = seccomp::numbered(fact.call).map_or("reach", seccomp::Call::name);
                self.add(format!("{call} {address}: {}", answer(fact.errno)), trace, fact, times);
            }
        }
    }

    /// One line each, sorted.
    pub(super) fn lines(self, trace: &Trace) -> Vec<String> {
        let unnamed = trace.left().filter(|(path, _)| super::text::output_name(path).is_none());
        let unnamed: Vec<String> = unnamed
            .map(|(path, _)| format!("leave `{}` in /job: its name cannot stand in a policy", shown(path)))
            .collect();
        let more = self.0.len().saturating_sub(NOTES_MAX);
        let mut lines: Vec<String> =
            self.0.iter().take(NOTES_MAX).map(|(what, who)| format!("{what} ({who})")).collect();
        lines.extend(unnamed);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let Some(recorded) = trace.recorded() else { return lines };
        if recorded.untold > 0 {
            lines.push(format!("THE RECORDING IS CUT: {} things were too many to be told", recorded.untold));
        }
        if recorded.shy > 0 {
            lines.push(format!("{} processes asked not to be traced, and were", recorded.shy));
        }
        if recorded.lost_signals > 0 {
            lines.push(format!("{} real-time signals were lost in the recording", recorded.lost_signals));
        }
        lines
    }
}

/// What the kernel answered, in words.
pub(super) fn answer(errno: u16) -> String {
    match errno {
        0 => "done".to_owned(),
        errno => {
            let text = std::io::Error::from_raw_os_error(i32::from(errno)).to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

/// The file that a bound socket of the unix family is, as its address names it; unix(7).
pub(super) fn socket_file(address: &[u8]) -> Option<&[u8]> {
    let family = u16::from_le_bytes(*address.first_chunk()?);
    let name = address.get(2..)?.split(|byte| *byte == 0).next()?;
    (i32::from(family) == libc::AF_UNIX && !name.is_empty()).then_some(name)
}

/// A socket address as people write it; unix(7), ip(7), ipv6(7).
fn address(bytes: &[u8]) -> Option<String> {
    let family = u16::from_le_bytes(*bytes.first_chunk()?);
    let rest = bytes.get(2..)?;
    let port = || rest.first_chunk().map(|port| u16::from_be_bytes(*port));
    Some(match i32::from(family) {
        libc::AF_UNIX => {
            let name = rest.split(|byte| *byte == 0).find(|part| !part.is_empty()).unwrap_or_default();
            format!("unix:{}", shown(name))
        }
        libc::AF_INET => {
            let address: [u8; 4] = *rest.get(2..)?.first_chunk()?;
            format!("{}:{}", Ipv4Addr::from(address), port()?)
        }
        libc::AF_INET6 => {
            let address: [u8; 16] = *rest.get(6..)?.first_chunk()?;
            format!("[{}]:{}", Ipv6Addr::from(address), port()?)
        }
        libc::AF_UNSPEC => return None,
        family => format!("a socket of family {family}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_people_write_them() {
        let shown = |bytes: &[u8]| address(bytes).unwrap();
        assert_eq!(shown(&[2, 0, 1, 187, 192, 0, 2, 7, 0, 0]), "192.0.2.7:443");
        assert_eq!(shown(b"\x01\0/run/x\nbad\0\0"), "unix:/run/x\\u{a}bad");
        assert_eq!(shown(b"\x01\0\0abstract"), "unix:abstract");
        let mut v6 = vec![10, 0, 0, 80, 0, 0, 0, 0, 0x20, 1];
        v6.extend([0; 13]);
        v6.push(1);
        assert_eq!(shown(&v6), "[2001::1]:80");
        assert_eq!(address(&[2, 0, 1]), None);
    }
}

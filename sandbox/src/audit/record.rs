//! Records of the kernel's audit, as far as they tell of a sandbox.
//!
//! A record is one line of `key=value` pairs. What processes chose (paths, names) stands in quotes or, with any byte that could
//! be taken for something else, in hexadecimal, so that splitting at spaces is safe: `audit_log_n_untrustedstring`,
//! kernel/audit.c. Everything else here is bounded by the size of a record.

use std::net::{IpAddr, SocketAddr};

use chrono::{DateTime, Utc};

use crate::text::{SHOWN_MAX, printable};

/// `AUDIT_SECCOMP`, linux/audit.h.
const SECCOMP: u16 = 1326;
/// `AUDIT_LANDLOCK_ACCESS`, linux/audit.h.
const LANDLOCK_ACCESS: u16 = 1423;
/// `AUDIT_LANDLOCK_DOMAIN`, linux/audit.h.
const LANDLOCK_DOMAIN: u16 = 1424;

/// A record that tells of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When it was made.
    pub at: DateTime<Utc>,
    /// What it tells.
    pub event: AuditEvent,
}

/// What a record tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditEvent {
    /// Landlock refused something.
    Refused {
        /// The number of the domain, which no other domain ever has.
        domain: u64,
        /// What was to be done.
        what: &'static str,
        /// To what; escaped, so that it forges nothing.
        target: String,
    },
    /// The first refusal of a domain: who made the domain.
    Allocated {
        /// Its number.
        domain: u64,
        /// The id of the process that made it.
        uid: u32,
    },
    /// A domain is gone that had refused something.
    Deallocated {
        /// Its number.
        domain: u64,
        /// How often it refused, whether there was a record of it or not.
        denials: u64,
    },
    /// A filter had a call recorded, and let it pass.
    Logged {
        /// The id of the process.
        uid: u32,
        /// What the process calls itself.
        name: Vec<u8>,
    },
    /// A filter killed a process for a call.
    Killed {
        /// The id of the process.
        uid: u32,
        /// `AUDIT_ARCH_*` of the call, linux/audit.h.
        architecture: u32,
        /// Its number.
        call: u64,
    },
}

/// The kernel's words for what Landlock refuses, `log_request_type` and `fs_access_strings` of
/// security/landlock/audit.c, and ours.
const WORDS: [(&str, &str); 19] = [
    ("fs.execute", "execute"),
    ("fs.write_file", "write"),
    ("fs.read_file", "read"),
    ("fs.read_dir", "list"),
    ("fs.remove_dir", "remove"),
    ("fs.remove_file", "remove"),
    ("fs.make_char", "make_device"),
    ("fs.make_dir", "make"),
    ("fs.make_reg", "make"),
    ("fs.make_sock", "make"),
    ("fs.make_fifo", "make"),
    ("fs.make_block", "make_device"),
    ("fs.make_sym", "make"),
    ("fs.truncate", "write"),
    ("fs.ioctl_dev", "ioctl"),
    ("net.bind_tcp", "bind"),
    ("net.connect_tcp", "connect"),
    ("scope.signal", "signal"),
    ("scope.abstract_unix_socket", "connect"),
];

impl AuditRecord {
    /// Parses the text of a record of that type; `None` for records that tell of no sandbox, and for text that is no record.
    pub fn parse(kind: u16, text: &[u8]) -> Option<Self> {
        let fields = Fields::of(text);
        let at = time(fields.0.first()?)?;
        let event = match kind {
            LANDLOCK_ACCESS => fields.refused()?,
            LANDLOCK_DOMAIN => fields.domain()?,
            SECCOMP => fields.filtered()?,
            _ => return None,
        };
        Some(Self { at, event })
    }
}

/// `audit(SECONDS.MILLISECONDS:SERIAL):`.
fn time(stamp: &[u8]) -> Option<DateTime<Utc>> {
    let stamp = str::from_utf8(stamp).ok()?.strip_prefix("audit(")?;
    let (seconds, rest) = stamp.split_once('.')?;
    let (milliseconds, _serial) = rest.split_once(':')?;
    let milliseconds: i64 = milliseconds.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    DateTime::from_timestamp_millis(seconds.checked_mul(1000)?.checked_add(milliseconds)?)
}

/// The parts of a record.
struct Fields<'t>(Vec<&'t [u8]>);

impl<'t> Fields<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self(text.split(|byte| matches!(byte, b' ' | 0 | b'\n')).filter(|part| !part.is_empty()).collect())
    }

    /// The value of the first field of that name.
    fn get(&self, name: &str) -> Option<&'t [u8]> {
        self.0.iter().find_map(|part| part.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    fn text(&self, name: &str) -> Option<&'t str> {
        str::from_utf8(self.get(name)?).ok()
    }

    fn decimal<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    fn hexadecimal(&self, name: &str) -> Option<u64> {
        u64::from_str_radix(self.text(name)?, 16).ok()
    }

    fn refused(&self) -> Option<AuditEvent> {
        let domain = self.hexadecimal("domain")?;
        let blockers = self.text("blockers")?;
        let first = blockers.split(',').next()?;
        let what = match WORDS.iter().find(|(kernel, _)| *kernel == first) {
            Some((_, what)) => what,
            None if first == "fs.refer" => "move",
            None if first == "fs.change_topology" => "mount",
            None if first == "ptrace" => "trace",
            None => "other",
        };
        Some(AuditEvent::Refused { domain, what, target: self.target().unwrap_or_default() })
    }

    /// What a refused right was applied to, as far as it has a name.
    fn target(&self) -> Option<String> {
        if let Some(path) = self.get("path").or_else(|| self.get("name")) {
            return Some(printable(&untrusted(path), SHOWN_MAX));
        }
        let address = |name| self.text(name).and_then(|text| text.parse::<IpAddr>().ok());
        if let Some(port) = self.decimal("dest") {
            return Some(match address("daddr") {
                Some(address) => SocketAddr::new(address, port).to_string(),
                None => format!("port {port}"),
            });
        }
        if let Some(port) = self.decimal::<u16>("src") {
            return Some(format!("port {port}"));
        }
        self.get("ocomm").map(|name| printable(&untrusted(name), SHOWN_MAX))
    }

    fn domain(&self) -> Option<AuditEvent> {
        let domain = self.hexadecimal("domain")?;
        match self.text("status")? {
            "allocated" => Some(AuditEvent::Allocated { domain, uid: self.decimal("uid")? }),
            "deallocated" => Some(AuditEvent::Deallocated { domain, denials: self.decimal("denials")? }),
            _ => None,
        }
    }

    /// A job may install filters of its own that have calls recorded and let them pass (`SECCOMP_RET_LOG`): those kill nobody.
    fn filtered(&self) -> Option<AuditEvent> {
        /// `SIGSYS`, asm-generic/signal.h.
        const KILLED: u32 = 31;
        /// `SECCOMP_RET_LOG`, linux/seccomp.h.
        const LOGGED: u64 = 0x7ffc_0000;
        let uid = self.decimal("uid")?;
        if self.decimal::<u32>("sig")? == KILLED {
            let architecture = u32::try_from(self.hexadecimal("arch")?).ok()?;
            return Some(AuditEvent::Killed { uid, architecture, call: self.decimal("syscall")? });
        }
        let code = self.text("code")?.strip_prefix("0x")?;
        (u64::from_str_radix(code, 16).ok()? == LOGGED).then_some(())?;
        Some(AuditEvent::Logged { uid, name: untrusted(self.get("comm")?) })
    }
}

/// What a process chose: in quotes, or in hexadecimal.
fn untrusted(value: &[u8]) -> Vec<u8> {
    if let Some(quoted) = value.strip_prefix(b"\"") {
        return quoted.strip_suffix(b"\"").unwrap_or(quoted).to_vec();
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = value.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().unwrap_or_else(|| value.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, text: &str) -> Option<AuditEvent> {
        AuditRecord::parse(kind, text.as_bytes()).map(|record| record.event)
    }

    fn refused(rest: &str) -> (&'static str, String) {
        match event(1423, &format!("audit(1795446429.972:4816): domain=18c678dc0 {rest}")) {
            Some(AuditEvent::Refused { domain: 0x0001_8c67_8dc0, what, target }) => (what, target),
            other => panic!("{rest}: {other:?}"),
        }
    }

    #[test]
    fn records_of_landlock_are_read() {
        assert_eq!(
            refused("blockers=fs.read_file path=\"/etc/shadow\" dev=\"tmpfs\" ino=35"),
            ("read", "/etc/shadow".to_owned())
        );
        assert_eq!(
            refused("blockers=fs.write_file,fs.truncate path=2F6120620A"),
            ("write", "/a b\\n".to_owned())
        );
        assert_eq!(
            refused("blockers=net.connect_tcp daddr=192.0.2.1 dest=80"),
            ("connect", "192.0.2.1:80".to_owned())
        );
        assert_eq!(refused("blockers=net.connect_tcp daddr=::1 dest=80"), ("connect", "[::1]:80".to_owned()));
        assert_eq!(refused("blockers=net.bind_tcp src=8080"), ("bind", "port 8080".to_owned()));
        assert_eq!(
            refused("blockers=scope.signal opid=1 ocomm=\"systemd\""),
            ("signal", "systemd".to_owned())
        );
        assert_eq!(refused("blockers=fs.something_new"), ("other", String::new()));
    }

    #[test]
    fn the_life_of_a_domain_is_read() {
        let at = "audit(1795446429.972:4816): domain=18c678dc0";
        let comm = "exe=\"/x\" comm=646F6D61696E3D31207569643D30";
        assert_eq!(
            event(1424, &format!("{at} status=allocated mode=enforcing pid=16533 uid=1879048192 {comm}")),
            Some(AuditEvent::Allocated { domain: 0x0001_8c67_8dc0, uid: 1_879_048_192 })
        );
        assert_eq!(
            event(1424, &format!("{at} status=deallocated denials=2")),
            Some(AuditEvent::Deallocated { domain: 0x0001_8c67_8dc0, denials: 2 })
        );
        let record =
            AuditRecord::parse(1424, format!("{at} status=deallocated denials=2").as_bytes()).unwrap();
        assert_eq!(record.at.timestamp_millis(), 1_795_446_429_972);
    }

    #[test]
    fn a_process_that_a_filter_killed_is_read() {
        let text = "audit(1.5:6): auid=4294967295 uid=1879048192 gid=1879048192 ses=4294967295 pid=9 comm=\"probe\" \
                    exe=\"/probe\" sig=31 arch=40000003 syscall=20 compat=1 ip=0x8048 code=0x80000000";
        let killed = AuditEvent::Killed { uid: 1_879_048_192, architecture: 0x4000_0003, call: 20 };
        assert_eq!(event(1326, text), Some(killed));
        assert_eq!(event(1326, &text.replace("sig=31", "sig=0")), None);
        let logged = text.replace("sig=31", "sig=0").replace("0x80000000", "0x7ffc0000");
        let by = |name: &[u8]| Some(AuditEvent::Logged { uid: 1_879_048_192, name: name.to_vec() });
        assert_eq!(event(1326, &logged), by(b"probe"));
        assert_eq!(event(1326, &logged.replace("\"probe\"", "81FF20")), by(b"\x81\xff "));
    }

    #[test]
    fn other_records_and_nonsense_tell_nothing() {
        for (kind, text) in [
            (1300, "audit(1.5:6): arch=c000003e syscall=49"),
            (1423, ""),
            (1423, "audit(1.5:6): "),
            (1423, "audit(x.5:6): domain=1 blockers=fs.read_file"),
            (1423, "audit(9223372036854775807.5:6): domain=1 blockers=fs.read_file"),
            (1423, "audit(1.5:6): domain=11112222333344445 blockers=fs.read_file"),
            (1424, "audit(1.5:6): domain=1 status=allocated uid=-1"),
            (1424, "audit(1.5:6): domain=1 status=else"),
        ] {
            assert_eq!(event(kind, text), None, "{text}");
        }
    }
}

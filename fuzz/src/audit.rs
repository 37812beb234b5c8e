//! Records of the kernel's audit, in which processes choose paths and names.

use stockade_sandbox::{AuditEvent, AuditRecord};

/// `AUDIT_SECCOMP`, `AUDIT_LANDLOCK_ACCESS` and `AUDIT_LANDLOCK_DOMAIN`, linux/audit.h.
const KINDS: [u16; 3] = [1326, 1423, 1424];

/// A byte for the type of a record, then its text.
pub fn audit(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let kind = KINDS.get(usize::from(*kind) % KINDS.len()).copied().unwrap_or_default();
    let Some(record) = AuditRecord::parse(kind, text) else { return };
    if let AuditEvent::Refused { target, .. } = record.event {
        assert!(!target.chars().any(char::is_control), "a target that forges lines: {target:?}");
        // The longest escape of a byte has six characters.
        assert!(target.len() <= 8 * text.len() + 64, "a target longer than its record explains");
    }
}

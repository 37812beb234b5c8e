//! What has been seen, each thing once, and how often.

use std::collections::HashMap;

use stockade_plan::{Deed, FACTS_MAX, Fact, How, PathBytes, TOLD_PATH_MAX, Told};

use crate::channel::Channel;

/// Of the facts, those about files that were not there, and those about calls and addresses: neither may crowd out what
/// was found.
const MISSED_MAX: usize = 1024;
const CALLS_MAX: usize = 2048;
const FOUND_MAX: usize = FACTS_MAX - MISSED_MAX - CALLS_MAX;
/// After so many files, one beneath a directory that was listed counts as another listing of that: a policy that grants the
/// directory grants the file. Not beneath one at the top of the tree: no policy grants those.
const FOUND_EACH: usize = 512;
const TOP_DEPTH: usize = 2;
/// More executables than this are told as the last one.
const PROGRAMS_MAX: u16 = 1024;
/// openat(2) on x86-64: with it every libc lists directories.
const OPENAT: u32 = 257;
/// Bytes of all facts together.
const BYTES_MAX: usize = 8 << 20;

/// The book.
#[derive(Debug)]
pub(crate) struct Book {
    channel: Channel,
    programs: HashMap<Vec<u8>, u16>,
    facts: HashMap<Fact, usize>,
    counts: Vec<u32>,
    /// Facts of each kind: missed, calls, found.
    kinds: [usize; 3],
    bytes: usize,
    pub(crate) untold: u64,
}

impl Book {
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            channel,
            programs: HashMap::new(),
            facts: HashMap::new(),
            counts: Vec::new(),
            kinds: [0; 3],
            bytes: 0,
            untold: 0,
        }
    }

    /// The number of an executable.
    pub(crate) fn program(&mut self, path: &[u8]) -> u16 {
        if let Some(known) = self.programs.get(path) {
            return *known;
        }
        let number = u16::try_from(self.programs.len()).unwrap_or(u16::MAX);
        if number >= PROGRAMS_MAX {
            return PROGRAMS_MAX - 1;
        }
        self.programs.insert(path.to_vec(), number);
        self.channel.send(&Told::Program(bounded(path)));
        number
    }

    /// Notes that something was done.
    pub(crate) fn note(&mut self, fact: Fact) {
        if let Some(count) = self.facts.get(&fact).and_then(|index| self.counts.get_mut(*index)) {
            *count = count.saturating_add(1);
            return;
        }
        if let Some(directory) = self.listed_above(&fact) {
            return self.note(directory);
        }
        let (kind, max, size) = kind(&fact);
        let Some(of_kind) = self.kinds.get_mut(kind).filter(|of_kind| **of_kind < max) else {
            self.untold += 1;
            return;
        };
        if self.bytes + size > BYTES_MAX {
            self.untold += 1;
            return;
        }
        *of_kind += 1;
        self.bytes += size;
        self.channel.send(&Told::Fact(fact.clone()));
        self.facts.insert(fact, self.counts.len());
        self.counts.push(1);
    }

    /// The listing of a directory above that was noted, if the file itself need not be.
    fn listed_above(&self, fact: &Fact) -> Option<Fact> {
        let Deed::Named { how: How::Read | How::Look, named, real } = &fact.deed else { return None };
        let [_, _, found] = self.kinds;
        if fact.errno != 0 || found < FOUND_EACH || real.as_ref().is_some_and(|real| real != named) {
            return None;
        }
        let mut path = named.as_slice();
        loop {
            let end = path.iter().rposition(|byte| *byte == b'/')?;
            path = path.get(..end)?;
            if path.iter().filter(|byte| **byte == b'/').count() < TOP_DEPTH {
                return None;
            }
            let named = bounded(path);
            let deed = Deed::Named { how: How::Read, named: named.clone(), real: Some(named) };
            let listing = Fact { call: OPENAT, deed, ..*fact };
            if self.facts.contains_key(&listing) {
                return Some(listing);
            }
        }
    }

    /// Tells how often each fact was seen.
    pub(crate) fn close(&mut self) {
        if let Ok(counts) = std::mem::take(&mut self.counts).try_into() {
            self.channel.send(&Told::Counts(counts));
        }
    }
}

/// The kind of a fact, how many of it are told, and its size.
fn kind(fact: &Fact) -> (usize, usize, usize) {
    match &fact.deed {
        Deed::Named { named, real, .. } => {
            let size = 64 + named.len() + real.as_ref().map_or(0, |real| real.len());
            if fact.errno == 0 { (2, FOUND_MAX, size) } else { (0, MISSED_MAX, size) }
        }
        Deed::Called(_) | Deed::Address(_) => (1, CALLS_MAX, 64),
    }
}

/// A path, cut where it is longer than one can be.
pub(crate) fn bounded(path: &[u8]) -> PathBytes {
    let cut = path.get(..path.len().min(TOLD_PATH_MAX)).unwrap_or_default();
    cut.to_vec().try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(path: &str, errno: u16) -> Fact {
        let named = bounded(path.as_bytes());
        Fact { program: 0, call: 4, deed: Deed::Named { how: How::Look, named, real: None }, errno }
    }

    #[test]
    fn a_flood_of_names_that_are_not_there_leaves_room_for_what_is() {
        let mut book = Book::new(Channel::default());
        for number in 0..3 * MISSED_MAX {
            book.note(looked(&format!("/none/{number}"), 2));
        }
        assert_eq!((book.counts.len(), book.untold), (MISSED_MAX, 2 * MISSED_MAX as u64));
        book.note(looked("/usr/lib/there", 0));
        book.note(looked("/usr/lib/there", 0));
        assert_eq!(book.counts.last(), Some(&2));
    }

    #[test]
    fn a_walk_through_a_large_tree_is_told_as_its_top() {
        assert_eq!(i64::from(OPENAT), nix::libc::SYS_openat);
        let mut book = Book::new(Channel::default());
        let listed = |path: &str| {
            let named = bounded(path.as_bytes());
            let deed = Deed::Named { how: How::Read, named: named.clone(), real: Some(named) };
            Fact { program: 0, call: OPENAT, deed, errno: 0 }
        };
        book.note(listed("/usr/share"));
        for number in 0..3 * FOUND_MAX {
            book.note(looked(&format!("/usr/share/doc/{number}"), 0));
        }
        assert_eq!((book.untold, book.kinds), (0, [0, 0, FOUND_EACH]));
        // What lies elsewhere has its own place.
        book.note(listed("/usr/include"));
        assert_eq!(book.kinds, [0, 0, FOUND_EACH + 1]);
        book.note(listed("/etc"));
        book.note(looked("/etc/magic", 0));
        assert_eq!(book.kinds, [0, 0, FOUND_EACH + 3]);
    }
}

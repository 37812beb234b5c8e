//! What was refused so far, counted.
//!
//! What is kept is bounded, and what a job does most cannot hide what it does once: of each call so many are kept apart by
//! what they named, the others together. So every call that was ever refused is in the table, whatever else is.

use stockade_plan::{Named, Refusal, Refused};

/// So many refusals of one kind are kept apart by what they named.
const KEPT_APART: usize = 16;

/// Every kind of refusal with its count.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    refused: Refused,
    count: u64,
    /// The count that was told last.
    told: u64,
}

impl Table {
    /// Counts one. What is to be told of it, if anything: a count is told when it has doubled, so a million are told in
    /// twenty messages.
    pub(super) fn count(&mut self, refused: Refused) -> Option<Refusal> {
        let place = self.place_of(refused);
        let entry = self.0.get_mut(place)?;
        entry.count = entry.count.saturating_add(1);
        let first = entry.told == 0;
        if !first && entry.count < entry.told.saturating_mul(2) {
            return None;
        }
        entry.told = entry.count;
        let refused = first.then(|| entry.refused.clone());
        Some(Refusal { place: u16::try_from(place).ok()?, count: entry.count, refused })
    }

    /// The counts that were not told as they are now.
    pub(super) fn untold(&mut self) -> Vec<Refusal> {
        let changed = (0_u16..).zip(&mut self.0).filter(|(_, entry)| entry.told != entry.count);
        let tell = |(place, entry): (u16, &mut Entry)| {
            entry.told = entry.count;
            Refusal { place, count: entry.count, refused: None }
        };
        changed.map(tell).collect()
    }

    /// Where it is counted; a place is made for it if it has none.
    fn place_of(&mut self, refused: Refused) -> usize {
        let find = |entries: &[Entry], refused: &Refused| entries.iter().position(|e| e.refused == *refused);
        if let Some(place) = find(&self.0, &refused) {
            return place;
        }
        let of_its_kind = self.0.iter().filter(|entry| same_kind(&entry.refused, &refused)).count();
        let refused = if of_its_kind < KEPT_APART { refused } else { others(refused) };
        find(&self.0, &refused).unwrap_or_else(|| {
            self.0.push(Entry { refused, count: 0, told: 0 });
            self.0.len() - 1
        })
    }
}

fn same_kind(one: &Refused, other: &Refused) -> bool {
    match (one, other) {
        (Refused::Call { call: one, .. }, Refused::Call { call: other, .. }) => one == other,
        (Refused::Execute { by: one, .. }, Refused::Execute { by: other, .. }) => one == other,
        (Refused::Connect { .. }, Refused::Connect { .. }) => true,
        (Refused::Unread { call: one }, Refused::Unread { call: other }) => one == other,
        _ => false,
    }
}

/// The same without what it named.
fn others(refused: Refused) -> Refused {
    match refused {
        Refused::Call { call, .. } => Refused::Call { call, arguments: Named::Others },
        Refused::Execute { by, .. } => Refused::Execute { program: Named::Others, by },
        Refused::Unread { call } => Refused::Unread { call },
        Refused::Connect { .. } => Refused::Connect { address: Named::Others },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(call: u32, argument: u32) -> Refused {
        Refused::Call { call, arguments: Named::Known([argument, 0, 0, 0, 0, 0]) }
    }

    #[test]
    fn a_million_refusals_are_told_in_twenty_messages_and_the_count_is_exact_at_the_end() {
        let mut table = Table::default();
        let told: Vec<Refusal> = (0..1_000_000).filter_map(|_| table.count(call(101, 0))).collect();
        assert_eq!(told.len(), 20);
        assert_eq!(told[0], Refusal { place: 0, count: 1, refused: Some(call(101, 0)) });
        assert!(told[1..].iter().all(|refusal| refusal.refused.is_none()));
        assert_eq!(table.untold(), [Refusal { place: 0, count: 1_000_000, refused: None }]);
        assert_eq!(table.untold(), []);
    }

    #[test]
    fn a_flood_of_different_arguments_hides_no_other_call() {
        let mut table = Table::default();
        for argument in 0..100_000 {
            table.count(call(41, argument));
        }
        assert_eq!(table.0.len(), KEPT_APART + 1);
        let last = table.0.last().unwrap();
        assert_eq!(last.refused, Refused::Call { call: 41, arguments: Named::Others });
        assert_eq!(last.count, 100_000 - KEPT_APART as u64);
        assert_eq!(table.count(call(425, 0)).unwrap().refused, Some(call(425, 0)));
    }
}

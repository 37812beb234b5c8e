//! Looking for a program in one directory after the other, as execvp(3) does: a program that is found in the third was
//! not refused in the first two.
//!
//! So a name that is not there is held back until its process has found the program somewhere else, or has had the time
//! to. It is counted then, or when the job ends.

use nix::libc::pid_t;
use stockade_plan::{Refused, Wall};

/// More are not held back; a search path is a few directories long.
const HELD_MAX: usize = 64;
/// Nor for longer than it takes to hear of so many other calls.
const OTHERS_MAX: usize = 256;

/// A program that a process asks for.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) process: pid_t,
    /// The last part of its path.
    pub(super) name: Vec<u8>,
    /// Why it will not be executed, if it will not.
    pub(super) refused: Option<Refused>,
}

impl Execution {
    fn is_of_the_search_of(&self, other: &Self) -> bool {
        self.process == other.process && self.name == other.name
    }

    fn is_missing(&self) -> bool {
        matches!(self.refused, Some(Refused::Execute { by: Wall::View, .. }))
    }
}

/// What is held back.
#[derive(Debug, Default)]
pub(super) struct Searches {
    misses: Vec<Execution>,
    others: usize,
}

impl Searches {
    /// Takes in what a process asks for: what is to be counted now, in the order in which it was heard.
    pub(super) fn heard(&mut self, asked: Execution) -> Vec<Refused> {
        let of_others = |miss: &mut Execution| miss.process == asked.process && miss.name != asked.name;
        let given_up: Vec<Execution> = self.misses.extract_if(.., of_others).collect();
        if asked.refused.is_none() {
            self.misses.retain(|miss| !miss.is_of_the_search_of(&asked));
        }
        let counted = if asked.is_missing() && self.misses.len() < HELD_MAX {
            self.misses.push(asked);
            self.others = 0;
            None
        } else {
            asked.refused
        };
        given_up.into_iter().filter_map(|miss| miss.refused).chain(counted).collect()
    }

    /// Takes in that another call was heard of: what is to be counted now, because that has happened often.
    pub(super) fn heard_another(&mut self) -> Vec<Refused> {
        self.others += 1;
        if self.others < OTHERS_MAX { Vec::new() } else { self.give_up() }
    }

    /// Whether anything is held back.
    pub(super) fn are_open(&self) -> bool {
        !self.misses.is_empty()
    }

    /// All that is held back is to be counted.
    pub(super) fn give_up(&mut self) -> Vec<Refused> {
        self.others = 0;
        self.misses.drain(..).filter_map(|miss| miss.refused).collect()
    }
}

#[cfg(test)]
mod tests {
    use stockade_plan::{Named, PathBytes};

    use super::*;

    fn refused(path: &str, by: Wall) -> Refused {
        Refused::Execute { program: Named::Known(PathBytes::try_from(path.as_bytes().to_vec()).unwrap()), by }
    }

    fn asked(process: pid_t, path: &str, by: Option<Wall>) -> Execution {
        let name = path.rsplit('/').next().unwrap().as_bytes().to_vec();
        Execution { process, name, refused: by.map(|by| refused(path, by)) }
    }

    #[test]
    fn a_program_that_is_found_was_not_refused_where_it_is_not() {
        let mut searches = Searches::default();
        for directory in ["/usr/local/bin", "/usr/sbin"] {
            assert_eq!(searches.heard(asked(2, &format!("{directory}/gzip"), Some(Wall::View))), []);
        }
        assert_eq!(searches.heard(asked(2, "/usr/bin/gzip", None)), []);
        assert!(!searches.are_open());
    }

    #[test]
    fn a_program_that_is_found_nowhere_was_refused_everywhere() {
        let mut searches = Searches::default();
        searches.heard(asked(2, "/usr/bin/nmap", Some(Wall::View)));
        searches.heard(asked(2, "/bin/nmap", Some(Wall::View)));
        // Neither another process nor another program of the same one is what was looked for.
        assert_eq!(searches.heard(asked(3, "/usr/bin/nmap", None)), []);
        let both = [refused("/usr/bin/nmap", Wall::View), refused("/bin/nmap", Wall::View)];
        assert_eq!(searches.heard(asked(2, "/usr/bin/true", None)), both);
        searches.heard(asked(2, "/bin/nmap", Some(Wall::View)));
        assert_eq!(searches.give_up(), both[1..]);
        assert_eq!(searches.give_up(), []);
    }

    #[test]
    fn what_another_layer_refuses_is_counted_at_once() {
        let mut searches = Searches::default();
        searches.heard(asked(2, "/usr/bin/id", Some(Wall::View)));
        assert_eq!(searches.heard(asked(2, "/job/id", Some(Wall::Mount))), [refused("/job/id", Wall::Mount)]);
        assert!(searches.are_open(), "the search goes on behind it");
    }

    #[test]
    fn little_is_held_back_and_not_for_long() {
        let mut searches = Searches::default();
        let counted = (0..1000).map(|number| searches.heard(asked(number, "/bin/x", Some(Wall::View))).len());
        assert_eq!(counted.sum::<usize>(), 1000 - HELD_MAX);
        let counted = (0..OTHERS_MAX).map(|_| searches.heard_another().len());
        assert_eq!(counted.sum::<usize>(), HELD_MAX);
    }
}

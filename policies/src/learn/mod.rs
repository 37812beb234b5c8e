//! From what a recorder saw a program do to the least policy that lets it do so again.
//!
//! What the recorder tells is a stranger's word: the program ran beside it. So nothing of it is granted that a policy
//! could not grant, and all of it stands in the text, each line with what asked for it, for a person to judge.

mod calls;
mod evidence;
mod files;
mod limits;
mod notes;
mod programs;
#[cfg(test)]
mod tests;
mod text;
mod trace;

use std::collections::BTreeSet;

use stockade_plan::{AbsPath, EnvName, RelPath};

pub use limits::Measured;
pub use trace::Trace;

use crate::host::Host;
use crate::policy::PolicyName;

/// A policy that a recording suggests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The policy's text.
    pub text: String,
    /// What the program tried and the policy does not grant.
    pub refused: Vec<String>,
    /// The paths of `filesystem.read` and `filesystem.execute`: whether the program can do without one shows in a run.
    pub paths: Vec<AbsPath>,
}

/// How much of what was seen counts as needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breadth {
    /// What the program read, listed, executed and wrote, and calls that were carried out.
    Used,
    /// Also what it only looked at, and calls that failed for a reason of their own: for programs that do something
    /// else when they do not find what they look for.
    LookedAt,
}

/// What a draft is made from.
#[derive(Debug)]
pub struct Study<'a> {
    /// What the recorder told.
    pub trace: &'a Trace,
    /// The policy's name.
    pub name: &'a PolicyName,
    /// The program, as it was named.
    pub command: &'a AbsPath,
    /// Names of the files that were given to it.
    pub inputs: &'a [String],
    /// The outputs that it declares; whatever it leaves in `/job` if nobody says.
    pub outputs: &'a [RelPath],
    /// Variables that it gets from the caller.
    pub pass: &'a [EnvName],
    /// What it used up.
    pub measured: Measured,
}

impl Study<'_> {
    /// The draft, less the paths that the program was seen to do without; the same study on the same host gives the same
    /// text.
    pub fn draft(&self, host: &Host, breadth: Breadth, without: &BTreeSet<AbsPath>) -> Draft {
        let mut notes = notes::Notes::default();
        let mut programs = programs::Programs::of(self, host, &mut notes);
        let mut files = files::Files::of(self, host, breadth, &mut programs, &mut notes);
        let left_out = files.leave_out(without);
        let calls = calls::Needed::of(self.trace, breadth, &mut notes);
        notes.of_trace(self.trace);
        text::render(self, &text::Parts { programs, files, calls, left_out }, notes)
    }
}

//! What the recorder told, read with the care that a stranger's word asks for.

use stockade_plan::{Ended, FACTS_MAX, Fact, Recorded, Told};

/// A recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// What the program printed on standard error.
    stderr: Vec<u8>,
    /// Executables, as text for people; the facts name them by their place here.
    programs: Vec<String>,
    /// What was done, and how often if that was told.
    facts: Vec<(Fact, u32)>,
    left: Vec<(Vec<u8>, u64)>,
    recorded: Option<Recorded>,
    not_started: Option<i32>,
}

impl Trace {
    /// The recording in what the recorder printed; what is cut short or malformed ends it.
    pub fn read(bytes: &[u8]) -> Self {
        let mut trace = Self::default();
        for message in Told::read_all(bytes).0 {
            trace.take(message);
        }
        trace
    }

    fn take(&mut self, message: Told) {
        match message {
            Told::Printed(bytes) => self.stderr.extend_from_slice(bytes.as_slice()),
            Told::Program(path) if self.programs.len() < FACTS_MAX => {
                self.programs.push(shown(path.as_slice()));
            }
            Told::Fact(fact) if self.facts.len() < FACTS_MAX => self.facts.push((fact, 1)),
            Told::Counts(counts) => {
                for ((_, times), count) in self.facts.iter_mut().zip(counts.iter()) {
                    *times = *count;
                }
            }
            Told::Left(path, size) if self.left.len() < FACTS_MAX => self.left.push((path.into_vec(), size)),
            // More than a recorder tells: none of ours said it.
            Told::Program(_) | Told::Fact(_) | Told::Left(..) => {}
            Told::NotStarted(errno) => self.not_started = Some(errno),
            Told::Ended(recorded) => self.recorded = Some(recorded),
        }
    }

    /// What the program printed on standard error.
    pub fn stderr(&self) -> &[u8] {
        &self.stderr
    }

    /// How its first process ended; `None` if the recorder did not live to see it.
    pub fn ended(&self) -> Option<Ended> {
        self.recorded.map(|recorded| recorded.ended)
    }

    /// The error with which the kernel refused to execute it.
    pub fn not_started(&self) -> Option<i32> {
        self.not_started
    }

    /// What the recorder measured.
    pub(crate) fn recorded(&self) -> Option<&Recorded> {
        self.recorded.as_ref()
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = (&Fact, u32)> {
        self.facts.iter().map(|(fact, times)| (fact, *times))
    }

    /// Files that were left in `/job`, with their sizes.
    pub(crate) fn left(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.left.iter().map(|(path, size)| (path.as_slice(), *size))
    }

    /// The executable that a fact is about.
    pub(crate) fn program(&self, fact: &Fact) -> &str {
        self.programs.get(usize::from(fact.program)).map_or("an unknown program", String::as_str)
    }
}

/// Bytes for people: what is not UTF-8, or moves a cursor, or is not seen, as its code. The longest names are cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const LONG: usize = 120;
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match crate::yaml::is_steering(c) {
                true => text.extend(c.escape_unicode()),
                false => text.push(c),
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    if text.chars().count() > LONG {
        text = text.chars().take(LONG).chain(['…']).collect();
    }
    text
}

//! The programs that were executed, less those that the others bring anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use stockade_plan::{AbsPath, Deed, Fact, How};

use super::evidence::Evidence;
use super::notes::{Notes, answer};
use super::trace::shown;
use super::{Study, files};
use crate::compile::MERGED;
use crate::host::{Host, Link, Program, Root};

/// As many as a list of a policy takes.
const COMMANDS_MAX: usize = 200;

/// The commands of a policy, and what they bring.
#[derive(Debug, Default)]
pub(super) struct Programs {
    found: BTreeMap<AbsPath, Found>,
    /// Links that every view has.
    top: BTreeSet<Link>,
}

#[derive(Debug)]
struct Found {
    program: Arc<Program>,
    why: Evidence,
}

impl Programs {
    pub(super) fn of(study: &Study<'_>, host: &Host, notes: &mut Notes) -> Self {
        let mut programs = Self { found: BTreeMap::new(), top: top_links(host) };
        for (fact, times) in study.trace.facts() {
            let Deed::Named { how: How::Execute, named, real } = &fact.deed else { continue };
            let refused = |why: &str| format!("execute `{}`: {why}", shown(named.as_slice()));
            match fact.errno {
                0 => {}
                // A search along PATH ends in many of these.
                2 | 20 => continue,
                errno => {
                    notes.add(refused(&answer(errno)), study.trace, fact, times);
                    continue;
                }
            }
            match files::target(named, real.as_ref()).ok_or("its name cannot stand in a policy".to_owned()) {
                Ok(path) => {
                    if let Err(why) = programs.take(&path, study, fact, times, host) {
                        notes.add(refused(&why), study.trace, fact, times);
                    }
                }
                Err(why) => notes.add(refused(&why), study.trace, fact, times),
            }
        }
        programs.least(study.command);
        programs
    }

    /// Takes a program in, if a policy could name it.
    pub(super) fn take(
        &mut self,
        path: &AbsPath,
        study: &Study<'_>,
        fact: &Fact,
        times: u32,
        host: &Host,
    ) -> Result<(), String> {
        if let Some(found) = self.found.get_mut(path) {
            found.why.add(study.trace, fact, times);
            return Ok(());
        }
        if self.found.len() >= COMMANDS_MAX {
            return Err(format!("more than {COMMANDS_MAX} programs"));
        }
        let program = host.program(&Root::Host, path).map_err(|error| error.to_string())?;
        let mut why = Evidence::default();
        why.add(study.trace, fact, times);
        self.found.insert(path.clone(), Found { program, why });
        Ok(())
    }

    /// Drops each that the others cover: another name of the same file, the interpreter of a script.
    fn least(&mut self, first: &AbsPath) {
        let names: Vec<AbsPath> = self.found.keys().filter(|name| *name != first).cloned().collect();
        for name in names {
            let Some(found) = self.found.remove(&name) else { continue };
            let executes = self.programs().any(|other| other.executed.contains(&found.program.file));
            if !(executes && self.shows(&found.program.links)) {
                self.found.insert(name, found);
            }
        }
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        self.found.values().map(|found| &*found.program)
    }

    /// Whether all these links are in the view.
    pub(super) fn shows<'l>(&self, links: impl IntoIterator<Item = &'l Link>) -> bool {
        links.into_iter().all(|link| {
            self.top.contains(link) || self.programs().any(|program| program.links.contains(link))
        })
    }

    /// Whether a file comes with the commands.
    pub(super) fn bring(&self, file: &AbsPath) -> bool {
        self.programs().any(|program| program.executed.contains(file) || program.libraries.contains(file))
    }

    /// Whether a file that comes with the commands lies in a directory.
    pub(super) fn show_beneath(&self, directory: &AbsPath) -> bool {
        let mut files = self.programs().flat_map(|program| program.executed.iter().chain(&program.libraries));
        files.any(|file| file.is_beneath(directory))
    }

    /// The commands with what asked for each.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&AbsPath, &Evidence)> {
        self.found.iter().map(|(path, found)| (path, &found.why))
    }
}

fn top_links(host: &Host) -> BTreeSet<Link> {
    let resolved = MERGED
        .iter()
        .filter_map(|path| AbsPath::new(*path).ok().and_then(|path| host.resolve(&Root::Host, &path).ok()));
    resolved.flat_map(|resolved| resolved.links).collect()
}

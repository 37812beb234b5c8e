//! The files that were read, mapped and written, less what every sandbox has and what the commands bring.

use std::collections::{BTreeMap, BTreeSet};

use stockade_plan::{AbsPath, Deed, Fact, How, PathBytes, WORK_DIR};

use super::evidence::Evidence;
use super::notes::{Notes, answer, socket_file};
use super::programs::Programs;
use super::trace::shown;
use super::{Breadth, Study};
use crate::compile::{CODE_DIRS, LOADER_CACHE};
use crate::host::{Host, Link, Resolved, Root};
use crate::policy::{MADE, UnsafePath, check_readable};
use crate::seccomp;

/// What every sandbox has of its own, and no policy can name.
const OWN: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];
/// So many files of one directory are shown as the directory …
const COLLAPSE: usize = 8;
/// … but never as one of these: they hold what is everybody's.
const SHARED: [&str; 16] = [
    "/etc",
    "/home",
    "/opt",
    "/root",
    "/srv",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/libexec",
    "/usr/local/lib",
    "/usr/local/share",
    "/usr/share",
    "/usr/src",
    "/var",
    "/var/lib",
];
/// As many as a list of a policy takes.
const PATHS_MAX: usize = 200;

/// What a policy says of files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) read: BTreeMap<AbsPath, Evidence>,
    pub(super) execute: BTreeMap<AbsPath, Evidence>,
    pub(super) write: BTreeMap<&'static str, Evidence>,
}

/// A path that was named and found.
#[derive(Debug)]
struct Found {
    resolved: Resolved,
    is_directory: bool,
    /// Nobody asked for more than whether it is there.
    only_looked: bool,
    why: Evidence,
}

impl Files {
    pub(super) fn of(
        study: &Study<'_>,
        host: &Host,
        breadth: Breadth,
        programs: &mut Programs,
        notes: &mut Notes,
    ) -> Self {
        let mut gather = Gather {
            study,
            host,
            breadth,
            notes,
            files: Self::default(),
            found: [BTreeMap::new(), BTreeMap::new()],
            cache: None,
        };
        for (fact, times) in study.trace.facts() {
            match &fact.deed {
                Deed::Named { how, named, real } => {
                    gather.named(programs, fact, times, *how, named, real.as_ref());
                }
                Deed::Address(address) => gather.bound(fact, times, address.as_slice()),
                Deed::Called(_) => {}
            }
        }
        gather.finish(programs)
    }

    /// Takes out the paths that the program did without, and says which those were.
    pub(super) fn leave_out(&mut self, without: &BTreeSet<AbsPath>) -> Vec<(AbsPath, Evidence)> {
        let read = self.read.extract_if(.., |path, _| without.contains(path));
        let execute = self.execute.extract_if(.., |path, _| without.contains(path));
        read.chain(execute).collect()
    }
}

struct Gather<'a, 'n> {
    study: &'a Study<'a>,
    host: &'a Host,
    breadth: Breadth,
    notes: &'n mut Notes,
    files: Files,
    /// What was found to be read, and to be mapped as code where only `execute` lets it.
    found: [BTreeMap<AbsPath, Found>; 2],
    /// What mapped a library that only the loader's cache knows.
    cache: Option<Evidence>,
}

impl Gather<'_, '_> {
    fn named(
        &mut self,
        programs: &mut Programs,
        fact: &Fact,
        times: u32,
        how: How,
        named: &PathBytes,
        real: Option<&PathBytes>,
    ) {
        if fact.errno != 0 {
            return self.failed(fact, times, how, named);
        }
        let Some(path) = target(named, real) else {
            if matches!(how, How::Read | How::Map) && !is_own(named.as_slice()) {
                let what = format!("read `{}`: its name cannot stand in a policy", shown(named.as_slice()));
                self.notes.add(what, self.study.trace, fact, times);
            }
            return;
        };
        match how {
            How::Execute => {}
            How::Look if self.breadth == Breadth::Used => {}
            How::Write => self.written(&place(real).unwrap_or(path), fact, times),
            How::Look | How::Read => self.read(programs, path, fact, times, false),
            How::Map => self.mapped(programs, path, fact, times),
        }
    }

    /// A socket of the unix family that was bound is a file. A relative name starts where jobs start.
    fn bound(&mut self, fact: &Fact, times: u32, address: &[u8]) {
        let is_bind = seccomp::numbered(fact.call).is_some_and(|call| call.name() == "bind");
        let Some(name) = socket_file(address).filter(|_| is_bind && fact.errno == 0) else { return };
        let name = String::from_utf8_lossy(name);
        let path = if name.starts_with('/') { name.into_owned() } else { format!("{WORK_DIR}/{name}") };
        let place = written_places().find(|(place, _)| beneath(&path, place));
        if let Some((_, clause)) = place {
            self.files.write.entry(clause).or_default().add(self.study.trace, fact, times);
        }
    }

    /// Something that was refused, or that is on this host and was not shown to the recording.
    fn failed(&mut self, fact: &Fact, times: u32, how: How, named: &PathBytes) {
        let what = match how {
            How::Look | How::Execute => return,
            How::Read | How::Map => "read",
            How::Write => "write",
        };
        let name = shown(named.as_slice());
        let why = match i32::from(fact.errno) {
            libc::EACCES | libc::EPERM | libc::EROFS => answer(fact.errno),
            libc::ENOENT | libc::ENOTDIR if self.is_on_host(named) => {
                "it is on this host, and no recording shows it; `--show` does, where a policy could"
                    .to_owned()
            }
            libc::ENOSPC | libc::EDQUOT => "the recording's disk is full".to_owned(),
            _ => return,
        };
        self.notes.add(format!("{what} `{name}`: {why}"), self.study.trace, fact, times);
    }

    fn is_on_host(&self, named: &PathBytes) -> bool {
        let path = target(named, None).filter(|path| !is_own(path.as_str().as_bytes()));
        let path = path.filter(|path| written_place(path).is_none() && !MADE.contains(&path.as_str()));
        path.is_some_and(|path| self.host.resolve(&Root::Host, &path).is_ok())
    }

    fn written(&mut self, path: &AbsPath, fact: &Fact, times: u32) {
        if let Some(place) = written_place(path) {
            self.files.write.entry(place).or_default().add(self.study.trace, fact, times);
        }
    }

    fn mapped(&mut self, programs: &mut Programs, path: AbsPath, fact: &Fact, times: u32) {
        let directory = path.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        if !programs.bring(&path) && self.host.needs_cache(directory) {
            self.cache.get_or_insert_default().add(self.study.trace, fact, times);
        }
        let in_code_dir = CODE_DIRS.iter().any(|dir| beneath(path.as_str(), dir));
        self.read(programs, path, fact, times, !in_code_dir);
    }

    fn read(&mut self, programs: &mut Programs, path: AbsPath, fact: &Fact, times: u32, as_code: bool) {
        if is_own(path.as_str().as_bytes()) || MADE.contains(&path.as_str()) || path.as_str() == LOADER_CACHE
        {
            return;
        }
        match written_place(&path) {
            // What lies in `/job` can always be read.
            Some("/job") => return,
            Some(_) => return self.written(&path, fact, times),
            None => {}
        }
        let [read, mapped] = &mut self.found;
        let found = if as_code { mapped } else { read };
        let only_looked = matches!(fact.deed, Deed::Named { how: How::Look, .. });
        if let Some(found) = found.get_mut(&path) {
            found.only_looked &= only_looked;
            return found.why.add(self.study.trace, fact, times);
        }
        let Ok(resolved) = self.host.resolve_readable(&Root::Host, &path) else { return };
        if programs.bring(&resolved.file) && programs.shows(&resolved.links) {
            return;
        }
        if let Err(reason) = check_readable(&path).and_then(|()| check_readable(&resolved.file)) {
            return self.unsafe_path(programs, &path, reason, fact, times);
        }
        let mut why = Evidence::default();
        why.add(self.study.trace, fact, times);
        let is_directory = self.host.is_directory(&resolved.file);
        found.insert(path, Found { resolved, is_directory, only_looked, why });
    }

    /// A program that was read can only be shown as a command, which is more than reading: so not at once.
    fn unsafe_path(
        &mut self,
        programs: &mut Programs,
        path: &AbsPath,
        reason: UnsafePath,
        fact: &Fact,
        times: u32,
    ) {
        let read = matches!(fact.deed, Deed::Named { how: How::Read, .. });
        let as_command =
            self.breadth == Breadth::LookedAt && read && matches!(reason, UnsafePath::Programs(_));
        if as_command && programs.take(path, self.study, fact, times, self.host).is_ok() {
            return;
        }
        if read {
            let what = format!("read `{}`: it {reason}", shown(path.as_str().as_bytes()));
            self.notes.add(what, self.study.trace, fact, times);
        }
    }

    fn finish(mut self, programs: &Programs) -> Files {
        let [mut read, mapped] = self.found;
        if let Some(why) = self.cache
            && let Ok(path) = AbsPath::new(LOADER_CACHE)
        {
            self.files.read.insert(path, why);
        }
        let code: BTreeSet<AbsPath> = mapped.values().map(|found| found.resolved.file.clone()).collect();
        self.files.execute = mapped.into_iter().map(|(path, found)| (path, found.why)).collect();
        read.retain(|_, found| !code.contains(&found.resolved.file));
        forget_parents(&mut read, &code, programs);
        let mut threshold = COLLAPSE;
        let mut paths = collapsed(&read, programs, threshold);
        while paths.len() >= PATHS_MAX && threshold > 1 {
            threshold /= 2;
            paths = collapsed(&read, programs, threshold);
        }
        self.files.read.extend(paths.into_iter().take(PATHS_MAX - 1));
        self.files
    }
}

/// Forgets the directories that were only looked at and are there anyway, because something in them is shown; and those
/// that are everybody's. To grant one is to grant all that is in it.
fn forget_parents(read: &mut BTreeMap<AbsPath, Found>, code: &BTreeSet<AbsPath>, programs: &Programs) {
    let looked = |found: &Found| found.only_looked && found.is_directory;
    let inner: Vec<AbsPath> = read.values().map(|found| found.resolved.file.clone()).collect();
    read.retain(|path, found| {
        let directory = &found.resolved.file;
        let holds = |file: &AbsPath| file != directory && file.is_beneath(directory);
        let is_there = || inner.iter().chain(code).any(holds) || programs.show_beneath(directory);
        !looked(found) || !(SHARED.contains(&path.as_str()) || is_there())
    });
}

/// The directories that were listed; those of which many files were read; the other files.
fn collapsed(
    read: &BTreeMap<AbsPath, Found>,
    programs: &Programs,
    threshold: usize,
) -> BTreeMap<AbsPath, Evidence> {
    let mut directories: BTreeMap<AbsPath, Vec<Link>> = BTreeMap::new();
    for (path, found) in read.iter().filter(|(_, found)| found.is_directory) {
        directories.insert(path.clone(), found.resolved.links.clone());
    }
    let mut crowds: BTreeMap<AbsPath, usize> = BTreeMap::new();
    for path in read.iter().filter(|(_, found)| !found.is_directory).map(|(path, _)| path) {
        if let Some(parent) = parent(path).filter(may_collapse) {
            *crowds.entry(parent).or_default() += 1;
        }
    }
    for (directory, _) in crowds.into_iter().filter(|(_, files)| *files >= threshold) {
        directories.entry(directory).or_default();
    }
    let mut lines: BTreeMap<AbsPath, Evidence> = BTreeMap::new();
    for (path, found) in read {
        let within = |directory: &&AbsPath| {
            path.is_beneath(directory) && (found.resolved.file.is_beneath(directory) || *directory == path)
        };
        // The outermost that holds it; a link that leads out of all of them needs a line of its own.
        let line = directories.keys().find(within).unwrap_or(path);
        let brought =
            line == path && programs.bring(&found.resolved.file) && programs.shows(&found.resolved.links);
        if !brought {
            lines.entry(line.clone()).or_default().merge(&found.why);
        }
    }
    lines
}

fn may_collapse(directory: &AbsPath) -> bool {
    !SHARED.contains(&directory.as_str()) && check_readable(directory).is_ok()
}

fn parent(path: &AbsPath) -> Option<AbsPath> {
    AbsPath::new(path.as_str().rsplit_once('/')?.0).ok()
}

/// The path that a policy would name: as the program did, if that is in normal form; else where it led.
pub(super) fn target(named: &PathBytes, real: Option<&PathBytes>) -> Option<AbsPath> {
    let path = |bytes: &PathBytes| AbsPath::new(str::from_utf8(bytes.as_slice()).ok()?).ok();
    let stated = |path: &AbsPath| !path.as_str().chars().any(crate::yaml::is_steering);
    let named = path(named).filter(|path| !beneath(path.as_str(), "/proc"));
    named.or_else(|| real.and_then(path)).filter(stated)
}

/// Where something was written, as the kernel says.
fn place(real: Option<&PathBytes>) -> Option<AbsPath> {
    AbsPath::new(str::from_utf8(real?.as_slice()).ok()?).ok()
}

/// The clause of `filesystem.write` that a path lies in.
fn written_place(path: &AbsPath) -> Option<&'static str> {
    written_places().find(|(place, _)| beneath(path.as_str(), place)).map(|(_, clause)| clause)
}

/// Where a job can write, and the clause that lets it.
fn written_places() -> impl Iterator<Item = (&'static str, &'static str)> {
    [("/job", "/job"), ("/tmp", "/tmp"), ("/dev/shm", "/tmp")].into_iter()
}

fn is_own(path: &[u8]) -> bool {
    let is = |own: &&str| {
        path.strip_prefix(own.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    OWN.iter().any(is) && !path.starts_with(b"/dev/shm")
}

fn beneath(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

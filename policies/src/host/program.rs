//! A command and all it needs to start.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use stockade_plan::AbsPath;

use super::elf::{self, Elf};
use super::opened::Opened;
use super::search::DEFAULT_DIRS;
use super::survey::Survey;
use super::walk::{Link, Resolved, Root, join};
use super::{HostError, script};
use crate::policy::check_executable;

/// More libraries than this are refused.
const LIBRARIES_MAX: usize = 200;

/// A command on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// As the policy names it.
    pub(crate) name: AbsPath,
    /// With links resolved in its directory only.
    pub(crate) location: AbsPath,
    /// The file itself.
    pub(crate) file: AbsPath,
    /// For a script, what runs it.
    pub(crate) script: Option<Script>,
    /// Files that the kernel executes on the way to this program: itself, its interpreter, the loaders.
    pub(crate) executed: BTreeSet<AbsPath>,
    /// Files that the loader maps.
    pub(crate) libraries: BTreeSet<AbsPath>,
    /// Links on the way to any of these.
    pub(crate) links: BTreeSet<Link>,
    /// Whether a library is found only through `/etc/ld.so.cache`.
    pub(crate) needs_cache: bool,
}

/// How a script is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// As the first line names it.
    pub(crate) interpreter: AbsPath,
    /// The file itself.
    pub(crate) file: AbsPath,
    pub(crate) argument: Option<String>,
}

impl Program {
    /// Finds `name` and what it needs, for a sandbox.
    pub(super) fn find(survey: &Survey<'_>, name: &AbsPath) -> Result<Self, HostError> {
        let program = Self::anywhere(survey, name)?;
        program.check_places()?;
        Ok(program)
    }

    /// The same wherever it lies.
    pub(super) fn anywhere(survey: &Survey<'_>, name: &AbsPath) -> Result<Self, HostError> {
        let root = survey.root;
        let resolved = survey.resolve(name)?;
        let mut program = Self {
            name: name.clone(),
            location: resolved.location.clone(),
            file: resolved.file.clone(),
            script: None,
            executed: BTreeSet::new(),
            libraries: BTreeSet::new(),
            links: BTreeSet::new(),
            needs_cache: false,
        };
        let mut file = open(root, &resolved)?;
        match script::parse(&file.head) {
            Some(shebang) => {
                let shebang = shebang.map_err(|what| HostError::malformed(name, what))?;
                program.execute(resolved);
                file = program.interpret(survey, shebang)?;
            }
            None => program.execute(resolved),
        }
        program.load(survey, file)?;
        Ok(program)
    }

    /// Nothing of it lies where the sandbox has its own: there it would be hidden, or hide something.
    fn check_places(&self) -> Result<(), HostError> {
        let files =
            self.executed.iter().chain(&self.libraries).chain(self.links.iter().map(|link| &link.path));
        for file in files {
            check_executable(file).map_err(|reason| HostError::malformed(file, &reason.to_string()))?;
        }
        Ok(())
    }

    fn execute(&mut self, resolved: Resolved) {
        self.executed.insert(resolved.file);
        self.links.extend(resolved.links);
    }

    /// Takes on the interpreter of a script. One that is a script itself is refused.
    fn interpret(&mut self, survey: &Survey<'_>, shebang: script::Shebang) -> Result<Opened, HostError> {
        let interpreter = AbsPath::new(shebang.interpreter.as_str())
            .map_err(|reason| HostError::Name { path: shebang.interpreter, reason })?;
        let resolved = survey.resolve(&interpreter)?;
        let file = open(survey.root, &resolved)?;
        if script::parse(&file.head).is_some() {
            return Err(HostError::malformed(&self.name, "has an interpreter that is a script itself"));
        }
        self.script = Some(Script { interpreter, file: resolved.file.clone(), argument: shebang.argument });
        self.execute(resolved);
        Ok(file)
    }

    /// Takes on the loader and the libraries of an ELF file, breadth first as the loader does.
    fn load(&mut self, survey: &Survey<'_>, file: Opened) -> Result<(), HostError> {
        let name = self.script.as_ref().map_or(&self.file, |script| &script.file).clone();
        let elf = elf::read(file).map_err(|what| HostError::malformed(&name, &what))?;
        if let Some(loader) = &elf.interpreter {
            let loader = AbsPath::new(loader.as_str())
                .map_err(|reason| HostError::Name { path: loader.clone(), reason })?;
            let resolved = survey.resolve(&loader)?;
            self.execute(resolved);
        }
        let mut search = Search { survey, found: BTreeMap::new() };
        let mut queue = VecDeque::from([Object { path: name, inherited: elf.rpath.clone(), elf }]);
        while let Some(object) = queue.pop_front() {
            for needed in &object.elf.needed {
                if let Some(library) = search.library(needed, &object)? {
                    self.needs_cache |= library.by_cache;
                    self.links.extend(library.resolved.links);
                    self.libraries.insert(library.resolved.file);
                    queue.push_back(library.object);
                }
            }
        }
        Ok(())
    }
}

/// Opens a file to be executed.
fn open(root: &Root, resolved: &Resolved) -> Result<Opened, HostError> {
    let path = &resolved.file;
    let file = Opened::open(root.on_host(path)?.as_str()).map_err(|error| HostError::io(path, &error))?;
    if !file.metadata.is_file() || file.metadata.permissions().mode() & 0o111 == 0 {
        return Err(HostError::malformed(path, "is not an executable file"));
    }
    Ok(file)
}

/// An ELF file whose libraries are looked for.
struct Object {
    path: AbsPath,
    elf: Elf,
    /// `DT_RPATH` of this object and of those that led to it.
    inherited: Vec<String>,
}

struct Library {
    resolved: Resolved,
    object: Object,
    by_cache: bool,
}

struct Search<'a> {
    survey: &'a Survey<'a>,
    found: BTreeMap<String, AbsPath>,
}

impl Search<'_> {
    /// The library `needed` of `object`; `None` if it has been found before.
    fn library(&mut self, needed: &str, object: &Object) -> Result<Option<Library>, HostError> {
        if self.found.contains_key(needed) {
            return Ok(None);
        }
        if self.found.len() >= LIBRARIES_MAX {
            return Err(HostError::malformed(&object.path, "needs too many libraries"));
        }
        for (directory, by_cache) in self.directories(object) {
            if let Some((resolved, elf)) = self.survey.library(&directory, needed) {
                self.found.insert(needed.to_owned(), resolved.file.clone());
                let inherited = elf.rpath.iter().chain(&object.inherited).cloned().collect();
                let object = Object { path: resolved.location.clone(), elf, inherited };
                return Ok(Some(Library { resolved, object, by_cache }));
            }
        }
        Err(HostError::LibraryMissing { name: needed.to_owned(), needed_by: object.path.clone() })
    }

    /// In the loader's order, but for the defaults, which come before the configured ones: so the cache is needed
    /// only for what lies nowhere else.
    fn directories(&self, object: &Object) -> Vec<(String, bool)> {
        let own = if object.elf.runpath.is_empty() { &object.inherited } else { &object.elf.runpath };
        let own = own.iter().filter_map(|path| expand(path, &object.path)).map(|path| (path, false));
        let default = DEFAULT_DIRS.iter().map(|path| ((*path).to_owned(), false));
        let configured = self.survey.configured().iter().map(|path| (path.clone(), true));
        own.chain(default).chain(configured).collect()
    }
}

/// `$ORIGIN` is the directory of the object; a path with another token is not searched.
fn expand(path: &str, object: &AbsPath) -> Option<String> {
    let directory = object.as_str().rsplit_once('/').map_or("/", |(directory, _)| directory);
    let expanded = path.replace("${ORIGIN}", directory).replace("$ORIGIN", directory);
    (expanded.starts_with('/') && !expanded.contains('$')).then_some(expanded)
}

/// The library at `path`, if it is one for this architecture.
pub(super) fn candidate(survey: &Survey<'_>, path: &str) -> Option<(Resolved, Elf)> {
    let resolved = survey.resolve(&without_dots(survey.root, path)?).ok()?;
    let elf = elf::read(Opened::open(survey.root.on_host(&resolved.file).ok()?.as_str()).ok()?).ok()?;
    Some((resolved, elf))
}

/// A run path may have `..` (`$ORIGIN/../lib`); a plan's paths have none.
fn without_dots(root: &Root, path: &str) -> Option<AbsPath> {
    if let Ok(path) = AbsPath::new(path) {
        return Some(path);
    }
    let (parent, name) = path.rsplit_once('/')?;
    join(&root.follow(parent).ok()?, name).ok()
}

/// What changes when a file is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    path: AbsPath,
    identity: Option<(u64, u64, i64, i64)>,
}

impl Stamp {
    pub(crate) fn of(path: &AbsPath) -> Self {
        let identity = std::fs::metadata(path.as_str()).ok();
        let identity = identity.map(|m| (m.dev(), m.ino(), m.mtime(), m.mtime_nsec()));
        Self { path: path.clone(), identity }
    }

    pub(crate) fn holds(&self) -> bool {
        *self == Self::of(&self.path)
    }
}

//! What the job sees, and what of it Landlock grants. Both come from the same facts, so they are collected
//! together: nothing is granted that is not shown.

use std::collections::{BTreeMap, BTreeSet};

use stockade_plan::{AbsPath, Access, Device, Entry, Landlock, LandlockRule, List, View};

use super::command::Programs;
use super::error::CompileError;
use super::job::bounded;
use super::path_of;
use crate::effective::{EffectivePolicy, Origin, members};
use crate::egress::Egress;
use crate::host::{Host, HostError, Image, Link, Program, Resolved, Root};
use crate::policy::{MADE, ReadPath, check_readable};

/// Links at the root of a host whose `/bin`, `/lib` and their like are parts of `/usr`.
pub(crate) const MERGED: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// Where libraries lie that the loader maps as code. Other directories that a job may read are mounted noexec.
pub(crate) const CODE_DIRS: [&str; 7] =
    ["/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/usr/libx32", "/opt"];
/// The loader's own table, for libraries outside its default directories.
pub(crate) const LOADER_CACHE: &str = "/etc/ld.so.cache";
/// Where names are looked up, and nowhere else.
const HOSTS: &str = "/etc/hosts";
/// What the launcher mounts itself.
const SHARED_MEMORY: &str = "/dev/shm";

/// The contents of the files that Stockade makes. The ids are those that the job runs as.
const fn made(path: &str) -> &'static str {
    match path.as_bytes() {
        b"/etc/passwd" => "root:x:0:0:root:/:/bin/false\njob:x:1000:1000:job:/job:/bin/false\n",
        b"/etc/group" => "root:x:0:\njob:x:1000:\n",
        b"/etc/hosts" => "127.0.0.1 localhost sandbox\n::1 localhost\n",
        _ => "passwd: files\ngroup: files\nhosts: files\n",
    }
}

/// What is collected while the policy is gone through.
pub(crate) struct Sight {
    root: Root,
    /// The top of the root, if it is a prepared directory: all of it is in the view, what is granted is readable.
    image: Option<Image>,
    links: BTreeSet<Link>,
    /// Host file or directory, and whether code in it may be mapped.
    binds: BTreeMap<AbsPath, bool>,
    grants: BTreeMap<AbsPath, Access>,
    /// Directories of programs that a job may list: their right to execute does not include that.
    listed: BTreeSet<AbsPath>,
    /// Lines of `/etc/hosts` for the destinations of the policy.
    hosts: String,
}

impl Sight {
    /// Everything the policy lets a job see on this host. Commands that the host lacks are left out.
    pub(crate) fn of(
        policy: &EffectivePolicy,
        programs: &Programs<'_>,
        host: &Host,
    ) -> Result<Self, CompileError> {
        let image = policy.rights().image().map(|(path, origin)| {
            let failed = |error| CompileError::Root { path: path.clone(), origin: origin.to_string(), error };
            Image::open(path).map_err(failed)
        });
        let mut sight = Self {
            root: policy.root(),
            image: image.transpose()?,
            links: BTreeSet::new(),
            binds: BTreeMap::new(),
            grants: BTreeMap::new(),
            listed: BTreeSet::new(),
            hosts: Egress::of(policy).map(|egress| egress.hosts_file()).unwrap_or_default(),
        };
        sight.top_links(host)?;
        for (read, origin) in members(&policy.rights().read) {
            sight.path(read, origin, host, Access::Read)?;
        }
        for (execute, origin) in members(&policy.rights().execute) {
            sight.path(execute, origin, host, Access::Execute)?;
        }
        for program in programs.present() {
            sight.program(program);
        }
        if programs.present().any(|program| program.needs_cache) {
            sight.show(path_of(LOADER_CACHE)?, false, Access::Read);
        }
        sight.own(policy, host)?;
        Ok(sight)
    }

    /// The links at the top of the root.
    fn top_links(&mut self, host: &Host) -> Result<(), CompileError> {
        if let Some(image) = &self.image {
            self.links.extend(image.links.iter().cloned());
            return Ok(());
        }
        for path in MERGED {
            if let Ok(resolved) = host.resolve(&self.root, &path_of(path)?) {
                self.links.extend(resolved.links);
            }
        }
        Ok(())
    }

    fn show(&mut self, path: AbsPath, code: bool, access: Access) {
        let executable = self.binds.entry(path.clone()).or_default();
        *executable |= code;
        self.grant(path, access);
    }

    pub(crate) fn grant(&mut self, path: AbsPath, access: Access) {
        let granted = self.grants.entry(path).or_insert(access);
        *granted = (*granted).max(access);
    }

    /// A path of the policy, to be read or to be executed.
    pub(crate) fn path(
        &mut self,
        read: &ReadPath,
        origin: &Origin,
        host: &Host,
        access: Access,
    ) -> Result<(), CompileError> {
        let resolved = match host.resolve_readable(&self.root, &read.path) {
            Err(HostError::Missing { .. }) if read.optional => return Ok(()),
            other => other.map_err(|error| CompileError::ReadPath {
                path: read.path.clone(),
                origin: origin.to_string(),
                error,
            })?,
        };
        if let Err(reason) = check_readable(&resolved.file) {
            let (path, origin, target) = (read.path.clone(), origin.to_string(), resolved.file);
            return Err(CompileError::Unsafe { path, origin, target, reason });
        }
        for granted in &read.within {
            let outer = host.resolve(&self.root, granted);
            if !outer.is_ok_and(|outer| resolved.file.is_beneath(&outer.file)) {
                let (path, origin, target) = (read.path.clone(), origin.to_string(), resolved.file);
                return Err(CompileError::LeadsOut { path, origin, target, granted: granted.clone() });
            }
        }
        self.links.extend(resolved.links);
        let code = access == Access::Execute || CODE_DIRS.iter().any(|dir| beneath(&resolved.file, dir));
        if access == Access::Execute {
            self.listed.insert(resolved.file.clone());
        }
        self.show(resolved.file, code, access);
        Ok(())
    }

    /// What a recording sees that no policy could ask for: to be read, listed and executed, all of it.
    pub(crate) fn wide(&mut self, resolved: Resolved) {
        self.links.extend(resolved.links);
        self.listed.insert(resolved.file.clone());
        self.show(resolved.file, true, Access::Execute);
    }

    fn program(&mut self, program: &Program) {
        self.links.extend(program.links.iter().cloned());
        for file in &program.executed {
            self.show(file.clone(), true, Access::Execute);
        }
        for file in &program.libraries {
            self.show(file.clone(), true, Access::Read);
        }
    }

    /// What every sandbox has, and what the policy lets the job write.
    fn own(&mut self, policy: &EffectivePolicy, host: &Host) -> Result<(), CompileError> {
        for path in MADE {
            let path = path_of(path)?;
            match self.makes_files() {
                true => self.grant(path, Access::Read),
                false => {
                    let own = host.resolve_readable(&self.root, &path).ok().map(|resolved| resolved.file);
                    own.into_iter().for_each(|own| self.grant(own, Access::Read));
                }
            }
        }
        for path in ["/proc", "/job"] {
            self.grant(path_of(path)?, Access::Read);
        }
        for (path, _) in members(&policy.rights().write) {
            self.grant(path.clone(), Access::Write);
            if path.as_str() == "/tmp" {
                self.grant(path_of(SHARED_MEMORY)?, Access::Write);
            }
        }
        for device in Device::ALL {
            self.grant(path_of(&format!("/dev/{}", device.name()))?, Access::Device);
        }
        Ok(())
    }

    /// Whether Stockade makes the files of [`MADE`]: an image with an `/etc` of its own has its own.
    fn makes_files(&self) -> bool {
        !self.image.as_ref().is_some_and(|image| image.has("/etc"))
    }

    /// What is bound: where, from where, and whether code in it may be mapped.
    fn bound(&self) -> Vec<(&AbsPath, &AbsPath, bool)> {
        let Some(image) = &self.image else {
            return self.needed_binds().into_iter().map(|(path, code)| (path, path, code)).collect();
        };
        let code = |top: &AbsPath| self.binds.iter().any(|(path, code)| *code && path.is_beneath(top));
        image.entries.iter().map(|(path, source)| (path, source, code(path))).collect()
    }

    /// A bind that another one shows already is left out, unless it must be executable and the other is not.
    fn needed_binds(&self) -> BTreeMap<&AbsPath, bool> {
        let shown = |path: &AbsPath, code: bool| {
            self.binds
                .iter()
                .any(|(outer, outer_code)| outer != path && path.is_beneath(outer) && (*outer_code || !code))
        };
        self.binds
            .iter()
            .filter(|(path, code)| !shown(path, **code))
            .map(|(path, code)| (path, *code))
            .collect()
    }

    pub(crate) fn view(&self) -> Result<View, CompileError> {
        let bound = self.bound();
        let shown = |path: &AbsPath| bound.iter().any(|(bind, ..)| path.is_beneath(bind));
        let mut entries = Vec::new();
        for link in self.links.iter().filter(|link| !shown(&link.path)) {
            entries.push(Entry::Symlink { path: link.path.clone(), target: link.target.clone() });
        }
        for path in MADE.into_iter().filter(|_| self.makes_files()) {
            let more = if path == HOSTS { self.hosts.as_str() } else { "" };
            let content = [made(path), more].concat().into_bytes();
            let content: List<u8, 16384> = bounded("bytes of a made file", content)?;
            entries.push(Entry::File { path: path_of(path)?, content });
        }
        for (path, source, executable) in bound {
            entries.push(Entry::Bind { source: source.clone(), path: path.clone(), executable });
        }
        entries.extend(Device::ALL.map(Entry::Device));
        Ok(View { entries: bounded("things in the job's file system", entries)? })
    }

    /// A grant that a directory's includes already is left out; rights to execute never are.
    pub(crate) fn landlock(&self, abi: u8) -> Result<Landlock, CompileError> {
        let included = |path: &AbsPath, access: Access| {
            self.grants.iter().any(|(outer, outer_access)| {
                outer != path
                    && path.is_beneath(outer)
                    && access == Access::Read
                    && *outer_access == Access::Read
            })
        };
        let grants = self.grants.iter().map(|(path, access)| (path, *access));
        let grants: BTreeSet<_> = grants.chain(self.listed.iter().map(|path| (path, Access::Read))).collect();
        let rules = grants.into_iter().filter(|(path, access)| !included(path, *access));
        let rules = rules.map(|(path, access)| LandlockRule { path: path.clone(), access }).collect();
        Ok(Landlock { abi, rules: bounded("Landlock rules", rules)? })
    }
}

fn beneath(path: &AbsPath, ancestor: &str) -> bool {
    path.as_str().strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

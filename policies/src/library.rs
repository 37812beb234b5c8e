//! The policies that services and jobs can name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Diagnostics, did_you_mean};
use crate::effective::{EffectivePolicy, Layer, Rights};
use crate::environment::Environment;
use crate::policy::{Clauses, Policy, PolicyName};
use crate::yaml::{Source, Spanned, Trust};

/// File name and text of policies in `policies/library`.
macro_rules! shipped {
    ($($name:literal)*) => {
        &[$((concat!("library/", $name), include_str!(concat!("../library/", $name)))),*]
    };
}

/// The policies shipped with Stockade: file name and text.
const SHIPPED: &[(&str, &str)] = shipped! {
    "base.yaml"
    "script-standard.yaml"
    "script-strict.yaml"
    "shell-utils.yaml"
    "archive-unpack.yaml"
    "artifact-verify.yaml"
    "big-file-data.yaml"
    "c-compiler.yaml"
    "container-batch.yaml"
    "function-call.yaml"
    "http-call.yaml"
    "http-webhook.yaml"
    "json-tools.yaml"
    "node-script.yaml"
    "perl-text.yaml"
    "pip-install.yaml"
    "python-data.yaml"
    "sqlite-query.yaml"
};

/// A longer `extends` chain is refused.
const CHAIN_MAX: usize = 8;

/// Policies by name, each resolved against those it extends.
#[derive(Debug, Clone, Default)]
pub struct Library {
    policies: BTreeMap<PolicyName, Arc<Policy>>,
    rights: BTreeMap<PolicyName, Arc<Rights>>,
    /// Those of `policies` of which only a part could be read: to find what else is wrong, and never to run anything.
    broken: BTreeSet<PolicyName>,
    trust: Trust,
    /// Whether a shipped policy is read when it is needed. Otherwise all were read at once, or none is wanted.
    on_demand: bool,
}

impl Library {
    /// The policies shipped with Stockade.
    ///
    /// # Errors
    /// None in a release: a test loads them.
    pub fn shipped() -> Result<Self, Diagnostics> {
        let sources = SHIPPED.iter().map(|(name, text)| Source::new(*name, *text));
        Self::default().with_sources(sources.collect())
    }

    /// The policies shipped with Stockade, each read when it is needed: for whoever needs one policy and is in a hurry.
    /// What is wrong is found all the same; what a message says of other policies is not, so whoever is to read
    /// it asks the whole library ([`Library::shipped`]) again.
    pub fn on_demand() -> Self {
        Self { on_demand: true, ..Self::default() }
    }

    /// These policies; files of user `uid` are taken too, from here on. Without this only those of root and of the
    /// user that this process runs as.
    #[must_use]
    pub fn trusting(self, uid: u32) -> Self {
        Self { trust: self.trust.and(uid), ..self }
    }

    /// These policies, to be compared and not put in force: from here on files that others can write or own are
    /// taken too, and a file's policy takes the place of another one of its name.
    #[must_use]
    pub fn for_comparison(self) -> Self {
        Self { trust: self.trust.for_comparison(), ..self }
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// These policies and those of every `*.yaml` and `*.yml` file in `directory`.
    ///
    /// # Errors
    /// Everything wrong with any of the files; a file or directory that others can write or own is refused, and so is
    /// a symbolic link to a file.
    pub fn with_directory(self, directory: &Path) -> Result<Self, Diagnostics> {
        self.trust.check_directory(directory)?;
        self.with_files(&yaml_files(directory)?).map(|(library, _)| library)
    }

    /// These policies and that of one file, with its name.
    ///
    /// # Errors
    /// Everything wrong with the file.
    pub fn with_file(&self, path: &Path) -> Result<(Self, PolicyName), Diagnostics> {
        let (library, names) = self.clone().with_files(&[path.to_owned()])?;
        let name = names.into_iter().next();
        Diagnostics::default().unless_errors(name).map(|(name, _)| (library, name))
    }

    /// These policies and that of a text, with its name; `file` is what findings call it.
    ///
    /// # Errors
    /// Everything wrong with the text.
    pub fn with_text(&self, file: &str, text: &str) -> Result<(Self, PolicyName), Diagnostics> {
        let (library, names) = self.clone().with_named(vec![Source::new(file, text)], Vec::new())?;
        let name = names.into_iter().next();
        Diagnostics::default().unless_errors(name).map(|(name, _)| (library, name))
    }

    fn with_files(self, paths: &[PathBuf]) -> Result<(Self, Vec<PolicyName>), Diagnostics> {
        let mut sources = Vec::new();
        let mut found = Vec::new();
        for path in paths {
            match Source::read_trusted(path, &self.trust) {
                Ok(source) => sources.push(source),
                Err(error) => found.push(error),
            }
        }
        self.with_named(sources, found)
    }

    /// These policies and those of `sources`, with the names of the latter, if nothing is wrong with any and
    /// nothing was `found` before.
    fn with_named(
        self,
        sources: Vec<Arc<Source>>,
        mut found: Vec<Diagnostic>,
    ) -> Result<(Self, Vec<PolicyName>), Diagnostics> {
        let files: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        let (library, errors) = self.with_right_sources(sources);
        found.extend(errors);
        let found: Diagnostics = found.into_iter().collect();
        let (library, _) = found.unless_errors(Some(library))?;
        let from = |policy: &&Arc<Policy>| files.contains(&policy.name.at.source.name);
        let names = library.policies.values().filter(from).map(|policy| policy.name.value.clone()).collect();
        Ok((library, names))
    }

    /// These policies and those of `sources`, if nothing is wrong with any.
    fn with_sources(self, sources: Vec<Arc<Source>>) -> Result<Self, Diagnostics> {
        let (library, found) = self.with_right_sources(sources);
        let found: Diagnostics = found.into_iter().collect();
        found.unless_errors(Some(library)).map(|(library, _)| library)
    }

    /// These policies and those of `sources` that are right, and what is wrong with the others.
    pub(crate) fn with_right_sources(mut self, sources: Vec<Arc<Source>>) -> (Self, Vec<Diagnostic>) {
        let mut found = Vec::new();
        let mut added = Vec::new();
        for source in sources {
            self.take(&source, &mut added, &mut found);
        }
        for name in added {
            match self.resolve(&name) {
                Ok(rights) if !self.broken.contains(&name) => {
                    self.rights.insert(name, Arc::new(rights));
                }
                Ok(_) => {}
                Err(errors) => found.extend(errors),
            }
        }
        (self, found)
    }

    /// Takes in the policy of a source, and before it what it needs of the shipped ones.
    fn take(&mut self, source: &Arc<Source>, added: &mut Vec<PolicyName>, found: &mut Vec<Diagnostic>) {
        let (policy, findings) = Policy::parse_in_part(source);
        let is_broken = findings.has_errors();
        found.extend(findings);
        let Some(policy) = policy else { return };
        if let Some(extends) = &policy.extends {
            self.demand(extends.value.as_str(), added, found);
        }
        if SHIPPED.iter().all(|(file, _)| *file != source.name) {
            // It may not take the name of a shipped one.
            self.demand(policy.name.value.as_str(), added, found);
        }
        match self.add(policy) {
            Ok(name) => {
                if is_broken {
                    self.broken.insert(name.clone());
                }
                added.push(name);
            }
            Err(taken) => found.push(taken),
        }
    }

    /// Reads the shipped policy of that name, if there is one that was not read yet.
    fn demand(&mut self, name: &str, added: &mut Vec<PolicyName>, found: &mut Vec<Diagnostic>) {
        if self.on_demand
            && !self.policies.contains_key(name)
            && let Some((file, text)) = SHIPPED.iter().find(|(file, _)| shipped_name(file) == Some(name))
        {
            self.take(&Source::new(*file, *text), added, found);
        }
    }

    /// Takes a policy in. The same file again is the same policy; another one of its name is refused.
    fn add(&mut self, policy: Policy) -> Result<PolicyName, Diagnostic> {
        let name = policy.name.value.clone();
        if let Some(first) = self.policies.get(&name)
            && first.sha256 != policy.sha256
            && !self.trust.is_comparison()
        {
            let place = &first.name.at.source.name;
            return Err(policy
                .name
                .at
                .error("duplicate-policy", format!("policy `{name}` exists already, in `{place}`"))
                .help("give this one another name, and `extends` the other if it is meant to tighten it"));
        }
        self.policies.insert(name.clone(), Arc::new(policy));
        Ok(name)
    }

    /// The rights of a policy: those of the policy it extends, tightened by its own clauses.
    fn resolve(&self, name: &PolicyName) -> Result<Rights, Vec<Diagnostic>> {
        let mut rights = Rights::default();
        let mut found = Vec::new();
        for policy in self.chain(name)? {
            let layer = Layer::Policy(policy.name.value.clone());
            // What an outer policy asks too much is reported when that one is resolved.
            found = rights.tighten(&policy.clauses, &layer);
            if !policy.is_abstract {
                rights.close();
            }
        }
        if found.is_empty() { Ok(rights) } else { Err(found) }
    }

    /// The policy and those it extends, the outermost first.
    fn chain(&self, name: &PolicyName) -> Result<Vec<&Policy>, Vec<Diagnostic>> {
        let mut chain: Vec<&Policy> = Vec::new();
        let mut next = self.policies.get(name);
        while let Some(policy) = next {
            chain.push(policy);
            let Some(extends) = &policy.extends else { break };
            if chain.iter().any(|seen| seen.name.value == extends.value) {
                return Err(vec![cycle(&chain, extends)]);
            }
            if chain.len() >= CHAIN_MAX {
                let message = format!("more than {CHAIN_MAX} policies extend one another");
                return Err(vec![extends.at.error("policy-cycle", message)]);
            }
            next = self.policies.get(&extends.value);
            if next.is_none() || self.broken.contains(&extends.value) {
                return Err(vec![self.unusable(extends)]);
            }
        }
        chain.reverse();
        Ok(chain)
    }

    /// That the policy which `named` says is not there, or not usable.
    pub(crate) fn unusable(&self, named: &Spanned<PolicyName>) -> Diagnostic {
        match self.policies.get(&named.value) {
            Some(_) => {
                let message = format!("policy `{}` has errors of its own", named.value);
                named
                    .at
                    .error("unusable-policy", message)
                    .help("mend those; what it grants is not known before")
            }
            None => named
                .at
                .error("unknown-policy", format!("there is no policy `{}`", named.value))
                .help(self.hint(named.value.as_str())),
        }
    }

    fn hint(&self, name: &str) -> String {
        let known: Vec<&str> = self.names().map(PolicyName::as_str).collect();
        match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the policies are {}", crate::yaml::one_of(&known)),
        }
    }

    /// The names of all policies.
    pub fn names(&self) -> impl Iterator<Item = &PolicyName> {
        self.policies.keys()
    }

    /// What a policy is for, as its file says.
    pub fn description(&self, name: &str) -> Option<&str> {
        self.policies.get(name)?.description.as_deref()
    }

    /// The digest of the file that a policy stands in.
    pub fn file_sha256(&self, name: &str) -> Option<stockade_plan::Digest> {
        self.policies.get(name).map(|policy| policy.sha256)
    }

    /// One digest over all of them: their names and files.
    pub fn sha256(&self) -> stockade_plan::Digest {
        let lines: String =
            self.policies.iter().map(|(name, policy)| format!("{name} {}\n", policy.sha256)).collect();
        stockade_plan::Digest::of(lines.as_bytes())
    }

    /// The policy of that name under the ceiling of `environment`.
    ///
    /// # Errors
    /// There is no such policy.
    pub fn effective(&self, name: &str, environment: Environment) -> Result<EffectivePolicy, Diagnostics> {
        match (self.policies.get_key_value(name), self.rights.get(name)) {
            (Some((name, policy)), Some(rights)) => {
                EffectivePolicy::new(name.clone(), policy.version, Rights::clone(rights), environment)
            }
            _ => {
                let message = format!("there is no policy `{}`", crate::yaml::shorten(name));
                Err(Diagnostic::about_file("unknown-policy", "the policy library", message)
                    .help(self.hint(name))
                    .into())
            }
        }
    }

    /// The policy of that name as `layer` extends it: what an abstract policy leaves open, the layer may say. What is
    /// wrong with what it says comes beside the policy, which is then without it. `implied` is what the layer says by other
    /// means than clauses.
    ///
    /// # Errors
    /// There is no such policy.
    pub(crate) fn extended(
        &self,
        name: &str,
        environment: Environment,
        stated: &Clauses,
        implied: Clauses,
        layer: &Layer,
    ) -> Result<(EffectivePolicy, Vec<Diagnostic>), Diagnostics> {
        let (Some((name, policy)), Some(rights)) = (self.policies.get_key_value(name), self.rights.get(name))
        else {
            return self.effective(name, environment).map(|policy| (policy, Vec::new()));
        };
        let mut rights = Rights::clone(rights);
        let mut found = rights.tighten(stated, layer);
        // A path that somebody reviewed is nearer to what is meant than that of a base URL.
        let prefixes = implied.prefixes.filter(|_| rights.prefixes.is_none());
        let mut narrowed = rights.clone();
        let http_hosts = implied.http_hosts.filter(|hosts| rights.http_hosts.is_none() || !hosts.is_empty());
        let http_addresses =
            implied.http_addresses.filter(|list| rights.http_addresses.is_none() || !list.is_empty());
        found.extend(narrowed.tighten(&Clauses { prefixes, http_hosts, http_addresses, ..implied }, layer));
        // So is a list of destinations: what a redirect or a name may lead to stands there and not in a base URL, which
        // must be one of them.
        narrowed.http_hosts = rights.http_hosts.or(narrowed.http_hosts);
        narrowed.http_addresses = rights.http_addresses.or(narrowed.http_addresses);
        let rights = narrowed;
        let policy = EffectivePolicy::new(name.clone(), policy.version, rights, environment)?;
        Ok((policy, found))
    }

    /// The policy of that name, or in that file: what has a `/` or ends in `.yaml` or `.yml` is a path.
    ///
    /// # Errors
    /// There is no such policy, or the file is refused.
    pub fn select(
        &self,
        name_or_path: &str,
        environment: Environment,
    ) -> Result<EffectivePolicy, Diagnostics> {
        if name_or_path.contains('/') || is_yaml(Path::new(name_or_path)) {
            let (library, name) = self.with_file(Path::new(name_or_path))?;
            library.effective(name.as_str(), environment)
        } else if self.on_demand && !self.policies.contains_key(name_or_path) {
            self.clone().with_demanded(name_or_path)?.effective(name_or_path, environment)
        } else {
            self.effective(name_or_path, environment)
        }
    }

    fn with_demanded(self, name: &str) -> Result<Self, Diagnostics> {
        let source = SHIPPED.iter().find(|(file, _)| shipped_name(file) == Some(name));
        self.with_sources(source.map(|(file, text)| Source::new(*file, *text)).into_iter().collect())
    }
}

/// Each shipped file has the name of its policy.
fn shipped_name(file: &str) -> Option<&str> {
    file.strip_prefix("library/")?.strip_suffix(".yaml")
}

fn cycle(chain: &[&Policy], extends: &Spanned<PolicyName>) -> Diagnostic {
    let names: Vec<String> = chain.iter().map(|policy| format!("`{}`", policy.name.value)).collect();
    let message = format!(
        "these policies extend one another in a circle: {} -> `{}`",
        names.join(" -> "),
        extends.value
    );
    extends
        .at
        .error("policy-cycle", message)
        .help("a policy extends one that is wider; the widest extends none")
}

pub(crate) fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// The YAML files of a directory, by name.
pub(crate) fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let name = directory.display().to_string();
    let unreadable = |error: std::io::Error| {
        Diagnostic::about_file("unreadable-file", &name, format!("cannot list `{name}`: {error}"))
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_yaml(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    #[test]
    fn the_shipped_library_loads() {
        let library = Library::shipped().unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(library.names().count(), SHIPPED.len());
        for name in library.names() {
            assert!(library.effective(name.as_str(), Environment::Production).is_ok(), "{name}");
            assert!(library.description(name.as_str()).is_some(), "{name}");
        }
    }

    #[test]
    fn a_policy_read_on_demand_is_the_one_of_the_whole_library() {
        let whole = Library::shipped().unwrap();
        for (file, _) in SHIPPED {
            let name = shipped_name(file).unwrap();
            let select = |library: &Library| library.select(name, Environment::Production).unwrap().id();
            assert_eq!(select(&Library::on_demand()), select(&whole), "{name}");
        }
        assert!(Library::on_demand().select("none", Environment::Production).is_err());
    }

    #[test]
    fn files_extend_shipped_policies_on_demand_and_may_not_take_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(&directory, "mine.yaml", "policy: mine\nextends: script-strict\n");
        let selected = |library: Library, name: &str| {
            library.with_directory(directory.path())?.select(name, Environment::Production)
        };
        for name in ["mine", "script-standard", path.to_str().unwrap()] {
            let whole = selected(Library::shipped().unwrap(), name).unwrap().id();
            assert_eq!(selected(Library::on_demand(), name).unwrap().id(), whole, "{name}");
        }
        write(&directory, "taken.yaml", "policy: sqlite-query\nextends: base\n");
        let refused = selected(Library::on_demand(), "mine").unwrap_err();
        assert_eq!(refused.iter().next().unwrap().code, "duplicate-policy");
    }

    #[test]
    fn a_directory_adds_its_policies_which_may_extend_one_another_in_any_order() {
        let directory = tempfile::tempdir().unwrap();
        write(&directory, "a.yaml", "policy: inner\nextends: outer\nresource_limits: {memory_mb: 32}\n");
        write(
            &directory,
            "b.yml",
            "policy: outer\nextends: script-strict\nresource_limits: {memory_mb: 64}\n",
        );
        write(&directory, "notes.txt", "not a policy");
        let library = Library::shipped().unwrap().with_directory(directory.path()).unwrap();
        let policy = library.effective("inner", Environment::Production).unwrap();
        assert_eq!((policy.limits().memory_mb, policy.limits().pids), (32, 16));
        assert_eq!(policy.commands().count(), 1);
    }

    #[test]
    fn everything_wrong_in_a_directory_comes_at_once() {
        let directory = tempfile::tempdir().unwrap();
        write(&directory, "a.yaml", "policy: a\nextends: b\n");
        write(&directory, "b.yaml", "policy: b\nextends: a\n");
        write(&directory, "c.yaml", "policy: c\ncolour: red\n");
        let d = write(&directory, "d.yaml", "policy: d\n");
        fs::set_permissions(&d, fs::Permissions::from_mode(0o666)).unwrap();
        symlink(&d, directory.path().join("e.yaml")).unwrap();
        let found = Library::shipped().unwrap().with_directory(directory.path()).unwrap_err();
        let codes: Vec<&str> = found.iter().map(|found| found.code).collect();
        assert_eq!(
            codes,
            ["policy-cycle", "policy-cycle", "unknown-key", "writable-by-others", "symbolic-link"]
        );
    }

    #[test]
    fn a_file_or_directory_that_others_have_a_say_in_is_refused_and_one_of_root_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(&directory, "mine.yaml", "policy: mine\n");
        let load = |library: Library| library.with_directory(directory.path()).map(|_| ());
        let code = |library: Library| load(library).unwrap_err().iter().next().unwrap().code;
        let shipped = || Library::shipped().unwrap();
        assert_eq!(load(shipped()), Ok(()));
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(code(shipped()), "writable-by-others");
        assert_eq!(load(shipped().for_comparison()), Ok(()));
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(4321), None).is_ok() {
            assert_eq!(code(shipped()), "foreign-owner");
            assert_eq!(load(shipped().trusting(4321)), Ok(()));
            assert_eq!(load(shipped().for_comparison()), Ok(()));
        }
    }

    #[test]
    fn for_a_comparison_a_file_takes_the_place_of_the_policy_it_edits() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(&directory, "edited.yaml", "policy: script-strict\nextends: base\n");
        assert!(Library::shipped().unwrap().with_file(&path).is_err());
        let (library, name) = Library::shipped().unwrap().for_comparison().with_file(&path).unwrap();
        let policy = library.effective(name.as_str(), Environment::Production).unwrap();
        assert_eq!(policy.commands().count(), 0);
    }

    #[test]
    fn a_policy_is_selected_by_its_name_or_by_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = write(&directory, "mine.yaml", "policy: mine\nextends: script-strict\n");
        let library = Library::shipped().unwrap();
        let select = |text: &str| library.select(text, Environment::Development);
        assert_eq!(select(path.to_str().unwrap()).unwrap().name().as_str(), "mine");
        assert_eq!(select("script-strict").unwrap().name().as_str(), "script-strict");
        let shown = select("script-stric").unwrap_err().to_string();
        assert!(
            shown.contains("there is no policy `script-stric`")
                && shown.contains("did you mean `script-strict`?")
        );
        assert!(select("./none.yaml").unwrap_err().to_string().contains("cannot open `./none.yaml`"));
    }

    #[test]
    fn a_text_is_a_policy_like_a_file_of_it() {
        let library = Library::shipped().unwrap();
        let (library, name) = library.with_text("mine", "policy: mine\nextends: script-strict\n").unwrap();
        assert!(library.effective(name.as_str(), Environment::Production).is_ok());
        assert!(
            library.with_text("other", "policy: mine\n").unwrap_err().to_string().contains("exists already")
        );
    }

    #[test]
    fn a_shipped_policy_read_from_its_file_is_itself_and_an_edited_one_needs_a_name_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let (_, text) = SHIPPED[1];
        let library = Library::shipped().unwrap();
        let copy = write(&directory, "copy.yaml", text);
        let (_, name) = library.with_file(&copy).unwrap();
        assert_eq!(name.as_str(), "script-standard");
        let edited = write(&directory, "edited.yaml", &text.replace("memory_mb: 512", "memory_mb: 8192"));
        assert!(library.with_file(&edited).unwrap_err().to_string().contains("exists already"));
    }
}

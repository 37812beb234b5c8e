//! Noticing that files have changed, and that they have come to rest.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Rules;

/// Files that never come to rest are read after so long all the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the files of rules looked like at one moment, as far as it can be told without reading them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files(Vec<(PathBuf, Option<Stamp>)>);

/// A file as stat(2) shows it. The time of its last change cannot be set back by who writes it.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    mode: u32,
    owner: (u32, u32),
    size: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Stamp {
    fn from(metadata: Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            size: metadata.size(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Files {
    pub(super) fn look(rules: &Rules) -> Self {
        let mut paths = vec![rules.services.clone()];
        if let Some(directory) = &rules.policies {
            paths.push(directory.clone());
            paths.extend(in_directory(directory));
        }
        Self(
            paths
                .into_iter()
                .map(|path| {
                    let stamp = fs::symlink_metadata(&path).ok().map(Stamp::from);
                    (path, stamp)
                })
                .collect(),
        )
    }
}

fn in_directory(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml");
    let mut paths: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_yaml).collect();
    paths.sort();
    paths
}

/// Tells when files that have changed are to be read.
///
/// A file can be written twice within one tick of the clock that stamps it, and look the same after both. What is read
/// after it has rested from one look to the next is not in that danger; what was read without having rested is read once
/// more when it has.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// What was read, and had come to rest.
    read: Option<Files>,
    /// What the last look showed, and since when it has not been what was read.
    unrest: Option<(Files, Instant)>,
}

impl Settling {
    /// Notes that the files are read now, whatever they look like.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether the files, which look like this `at` the moment, are to be read.
    pub(super) fn is_due(&mut self, now: Files, at: Instant) -> bool {
        if self.read.as_ref() == Some(&now) {
            self.unrest = None;
            return false;
        }
        match self.unrest.take() {
            Some((last, _)) if last == now => {
                self.read = Some(now);
                true
            }
            Some((_, since)) if at.duration_since(since) >= PATIENCE => {
                self.forget();
                true
            }
            Some((_, since)) => {
                self.unrest = Some((now, since));
                false
            }
            None => {
                self.unrest = Some((now, at));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use stockade_policies::Environment;

    use super::*;

    struct Place {
        _directory: tempfile::TempDir,
        rules: Rules,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let services = directory.path().join("services.yaml");
        let policies = directory.path().join("policies");
        fs::write(&services, "services: []\n").unwrap();
        fs::create_dir(&policies).unwrap();
        let rules = Rules { services, policies: Some(policies), environment: Environment::Production };
        Place { _directory: directory, rules }
    }

    #[test]
    fn every_change_shows_and_none_shows_where_there_is_none() {
        let place = place();
        let services = &place.rules.services;
        let policy = place.rules.policies.as_ref().unwrap().join("a.yaml");
        let mut seen = Files::look(&place.rules);
        assert_eq!(seen, Files::look(&place.rules));
        let mut shows = |what: &str, change: &dyn Fn()| {
            change();
            let now = Files::look(&place.rules);
            assert_ne!(seen, now, "{what}");
            seen = now;
        };
        shows("another length", &|| fs::write(services, "services: {}\n\n").unwrap());
        shows("replaced by rename", &|| {
            fs::write(services.with_extension("new"), "services: {}\n\n").unwrap();
            fs::rename(services.with_extension("new"), services).unwrap();
        });
        shows("other rights", &|| {
            fs::set_permissions(services, fs::Permissions::from_mode(0o666)).unwrap();
        });
        shows("a new policy", &|| fs::write(&policy, "policy: a\n").unwrap());
        shows("a longer policy", &|| fs::write(&policy, "policy: ab\n").unwrap());
        shows("no policy", &|| fs::remove_file(&policy).unwrap());
        shows("gone", &|| fs::remove_file(services).unwrap());
        shows("a link", &|| symlink("/etc/hostname", services).unwrap());
    }

    #[test]
    fn a_directory_that_is_swapped_behind_a_link_shows() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for version in ["1", "2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("services.yaml"), "services: []\n").unwrap();
        }
        symlink("1", at("data")).unwrap();
        let rules = Rules {
            services: at("data/services.yaml"),
            policies: None,
            environment: Environment::Production,
        };
        let before = Files::look(&rules);
        symlink("2", at("new")).unwrap();
        fs::rename(at("new"), at("data")).unwrap();
        assert_ne!(before, Files::look(&rules));
    }

    /// What is due at each of these looks, half a second apart.
    fn looks(shown: &[usize]) -> Vec<bool> {
        let (mut settling, began) = (Settling::default(), Instant::now());
        let mut look = |(index, number): (u32, &usize)| {
            let files = Files(vec![(PathBuf::from(number.to_string()), None)]);
            settling.is_due(files, began + Duration::from_millis(500) * index)
        };
        (0..).zip(shown).map(&mut look).collect()
    }

    #[test]
    fn files_are_read_when_they_have_rested_and_then_left_alone() {
        let due = looks(&[1, 1, 1, 2, 3, 3, 3]);
        assert_eq!(due, [false, true, false, false, false, true, false]);
    }

    #[test]
    fn files_that_change_and_change_back_are_left_alone() {
        let due = looks(&[1, 1, 2, 1, 2, 1]);
        assert_eq!(due, [false, true, false, false, false, false]);
    }

    #[test]
    fn files_that_never_rest_are_read_now_and_then_and_again_when_they_do() {
        let restless: Vec<usize> = (0..25).chain([24, 24]).collect();
        let due = looks(&restless);
        let when: Vec<usize> = (0..due.len()).filter(|look| due[*look]).collect();
        assert_eq!(when, [10, 21, 25]);
    }
}

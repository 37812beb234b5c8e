//! Finding the server's programs.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{PostgresError, program};

/// The oldest server whose views can be `security_invoker`.
const OLDEST: u32 = 15;
/// Debian's packages put each version's programs into a directory of its own here.
const DEBIAN: &str = "/usr/lib/postgresql";

/// One version's programs.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    /// The server.
    pub(super) postgres: PathBuf,
    /// The program that makes a cluster.
    pub(super) initdb: PathBuf,
    /// The major version.
    pub(super) major: u32,
}

impl Binaries {
    /// The programs to use: those of version `wanted` if there is data already, else the first that will do out of
    /// `PATH`, what `pg_config` names, and Debian's directories from the newest to the oldest.
    pub(super) fn find(data: &Path, wanted: Option<u32>) -> Result<Self, PostgresError> {
        let found: Vec<Self> = directories().iter().filter_map(|directory| Self::inside(directory)).collect();
        let newest = found.iter().map(|binaries| binaries.major).max();
        let versions = || found.iter().map(|b| b.major.to_string()).collect::<Vec<_>>().join(", ");
        let chosen = found.iter().find(|b| wanted.map_or(b.major >= OLDEST, |wanted| b.major == wanted));
        match (chosen, newest, wanted) {
            (Some(chosen), _, _) => Ok(chosen.clone()),
            (None, Some(_), Some(wanted)) => {
                Err(PostgresError::OtherVersion { data: data.to_owned(), wanted, found: versions() })
            }
            (None, Some(found), None) => Err(PostgresError::TooOld { found, needed: OLDEST }),
            (None, None, _) => Err(PostgresError::NotInstalled {
                looked_in: format!("PATH, what `pg_config` names, and {DEBIAN}/*/bin"),
            }),
        }
    }

    fn inside(directory: &Path) -> Option<Self> {
        let (postgres, initdb) = (directory.join("postgres"), directory.join("initdb"));
        if !is_program(&postgres) || !is_program(&initdb) {
            return None;
        }
        let major = major_version(&program::run(&postgres, &["--version"]).ok()?)?;
        Some(Self { postgres, initdb, major })
    }
}

fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).filter(|entry| entry.is_absolute()).collect();
    let config = all.iter().map(|directory| directory.join("pg_config")).find(|program| is_program(program));
    all.extend(config.and_then(|config| named_by(&config)));
    all.extend(debian());
    all
}

fn named_by(pg_config: &Path) -> Option<PathBuf> {
    let answer = program::run(pg_config, &["--bindir"]).ok()?;
    Some(PathBuf::from(answer.trim()))
}

fn debian() -> Vec<PathBuf> {
    let entries = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<u32> = entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.iter().map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin")).collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// 15 out of `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`.
fn major_version(text: &str) -> Option<u32> {
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_out_of_what_the_server_says_of_itself() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18devel"), Some(18));
        assert_eq!(major_version("something else"), None);
    }

    #[test]
    fn data_of_a_version_that_is_not_installed_is_refused_and_an_installed_one_is_found() {
        let data = Path::new("/some/data");
        let found = Binaries::find(data, None).unwrap();
        assert!(Binaries::find(data, Some(found.major)).is_ok());
        let error = Binaries::find(data, Some(7)).unwrap_err().to_string();
        assert!(error.contains("`/some/data` was made by PostgreSQL 7"), "{error}");
        assert!(error.contains("install `postgresql-7`"), "{error}");
    }
}

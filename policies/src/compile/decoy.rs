//! Well-known places of secrets, as empty ones that no rule grants.
//!
//! What is not in a view is refused by not being there, and nobody hears of it. A job that looks for these places looks for
//! secrets: so they are there, with nothing in them, Landlock refuses them, and the kernel's audit names the path. Where the
//! audit does not tell of Landlock they do no harm.

use stockade_plan::{AbsPath, Entry, List, View};

use super::error::CompileError;
use super::job::bounded;
use super::path_of;

const FILES: [&str; 3] = ["/etc/shadow", "/etc/gshadow", "/etc/sudoers"];
const DIRECTORIES: [&str; 4] = ["/etc/ssh", "/etc/kubernetes", "/root", "/home"];

/// The view with the decoys that it has room for: where it shows nothing itself, nor anything above or beneath.
pub(super) fn with_decoys(view: View) -> Result<View, CompileError> {
    let decoys = FILES.into_iter().map(|path| (path, false)).chain(DIRECTORIES.map(|path| (path, true)));
    let mut entries = view.entries.into_vec();
    let own = entries.len();
    for (path, is_directory) in decoys {
        let path = path_of(path)?;
        if !entries.iter().take(own).any(|entry| meets(entry, &path)) {
            entries.push(match is_directory {
                true => Entry::Directory { path },
                false => Entry::File { path, content: List::empty() },
            });
        }
    }
    Ok(View { entries: bounded("things in the job's file system", entries)? })
}

/// Whether an entry lies at, above or beneath a path.
fn meets(entry: &Entry, path: &AbsPath) -> bool {
    let at = match entry {
        Entry::Directory { path }
        | Entry::Symlink { path, .. }
        | Entry::File { path, .. }
        | Entry::Bind { path, .. } => path,
        Entry::Device(_) | Entry::Recorder => return false,
    };
    path.is_beneath(at) || at.is_beneath(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(path: &str) -> Entry {
        let path = AbsPath::new(path).unwrap();
        Entry::Bind { source: path.clone(), path, executable: false }
    }

    fn decoys(own: Vec<Entry>) -> Vec<String> {
        let count = own.len();
        let view = with_decoys(View { entries: own.try_into().unwrap() }).unwrap();
        let path = |entry: &Entry| match entry {
            Entry::Directory { path } => path.to_string(),
            Entry::File { path, content } if content.is_empty() => path.to_string(),
            other => panic!("{other:?}"),
        };
        view.entries.iter().skip(count).map(path).collect()
    }

    #[test]
    fn a_decoy_takes_no_place_that_the_view_shows_itself() {
        let all = decoys(vec![bind("/usr/lib")]);
        assert_eq!(all.len(), FILES.len() + DIRECTORIES.len());
        // Beneath one, one itself, and above some.
        let fewer = decoys(vec![bind("/home/build/data"), bind("/etc/ssh"), bind("/etc/shadowed")]);
        assert_eq!(fewer, ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/kubernetes", "/root"]);
        assert_eq!(decoys(vec![bind("/etc")]), ["/root", "/home"]);
    }
}

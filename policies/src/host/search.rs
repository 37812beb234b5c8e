//! Where the dynamic loader looks for libraries; ld.so(8).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The directories that the loader searches without a configuration, as Debian builds it.
pub(crate) const DEFAULT_DIRS: [&str; 6] =
    ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

const CONFIGURATION: &str = "/etc/ld.so.conf";
/// Configurations that include one another deeper than this are not followed.
const DEPTH_MAX: u32 = 4;
/// A larger configuration is not read, bytes.
const SIZE_MAX: u64 = 64 * 1024;

/// The directories that the host's configuration adds to the defaults.
pub(crate) fn configured_dirs() -> Vec<String> {
    let mut dirs = Vec::new();
    read(Path::new(CONFIGURATION), DEPTH_MAX, &mut dirs);
    let mut seen = BTreeSet::new();
    dirs.retain(|dir| seen.insert(dir.clone()) && !DEFAULT_DIRS.contains(&dir.as_str()));
    dirs
}

/// What cannot be read adds nothing, as for the loader itself.
fn read(path: &Path, depth: u32, dirs: &mut Vec<String>) {
    let small = fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= SIZE_MAX);
    if !small || depth == 0 {
        return;
    }
    let Ok(text) = fs::read_to_string(path) else { return };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        match line.split_once(char::is_whitespace) {
            Some(("include", pattern)) => {
                for file in matching(pattern.trim(), path) {
                    read(&file, depth - 1, dirs);
                }
            }
            None if line.starts_with('/') => dirs.push(line.trim_end_matches('/').to_owned()),
            _ => {}
        }
    }
}

/// The files of a pattern whose last component may have one `*`: what Debian's configuration uses.
fn matching(pattern: &str, from: &Path) -> Vec<PathBuf> {
    let base = from.parent().unwrap_or(Path::new("/"));
    let pattern = base.join(pattern);
    let (Some(directory), Some(name)) =
        (pattern.parent(), pattern.file_name().and_then(|name| name.to_str()))
    else {
        return Vec::new();
    };
    let Some((prefix, suffix)) = name.split_once('*') else { return vec![pattern.clone()] };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
            name.strip_prefix(prefix).is_some_and(|rest| rest.ends_with(suffix))
        })
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_followed_and_comments_are_not_directories() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("conf.d")).unwrap();
        fs::write(root.join("ld.so.conf"), "include conf.d/*.conf # all of them\n# /none\n/opt/x/lib/\n")
            .unwrap();
        fs::write(root.join("conf.d/b.conf"), "/usr/local/lib\n").unwrap();
        fs::write(root.join("conf.d/a.conf"), "/opt/a\ninclude ../ld.so.conf\n").unwrap();
        fs::write(root.join("conf.d/c.txt"), "/never\n").unwrap();
        let mut dirs = Vec::new();
        read(&root.join("ld.so.conf"), DEPTH_MAX, &mut dirs);
        dirs.sort();
        dirs.dedup();
        assert_eq!(dirs, ["/opt/a", "/opt/x/lib", "/usr/local/lib"]);
    }
}

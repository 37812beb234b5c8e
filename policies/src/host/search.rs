//! Where the dynamic loader looks for libraries; ld.so(8).

use std::collections::BTreeSet;
use std::fs;

use super::walk::Root;

/// The directories that the loader searches without a configuration, as Debian builds it.
pub(crate) const DEFAULT_DIRS: [&str; 6] =
    ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

const CONFIGURATION: &str = "/etc/ld.so.conf";
/// Configurations that include one another deeper than this are not followed.
const DEPTH_MAX: u32 = 4;
/// A larger configuration is not read, bytes.
const SIZE_MAX: u64 = 64 * 1024;

/// The directories that the configuration adds to the defaults.
pub(crate) fn configured_dirs(root: &Root) -> Vec<String> {
    let mut dirs = Vec::new();
    read(root, CONFIGURATION, DEPTH_MAX, &mut dirs);
    let mut seen = BTreeSet::new();
    dirs.retain(|dir| seen.insert(dir.clone()) && !DEFAULT_DIRS.contains(&dir.as_str()));
    dirs
}

/// What cannot be read adds nothing, as for the loader itself.
fn read(root: &Root, path: &str, depth: u32, dirs: &mut Vec<String>) {
    let Ok(host) = root.follow(path).and_then(|path| root.on_host(&path)) else { return };
    let small =
        fs::metadata(host.as_str()).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= SIZE_MAX);
    if !small || depth == 0 {
        return;
    }
    let Ok(text) = fs::read_to_string(host.as_str()) else { return };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("").trim();
        match line.split_once(char::is_whitespace) {
            Some(("include", pattern)) => {
                for file in matching(root, pattern.trim(), path) {
                    read(root, &file, depth - 1, dirs);
                }
            }
            None if line.starts_with('/') => dirs.push(line.trim_end_matches('/').to_owned()),
            _ => {}
        }
    }
}

/// The files of a pattern whose last component may have one `*`: what Debian's configuration uses.
fn matching(root: &Root, pattern: &str, from: &str) -> Vec<String> {
    let pattern = match pattern.starts_with('/') {
        true => pattern.to_owned(),
        false => format!("{}/{pattern}", from.rsplit_once('/').map_or("", |(directory, _)| directory)),
    };
    let (directory, name) = pattern.rsplit_once('/').unwrap_or(("", &pattern));
    let Some((prefix, suffix)) = name.split_once('*') else { return vec![pattern] };
    let listed = root.follow(directory).and_then(|directory| root.on_host(&directory)).ok();
    let Some(entries) = listed.and_then(|listed| fs::read_dir(listed.as_str()).ok()) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<String> = names
        .filter(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.ends_with(suffix)))
        .map(|name| format!("{directory}/{name}"))
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
        read(&Root::Host, root.join("ld.so.conf").to_str().unwrap(), DEPTH_MAX, &mut dirs);
        dirs.sort();
        dirs.dedup();
        assert_eq!(dirs, ["/opt/a", "/opt/x/lib", "/usr/local/lib"]);
    }
}

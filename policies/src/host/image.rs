//! A prepared directory that becomes the root of jobs.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use stockade_plan::AbsPath;

use super::HostError;
use super::walk::{Link, Root, absolute, join, resolve};

/// More things at the top of an image than this are refused.
const TOP_MAX: usize = 64;
/// What every sandbox has of its own; an image's are left out.
const OWN: [&str; 7] = ["proc", "sys", "dev", "run", "tmp", "job", ".stockade-probe"];
/// Links of systems whose `/bin` and its like are parts of `/usr`: the only ones at the top that are taken.
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What lies at the top of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    /// Directories and files: where in the view, and where on the host.
    pub(crate) entries: Vec<(AbsPath, AbsPath)>,
    pub(crate) links: Vec<Link>,
}

impl Image {
    /// Looks at the directory. Nobody but root and ourselves may have a say in what lies there.
    pub(crate) fn open(path: &AbsPath) -> Result<Self, HostError> {
        if resolve(&Root::Host, path)?.file != *path {
            return Err(HostError::malformed(
                path,
                "is reached through a symbolic link; name the directory itself",
            ));
        }
        let metadata = lstat(path)?;
        if !metadata.is_dir() {
            return Err(HostError::malformed(path, "is not a directory"));
        }
        check_owner(path, &metadata)?;
        let mut image = Self::default();
        let listed = fs::read_dir(path.as_str()).map_err(|error| HostError::io(path, &error))?;
        for entry in listed {
            let source = absolute(&entry.map_err(|error| HostError::io(path, &error))?.path())?;
            image.take(source)?;
            if image.entries.len() + image.links.len() > TOP_MAX {
                return Err(HostError::malformed(path, "has too many things at its top"));
            }
        }
        image.entries.sort();
        image.links.sort();
        Ok(image)
    }

    fn take(&mut self, source: AbsPath) -> Result<(), HostError> {
        let name = source.components().last().unwrap_or_default().to_owned();
        let metadata = lstat(&source)?;
        let kind = metadata.file_type();
        let root = Root::Host.top()?;
        if kind.is_symlink() {
            let text = fs::read_link(source.as_str()).map_err(|error| HostError::io(&source, &error))?;
            let text = text.to_str().unwrap_or_default();
            if !MERGED.contains(&name.as_str()) || text.trim_start_matches('/') != format!("usr/{name}") {
                return Err(HostError::malformed(
                    &source,
                    "is a symbolic link; at the top of an image only `/bin -> usr/bin` and its like may be one",
                ));
            }
            let target = join(&join(&root, "usr")?, &name)?;
            self.links.push(Link { path: join(&root, &name)?, target });
            return Ok(());
        }
        if kind.is_block_device() || kind.is_char_device() || kind.is_fifo() || kind.is_socket() {
            return Err(HostError::malformed(&source, "is neither a directory nor a regular file"));
        }
        if !OWN.contains(&name.as_str()) {
            check_owner(&source, &metadata)?;
            self.entries.push((join(&root, &name)?, source));
        }
        Ok(())
    }

    /// Whether something in the view lies under this top-level name.
    pub(crate) fn has(&self, top: &str) -> bool {
        self.entries.iter().any(|(path, _)| path.as_str() == top)
    }
}

fn lstat(path: &AbsPath) -> Result<Metadata, HostError> {
    fs::symlink_metadata(path.as_str()).map_err(|error| HostError::io(path, &error))
}

fn check_owner(path: &AbsPath, metadata: &Metadata) -> Result<(), HostError> {
    let ours = rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != ours {
        let what = format!("belongs to uid {}; an image belongs to root or to uid {ours}", metadata.uid());
        return Err(HostError::malformed(path, &what));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(HostError::malformed(path, "can be written by others; run `chmod go-w` on it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// An image with `usr` and `etc`.
    fn image() -> (tempfile::TempDir, AbsPath) {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap().join("image");
        for name in ["", "usr", "etc", "proc", "dev", "tmp"] {
            fs::create_dir(top.join(name)).unwrap();
            fs::set_permissions(top.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = absolute(&top).unwrap();
        (directory, path)
    }

    fn refusal(prepare: impl FnOnce(&str)) -> String {
        let (_directory, path) = image();
        prepare(path.as_str());
        Image::open(&path).unwrap_err().to_string()
    }

    #[test]
    fn an_image_is_its_top_without_what_every_sandbox_has_of_its_own() {
        let (_directory, path) = image();
        symlink("usr/bin", format!("{path}/bin")).unwrap();
        symlink("/usr/lib", format!("{path}/lib")).unwrap();
        let image = Image::open(&path).unwrap();
        let names: Vec<&str> = image.entries.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["/etc", "/usr"]);
        assert_eq!(image.entries[1].1.as_str(), format!("{path}/usr"));
        let links: Vec<_> =
            image.links.iter().map(|link| (link.path.as_str(), link.target.as_str())).collect();
        assert_eq!(links, [("/bin", "/usr/bin"), ("/lib", "/usr/lib")]);
    }

    #[test]
    fn links_and_special_files_at_the_top_are_refused() {
        let link = |name: &'static str, target: &'static str| {
            refusal(move |path| {
                fs::remove_dir(format!("{path}/{name}")).ok();
                symlink(target, format!("{path}/{name}")).unwrap();
            })
        };
        for (name, target) in [
            ("proc", "/proc"),
            ("dev", "/dev"),
            ("etc", "/etc"),
            ("data", "usr"),
            ("bin", "/bin"),
            ("lib", "usr/bin"),
            ("bin", "../usr/bin"),
        ] {
            assert!(link(name, target).contains("is a symbolic link"), "{name} -> {target}");
        }
        let socket = refusal(|path| {
            drop(std::os::unix::net::UnixListener::bind(format!("{path}/socket")).unwrap());
        });
        assert!(socket.ends_with("is neither a directory nor a regular file"), "{socket}");
    }

    #[test]
    fn an_image_that_others_can_write_or_that_is_reached_by_a_link_is_refused() {
        let open = |name: &'static str| {
            refusal(move |path| {
                fs::set_permissions(format!("{path}{name}"), fs::Permissions::from_mode(0o775)).unwrap();
            })
        };
        assert!(open("").contains("can be written by others"));
        assert!(open("/usr").contains("usr` can be written by others"));
        let (directory, path) = image();
        symlink(path.as_str(), directory.path().join("link")).unwrap();
        let link = absolute(&directory.path().canonicalize().unwrap().join("link")).unwrap();
        assert!(Image::open(&link).unwrap_err().to_string().contains("is reached through a symbolic link"));
        fs::write(format!("{path}/file"), "").unwrap();
        let file = AbsPath::new(format!("{path}/file")).unwrap();
        assert!(Image::open(&file).unwrap_err().to_string().ends_with("is not a directory"));
    }
}

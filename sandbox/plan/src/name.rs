//! Names that cannot hold a bad value: paths, arguments, file names.

use std::ffi::CString;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not the name it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Longer than the kernel or this design takes.
    #[error("is {len} bytes long, at most {max} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// A NUL byte would end the text early for the kernel.
    #[error("has a NUL byte")]
    Nul,
    /// A control character: it would forge lines in logs and tables.
    #[error("has a control character")]
    Control,
    /// The path does not start at the root.
    #[error("is not absolute (it must start with `/`)")]
    NotAbsolute,
    /// The path starts at the root and must not.
    #[error("is absolute (it must be relative)")]
    Absolute,
    /// `.`, `..` or an empty component.
    #[error("has a `.`, `..` or empty component")]
    Component,
    /// A byte that this kind of name never has.
    #[error("has a character that is not allowed there")]
    Character,
}

/// `PATH_MAX` without its NUL, linux/limits.h.
const PATH_MAX: usize = 4095;
/// `NAME_MAX`, linux/limits.h.
const NAME_MAX: usize = 255;
/// `MAX_ARG_STRLEN` (32 pages) without its NUL, linux/binfmts.h; execve(2).
const ARG_MAX: usize = 128 * 1024 - 1;
/// `HOST_NAME_MAX`, sethostname(2).
const HOSTNAME_MAX: usize = 64;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses `text`.
            ///
            /// # Errors
            /// [`NameError`] says what is wrong with it.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                $check(&text).map(|()| Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text as the kernel takes it. There is no NUL inside: the constructor saw to it.
            pub fn to_c_string(&self) -> CString {
                CString::new(self.0.as_bytes()).unwrap_or_default()
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// An absolute path in normal form: no empty, `.` or `..` component, no control character, no slash at the
    /// end but for `/` itself.
    AbsPath,
    check_absolute
);
name!(
    /// A relative path in normal form, one or more components.
    RelPath,
    check_relative
);
name!(
    /// One path component.
    FileName,
    check_component
);
name!(
    /// A program argument or environment value: anything but NUL, up to `MAX_ARG_STRLEN`.
    Arg,
    check_argument
);
name!(
    /// The name of an environment variable: letters, digits and `_`, no digit first (POSIX.1-2017, 8.1).
    EnvName,
    check_env_name
);
name!(
    /// The name of a system call: letters, digits and `_`, no digit first.
    CallName,
    check_env_name
);
name!(
    /// A host name as the uts namespace shows it: letters, digits, `-`.
    Hostname,
    check_hostname
);

impl AbsPath {
    /// The components below the root.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// Whether this path is `ancestor` or lies beneath it.
    pub fn is_beneath(&self, ancestor: &Self) -> bool {
        match self.0.strip_prefix(ancestor.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || ancestor.0 == "/",
            None => false,
        }
    }
}

fn check_length(text: &str, max: usize) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        len if len > max => Err(NameError::TooLong { len, max }),
        _ => Ok(()),
    }
}

fn check_characters(text: &str) -> Result<(), NameError> {
    if text.contains('\0') {
        return Err(NameError::Nul);
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(())
}

fn check_absolute(text: &str) -> Result<(), NameError> {
    check_length(text, PATH_MAX)?;
    match text.strip_prefix('/') {
        None => Err(NameError::NotAbsolute),
        Some("") => Ok(()),
        Some(rest) => rest.split('/').try_for_each(check_component),
    }
}

fn check_relative(text: &str) -> Result<(), NameError> {
    check_length(text, PATH_MAX)?;
    if text.starts_with('/') {
        return Err(NameError::Absolute);
    }
    text.split('/').try_for_each(check_component)
}

fn check_component(text: &str) -> Result<(), NameError> {
    if matches!(text, "" | "." | "..") {
        return Err(NameError::Component);
    }
    check_length(text, NAME_MAX)?;
    check_characters(text)?;
    if text.contains('/') { Err(NameError::Character) } else { Ok(()) }
}

fn check_argument(text: &str) -> Result<(), NameError> {
    match text.len() {
        len if len > ARG_MAX => Err(NameError::TooLong { len, max: ARG_MAX }),
        _ if text.contains('\0') => Err(NameError::Nul),
        _ => Ok(()),
    }
}

fn check_env_name(text: &str) -> Result<(), NameError> {
    check_length(text, NAME_MAX)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(legal) {
        return Err(NameError::Character);
    }
    Ok(())
}

fn check_hostname(text: &str) -> Result<(), NameError> {
    check_length(text, HOSTNAME_MAX)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.chars().all(legal) { Ok(()) } else { Err(NameError::Character) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_are_taken_in_normal_form_only() {
        for good in ["/", "/usr", "/usr/lib/python3.11", "/a b", "/é", "/..a"] {
            assert!(AbsPath::new(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("", NameError::Empty),
            ("usr", NameError::NotAbsolute),
            ("//", NameError::Component),
            ("/usr/", NameError::Component),
            ("/usr/../etc", NameError::Component),
            ("/usr/./lib", NameError::Component),
            ("/a\0b", NameError::Nul),
            ("/a\nb", NameError::Control),
        ] {
            assert_eq!(AbsPath::new(bad), Err(why), "{bad:?}");
        }
        assert!(AbsPath::new(format!("/{}", "a".repeat(255))).is_ok());
        assert!(matches!(AbsPath::new(format!("/{}", "a".repeat(256))), Err(NameError::TooLong { .. })));
    }

    #[test]
    fn relative_paths_cannot_climb() {
        assert!(RelPath::new("out/result.json").is_ok());
        for bad in ["/etc/passwd", "../x", "a/../../x", "a/", "a//b", ".", "a\0"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn beneath_compares_components_not_letters() {
        let path = |text| AbsPath::new(text).unwrap();
        assert!(path("/usr/lib").is_beneath(&path("/usr")));
        assert!(path("/usr").is_beneath(&path("/usr")));
        assert!(path("/usr").is_beneath(&path("/")));
        assert!(!path("/usrlocal").is_beneath(&path("/usr")));
        assert!(!path("/usr").is_beneath(&path("/usr/lib")));
    }

    #[test]
    fn environment_names_are_posix_names() {
        assert!(EnvName::new("LD_2").is_ok());
        for bad in ["", "2A", "A=B", "A B", "é"] {
            assert!(EnvName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn arguments_hold_anything_but_nul() {
        assert!(Arg::new("").is_ok());
        assert!(Arg::new("$(id); '\n").is_ok());
        assert_eq!(Arg::new("a\0b"), Err(NameError::Nul));
    }
}

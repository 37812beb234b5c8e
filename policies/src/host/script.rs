//! The first line of a script, as the kernel reads it (fs/binfmt_script.c).

/// `BINPRM_BUF_SIZE`, linux/binfmts.h: the kernel looks at no more of a file.
const HEAD: usize = 256;

/// What a script asks to be run by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shebang {
    pub(crate) interpreter: String,
    /// Everything behind the interpreter is one argument.
    pub(crate) argument: Option<String>,
}

/// The first line of a file that begins with `head`; `None` if it is no script.
pub(crate) fn parse(head: &[u8]) -> Option<Result<Shebang, &'static str>> {
    let head = head.get(..HEAD).unwrap_or(head);
    let rest = head.strip_prefix(b"#!")?;
    let end = rest.iter().position(|byte| *byte == b'\n');
    // A line cut short by the kernel's buffer could name another program than it seems to.
    if end.is_none() && head.len() >= HEAD {
        return Some(Err("has a first line longer than the 255 bytes that the kernel reads"));
    }
    let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    Some(match std::str::from_utf8(line) {
        Ok(line) => split(line),
        Err(_) => Err("has a first line that is not UTF-8"),
    })
}

fn split(line: &str) -> Result<Shebang, &'static str> {
    const BLANK: [char; 2] = [' ', '\t'];
    let line = line.trim_matches(BLANK);
    let (interpreter, argument) = line.split_once(BLANK).unwrap_or((line, ""));
    if interpreter.is_empty() {
        return Err("names no interpreter in its first line");
    }
    let argument = Some(argument.trim_matches(BLANK)).filter(|argument| !argument.is_empty());
    Ok(Shebang { interpreter: interpreter.to_owned(), argument: argument.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shebang(interpreter: &str, argument: Option<&str>) -> Option<Result<Shebang, &'static str>> {
        Some(Ok(Shebang { interpreter: interpreter.to_owned(), argument: argument.map(str::to_owned) }))
    }

    #[test]
    fn the_first_line_is_split_as_the_kernel_splits_it() {
        assert_eq!(parse(b"#!/bin/sh\necho"), shebang("/bin/sh", None));
        assert_eq!(parse(b"#! \t/usr/bin/env  python3 -u \n"), shebang("/usr/bin/env", Some("python3 -u")));
        assert_eq!(parse(b"#!/bin/sh"), shebang("/bin/sh", None));
        assert_eq!(parse(b"\x7fELF"), None);
        assert_eq!(parse(b"echo\n#!/bin/sh"), None);
    }

    #[test]
    fn a_first_line_that_the_kernel_would_cut_is_refused() {
        let long = [b"#!/bin/sh ".as_slice(), &[b'a'; HEAD]].concat();
        assert!(matches!(parse(&long[..HEAD]), Some(Err(_))));
        assert!(matches!(parse(b"#!\n"), Some(Err(_))));
        assert!(matches!(parse(b"#!/bin/\xff\n"), Some(Err(_))));
    }
}

//! Secrets: looked up last, shown to nobody.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;
use stockade_policies::SecretRef;

/// A longer secret is none, bytes.
const LENGTH_MAX: u64 = 64 * 1024;
/// A shorter one is not looked for in what others send: it would be found everywhere, bytes.
const REDACTED_MIN: usize = 4;
/// What stands where a secret stood.
const STARS: &str = "***";
/// Where systemd puts a service's credentials; systemd.exec(5), `LoadCredential=`.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// A secret. Whatever prints it prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for whoever sends it where it belongs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(STARS)
    }
}

/// A secret is not where it should be. The message never holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such variable, or it is not text.
    #[error(
        "the secret `env:{0}` is not in the supervisor's environment; set the variable and start it again"
    )]
    Variable(String),
    /// The service manager hands over no credentials.
    #[error(
        "the secret `credential:{0}` cannot be looked up: `CREDENTIALS_DIRECTORY` is not set; name it with `LoadCredential=` in the unit"
    )]
    NoCredentials(String),
    /// A file cannot be read.
    #[error("cannot read the secret `{name}` from `{path}`: {source}")]
    File {
        /// How it is named.
        name: String,
        /// Where it lies.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What is there is no secret.
    #[error("the secret `{name}` cannot be used: {reason}")]
    Unusable {
        /// How it is named.
        name: String,
        /// Why not.
        reason: &'static str,
    },
}

/// The secret that `named` stands for, as it is now: files are read each time, so that a new one is in force at once. One
/// line end behind it does not count.
///
/// # Errors
/// [`SecretError`].
pub fn resolve(named: &SecretRef) -> Result<Secret, SecretError> {
    let name = named.to_string();
    let text = match named {
        SecretRef::Env(variable) => std::env::var(variable.as_str())
            .map_err(|_| SecretError::Variable(variable.as_str().to_owned()))?,
        SecretRef::File(path) => from_file(&name, Path::new(path.as_str()))?,
        SecretRef::Credential(credential) => {
            let directory = std::env::var_os(CREDENTIALS)
                .ok_or_else(|| SecretError::NoCredentials(credential.clone()))?;
            from_file(&name, &Path::new(&directory).join(credential))?
        }
    };
    let text = text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
    match text.is_empty() {
        true => Err(SecretError::Unusable { name, reason: "it is empty" }),
        false => Ok(Secret(text.to_owned())),
    }
}

fn from_file(name: &str, path: &Path) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::File { name: name.to_owned(), path: path.to_owned(), source };
    let unusable = |reason| SecretError::Unusable { name: name.to_owned(), reason };
    let file = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(path)
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unusable("it is no regular file"));
    }
    if metadata.mode() & 0o006 != 0 {
        return Err(unusable(
            "everybody can read or write the file; take those rights away with `chmod o-rw`",
        ));
    }
    let mut text = String::new();
    let read = file.take(LENGTH_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    match u64::try_from(read).is_ok_and(|read| read <= LENGTH_MAX) {
        true => Ok(text),
        false => Err(unusable("it has more than 65536 bytes")),
    }
}

/// Takes secrets out of what is kept or shown.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    /// Each form that a secret may come back in, the longest first.
    forms: Vec<Secret>,
}

impl Redactor {
    /// One that knows these secrets: as they are, in base64 of either alphabet, percent-encoded, in hexadecimal digits and as
    /// JSON writes them.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let long = secrets.into_iter().map(Secret::reveal).filter(|secret| secret.len() >= REDACTED_MIN);
        let mut forms: Vec<Secret> = long.flat_map(forms_of).map(Secret).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.0.len()));
        forms.dedup();
        Self { forms }
    }

    /// `text` without secrets.
    pub fn text(&self, text: &str) -> String {
        self.forms.iter().fold(text.to_owned(), |text, form| text.replace(&form.0, STARS))
    }

    /// `bytes` without secrets.
    pub fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.forms.iter().fold(bytes, |bytes, form| without(bytes, form.0.as_bytes()))
    }

    /// `bytes` of which the end was cut off, without what a secret at the cut begins with. For what has gone through
    /// [`Redactor::bytes`].
    pub fn cut_tail(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let begun = |form: &Secret| {
            let form = form.0.as_bytes();
            let longest = form.len().saturating_sub(1).min(bytes.len());
            (1..=longest).rev().find(|length| form.get(..*length).is_some_and(|begun| bytes.ends_with(begun)))
        };
        if let Some(length) = self.forms.iter().filter_map(begun).max() {
            bytes.truncate(bytes.len() - length);
        }
        bytes
    }

    /// `value` without secrets, in its keys as well.
    pub fn json(&self, value: Value) -> Value {
        if self.forms.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.json(item)).collect()),
            Value::Object(members) => Value::Object(
                members.into_iter().map(|(key, value)| (self.text(&key), self.json(value))).collect(),
            ),
            other => other,
        }
    }
}

fn without(bytes: Vec<u8>, form: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut rest = bytes.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(form) {
            kept.extend_from_slice(STARS.as_bytes());
            rest = after;
        } else {
            kept.push(*first);
            rest = behind;
        }
    }
    kept
}

/// What a secret may look like when it comes back.
fn forms_of(secret: &str) -> Vec<String> {
    let hex = |digit: fn(u8) -> String| secret.bytes().map(digit).collect::<String>();
    let percent = percent_encoded(secret);
    let json = Value::String(secret.to_owned()).to_string();
    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
    let json = inner.unwrap_or(&json).to_owned();
    let mut forms = vec![
        secret.to_owned(),
        percent.replace("%20", "+"),
        lower_case_escapes(&percent),
        percent,
        hex(|byte| format!("{byte:02x}")),
        hex(|byte| format!("{byte:02X}")),
        json.replace('/', "\\/"),
        json,
    ];
    for base64 in [STANDARD.encode(secret), URL_SAFE.encode(secret)] {
        forms.push(base64.trim_end_matches('=').to_owned());
        forms.push(base64);
    }
    forms.retain(|form| form.len() >= REDACTED_MIN);
    forms
}

/// `%2f` for `%2F`.
fn lower_case_escapes(text: &str) -> String {
    let mut escaped = 0;
    let lower = |letter: char| {
        let inside = escaped > 0;
        escaped = if letter == '%' { 2_u8 } else { escaped.saturating_sub(1) };
        if inside { letter.to_ascii_lowercase() } else { letter }
    };
    text.chars().map(lower).collect()
}

/// RFC 3986, 2.1: everything but unreserved characters.
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;
    use stockade_policies::{Environment, Library};

    use super::*;

    /// A reference, the way policies come by one.
    fn named(text: &str) -> SecretRef {
        let policy = format!("policy: p\ncommands: []\nsecrets: [\"{text}\"]\n");
        let (library, name) = Library::shipped().unwrap().with_text("p.yaml", &policy).unwrap();
        let policy = library.effective(name.as_str(), Environment::Development).unwrap();
        policy.secrets().next().unwrap().clone()
    }

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, SecretRef) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let named = named(&format!("file:{}", path.display()));
        (directory, named)
    }

    #[test]
    fn a_secret_is_read_from_a_file_without_its_line_end_and_never_printed() {
        let (_directory, named) = file(b"sk_live_1\n", 0o600);
        let secret = resolve(&named).unwrap();
        assert_eq!(secret.reveal(), "sk_live_1");
        assert_eq!(format!("{secret:?}"), "***");
    }

    #[test]
    fn a_file_that_everybody_reads_or_that_is_none_is_refused_and_nothing_of_it_shown() {
        for (content, mode, reason) in [
            (b"sk_live_1".as_slice(), 0o644, "everybody can read"),
            (b"", 0o600, "it is empty"),
            (b"\n", 0o600, "it is empty"),
            (b"\xffsk_live_1", 0o600, "valid UTF-8"),
            (&[b'x'; 65537], 0o600, "65536"),
        ] {
            let (_directory, named) = file(content, mode);
            let error = resolve(&named).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("sk_live"), "{error}");
        }
        let error = resolve(&named("file:/dev/null")).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
        assert!(matches!(resolve(&named("env:STOCKADE_NO_SUCH_VARIABLE")), Err(SecretError::Variable(_))));
    }

    #[test]
    fn of_a_secret_at_a_cut_nothing_is_left() {
        let redactor = Redactor::new(&[Secret("sk_live_1234".to_owned())]);
        for cut in 1.."sk_live_1234".len() {
            let text = format!("key {}", &"sk_live_1234"[..cut]).into_bytes();
            assert_eq!(redactor.cut_tail(text), b"key ", "{cut}");
        }
        assert_eq!(redactor.cut_tail(b"key".to_vec()), b"key");
        assert_eq!(redactor.cut_tail(Vec::new()), b"");
        assert_eq!(Redactor::default().cut_tail(b"sk".to_vec()), b"sk");
    }

    #[test]
    fn a_secret_is_taken_out_in_each_form_it_may_come_back_in() {
        let secrets = [Secret("pa ss/word+1".to_owned()), Secret("ab".to_owned())];
        let redactor = Redactor::new(&secrets);
        assert_eq!(redactor.text("x pa ss/word+1 y"), "x *** y");
        assert_eq!(redactor.text("Basic cGEgc3Mvd29yZCsx;"), "Basic ***;");
        for form in [
            "pa%20ss%2Fword%2B1",
            "pa%20ss%2fword%2b1",
            "pa+ss%2Fword%2B1",
            "pa ss\\/word+1",
            "70612073732f776f72642b31",
        ] {
            assert_eq!(redactor.text(&format!("?k={form}&")), "?k=***&", "{form}");
        }
        assert_eq!(redactor.bytes(b"\xffpa ss/word+1\0pa ss".to_vec()), b"\xff***\0pa ss");
        assert_eq!(
            redactor.json(json!({"a pa ss/word+1": ["pa ss/word+1", 1]})),
            json!({"a ***": ["***", 1]})
        );
        assert_eq!(
            Redactor::new(&[Secret("say \"x\"".to_owned())]).text(r#"{"k": "say \"x\""}"#),
            r#"{"k": "***"}"#
        );
        // Too short to be told from anything else.
        assert_eq!(redactor.text("about"), "about");
        assert!(!format!("{redactor:?}").contains("pa"));
    }
}

//! Somebody between a worker and its engine, who passes on what they say, but for what a test wants otherwise.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use stockade_plan::{ContainerMessage, encode};
use tempfile::TempDir;

/// What is changed.
#[derive(Debug, Clone)]
pub(crate) enum Changed {
    Nothing,
    /// The engine's answer to who makes a container has this warning.
    Warning(&'static str),
    /// The engine does not hear this of what it is asked for.
    Unheard(&'static str),
    /// Who asks for a container hears nothing.
    NoContainer,
    /// Nobody hears of a container's first process that it has started the job.
    NoStart,
}

/// Ends with the process.
pub(crate) struct Between {
    directory: TempDir,
    changed: Arc<Mutex<Changed>>,
}

impl Between {
    pub(crate) fn start(engine: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("between-").tempdir_in("/tmp").unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        for path in [directory.path(), &socket] {
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
        let changed = Arc::new(Mutex::new(Changed::Nothing));
        let (engine, shared) = (engine.to_owned(), Arc::clone(&changed));
        std::thread::spawn(move || {
            for worker in listener.incoming().map_while(Result::ok) {
                let (engine, changed) = (engine.clone(), Arc::clone(&shared));
                std::thread::spawn(move || between(worker, &engine, &changed));
            }
        });
        Self { directory, changed }
    }

    pub(crate) fn change(&self, to: Changed) {
        *self.changed.lock().unwrap() = to;
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }
}

fn between(worker: UnixStream, engine: &Path, changed: &Arc<Mutex<Changed>>) {
    let Ok(engine) = UnixStream::connect(engine) else { return };
    let (from, to, held) = (worker.try_clone().unwrap(), engine.try_clone().unwrap(), Arc::clone(changed));
    std::thread::spawn(move || {
        pass(from, to, |bytes| {
            let asks = bytes.starts_with(b"POST") && contains(&bytes, b"/containers/create");
            match &*held.lock().unwrap() {
                Changed::NoContainer if asks => Vec::new(),
                // More of it may follow in another piece.
                Changed::Unheard(name) => unheard(bytes, name),
                _ => bytes,
            }
        });
    });
    pass(engine, worker, |bytes| match &*changed.lock().unwrap() {
        Changed::Warning(warning) => warned(bytes, warning),
        Changed::NoStart if contains(&bytes, &started()) => Vec::new(),
        _ => bytes,
    });
}

fn pass(mut from: UnixStream, mut to: UnixStream, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&change(buffer[..read].to_vec())).is_err() {
            break;
        }
    }
    let _gone = to.shutdown(Shutdown::Write);
}

/// A name that no engine knows, as long as that.
fn unheard(mut bytes: Vec<u8>, name: &str) -> Vec<u8> {
    let name = format!("\"{name}\":");
    if let Some(at) = bytes.windows(name.len()).position(|part| part == name.as_bytes()) {
        bytes[at + 1] = b'X';
    }
    bytes
}

/// As an engine passes it on: one piece of standard output, and in that one message.
fn started() -> Vec<u8> {
    let message = encode(&ContainerMessage::Started).unwrap();
    let len = u8::try_from(message.len()).unwrap();
    [&[1, 0, 0, 0, 0, 0, 0, len + 4, len, 0, 0, 0], &message[..]].concat()
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|part| part == what)
}

/// The engine says in one piece that it has made a container, and the length of that.
fn warned(bytes: Vec<u8>, warning: &str) -> Vec<u8> {
    const NONE: &str = r#""Warnings":[]"#;
    let Some((head, body)) = std::str::from_utf8(&bytes).ok().and_then(|text| text.split_once("\r\n\r\n"))
    else {
        return bytes;
    };
    if !body.contains(NONE) {
        return bytes;
    }
    let said = body.replace(NONE, &format!(r#""Warnings":["{warning}"]"#));
    let head: Vec<String> = head
        .split("\r\n")
        .map(|line| match line.starts_with("Content-Length:") {
            true => format!("Content-Length: {}", said.len()),
            false => line.to_owned(),
        })
        .collect();
    format!("{}\r\n\r\n{said}", head.join("\r\n")).into_bytes()
}

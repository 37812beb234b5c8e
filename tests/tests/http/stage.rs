//! HTTP servers that answer as a test wants, with every byte their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Longer than any test waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one request said.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// Method, target and version.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A connection, encrypted or not.
pub(crate) trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// A server on loopback; ends with the test.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    closed: Mutex<Receiver<Instant>>,
}

impl Stage {
    /// Answers every request by `play`, and closes the connection when that returns.
    pub(crate) fn new(play: impl Fn(&Heard, &mut dyn Connection) + Send + Sync + 'static) -> Self {
        Self::with(None, play)
    }

    /// The same over TLS.
    pub(crate) fn tls(
        config: ServerConfig,
        play: impl Fn(&Heard, &mut dyn Connection) + Send + Sync + 'static,
    ) -> Self {
        Self::with(Some(Arc::new(config)), play)
    }

    /// Answers with these bytes.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::new(move |_, connection| {
            // A client that has read enough does not read on.
            let _ = connection.write_all(&answer);
        })
    }

    /// Says nothing, and hears when the client goes.
    pub(crate) fn silent() -> Self {
        Self::new(|_, connection| {
            let _ = connection.read(&mut [0; 1]);
        })
    }

    fn with(
        tls: Option<Arc<ServerConfig>>,
        play: impl Fn(&Heard, &mut dyn Connection) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (told, closed) = channel();
        let (play, all) = (Arc::new(play), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (play, all, told, tls) = (Arc::clone(&play), Arc::clone(&all), told.clone(), tls.clone());
                thread::spawn(move || perform(stream, tls, &*play, &all, &told));
            }
        });
        Self { address, heard, closed: Mutex::new(closed) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been asked of it.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// When the client closed a connection.
    pub(crate) fn closed(&self) -> Instant {
        let closed: Result<Instant, RecvTimeoutError> = self.closed.lock().unwrap().recv_timeout(PATIENCE);
        closed.expect("the client closes its connection")
    }
}

fn perform(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    play: &dyn Fn(&Heard, &mut dyn Connection),
    all: &Mutex<Vec<Heard>>,
    told: &Sender<Instant>,
) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut end = stream.try_clone().unwrap();
    let mut connection: Box<dyn Connection> = match tls {
        None => Box::new(stream),
        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
    };
    if let Some(heard) = listen(&mut *connection) {
        all.lock().unwrap().push(heard.clone());
        play(&heard, &mut *connection);
        // The end of what is said; then until the client goes.
        let _ = end.shutdown(std::net::Shutdown::Write);
        while end.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
        let _ = told.send(Instant::now());
    }
}

fn listen(connection: &mut dyn Connection) -> Option<Heard> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        more(connection, &mut bytes)?;
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let fields: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = fields.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < end + 4 + length {
        more(connection, &mut bytes)?;
    }
    Some(Heard { line, fields, body: bytes[end + 4..].to_vec() })
}

fn more(connection: &mut dyn Connection, bytes: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let read = connection.read(&mut piece).ok().filter(|read| *read > 0)?;
    bytes.extend_from_slice(&piece[..read]);
    Some(())
}

/// An answer whose length is right.
pub(crate) fn answer(status: &str, fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// An answer of JSON.
pub(crate) fn json(status: &str, body: &str) -> Vec<u8> {
    answer(status, "content-type: application/json\r\n", body)
}

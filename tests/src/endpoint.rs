//! An HTTP server on loopback that answers what a test says, byte by byte if it must be wrong.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request, as it came.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Fields, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is done with one.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Bytes; the connection is kept.
    Bytes(Vec<u8>),
    /// Bytes; then the connection is closed.
    Last(Vec<u8>),
    /// Bytes; then the connection is reset.
    Reset(Vec<u8>),
    /// Nothing, until the other side goes.
    Silence,
    /// A byte of these now and then.
    Trickle(Vec<u8>, Duration),
}

#[derive(Debug, Default)]
struct Seen {
    asked: Vec<Asked>,
    left: Vec<(Asked, Instant)>,
}

/// A server that ends with the process.
#[derive(Debug, Clone)]
pub struct Endpoint {
    port: u16,
    seen: Arc<Mutex<Seen>>,
}

impl Asked {
    /// A field's value, the empty text if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl Answer {
    /// A whole answer.
    pub fn whole(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        bytes.push_str("\r\n");
        Self::Bytes([bytes.as_bytes(), body].concat())
    }
}

impl Endpoint {
    /// Starts one that answers as `answer` says.
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("address").port();
        let endpoint = Self { port, seen: Arc::default() };
        let (answer, served) = (Arc::new(answer), endpoint.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, served) = (Arc::clone(&answer), served.clone());
                std::thread::spawn(move || served.serve(stream, answer.as_ref()));
            }
        });
        endpoint
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything that it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.seen().asked.clone()
    }

    /// When somebody who had asked so left without having got his answer.
    pub fn left(&self, asked: impl Fn(&Asked) -> bool) -> Option<Instant> {
        self.seen().left.iter().find(|(left, _)| asked(left)).map(|(_, when)| *when)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream, answer: &dyn Fn(&Asked) -> Answer) {
        let _delay = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream.try_clone().expect("descriptor"));
        while let Some(asked) = read(&mut reader) {
            self.seen().asked.push(asked.clone());
            let said = answer(&asked);
            if !self.reply(&stream, asked, said) {
                return;
            }
        }
    }

    /// Whether the connection is kept.
    fn reply(&self, mut stream: &TcpStream, asked: Asked, answer: Answer) -> bool {
        match answer {
            Answer::Bytes(bytes) => return stream.write_all(&bytes).is_ok(),
            Answer::Last(bytes) => drop(stream.write_all(&bytes)),
            Answer::Reset(bytes) => {
                drop(stream.write_all(&bytes));
                // With no time to linger, closing sends a reset; socket(7), SO_LINGER.
                let at_once = Some(Duration::ZERO);
                rustix::net::sockopt::set_socket_linger(stream, at_once).expect("linger");
            }
            Answer::Silence => {
                let _gone = stream.read(&mut [0]);
                self.seen().left.push((asked, Instant::now()));
            }
            Answer::Trickle(bytes, pause) => {
                for byte in bytes {
                    if stream.write_all(&[byte]).is_err() {
                        self.seen().left.push((asked, Instant::now()));
                        break;
                    }
                    std::thread::sleep(pause);
                }
            }
        }
        false
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let mut asked = Asked { method: words.next()?, target: words.next()?, ..Asked::default() };
    while let Some((name, value)) = line()?.split_once(':') {
        asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    asked.body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut asked.body).ok()?;
    Some(asked)
}

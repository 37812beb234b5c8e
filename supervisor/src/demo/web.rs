//! A web service on the host's loopback device, for the calls of the demo: one answer that is honest, one that sends
//! its caller on.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What it says of the euro, on a day of 2026.
pub(super) const RATES: &str = r#"{"base": "EUR", "USD": "1.17", "CHF": "0.93"}"#;
/// Longer requests are not ours.
const REQUEST_MAX: usize = 16 * 1024;

/// The service; it ends when dropped.
#[derive(Debug)]
pub(super) struct Web {
    port: u16,
    task: AbortHandle,
}

impl Web {
    /// Opens it. Whoever asks for `/v1/onward` is sent to `trap`, a port of the same device.
    pub(super) async fn open(trap: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, trap));
            }
        });
        Ok(Self { port, task: task.abort_handle() })
    }

    /// The part of a registry that names it.
    pub(super) fn services(&self) -> String {
        format!(
            "\n  # A web service of the demo's own.\n  - name: rates\n    base_url: http://127.0.0.1:{}/v1\n    timeout: 10\n    \
             operations:\n      - {{name: today, method: GET, path: /today, max_retries: 0, output_schema: {{base: text, USD: text, CHF: text}}}}\n      \
             - {{name: onward, method: GET, path: /onward, max_retries: 0}}\n",
            self.port
        )
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, trap: u16) -> io::Result<()> {
    let mut heard = Vec::new();
    while !heard.windows(4).any(|four| four == b"\r\n\r\n") && heard.len() < REQUEST_MAX {
        if stream.read_buf(&mut heard).await? == 0 {
            return Ok(());
        }
    }
    let said = match heard.starts_with(b"GET /v1/onward ") {
        true => format!(
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{trap}/latest/meta-data/\r\ncontent-length: 0\r\n\r\n"
        ),
        false => format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{RATES}",
            RATES.len()
        ),
    };
    stream.write_all(said.as_bytes()).await
}

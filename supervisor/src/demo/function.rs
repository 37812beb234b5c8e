//! A function of the demo's own: what stands for a cloud is a server on this host's loopback device, which speaks as AWS Lambda
//! does and counts the lines of a table.

use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// The function, as the registry names it.
pub(super) const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:count-orders:1";
/// What the demo hands in is far smaller, bytes.
const REQUEST_MAX: u64 = 1024 * 1024;

/// Answers calls until it is dropped.
#[derive(Debug)]
pub(super) struct FunctionHost {
    port: u16,
    task: AbortHandle,
}

impl FunctionHost {
    /// Opens it.
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        Ok(Self { port, task: task.abort_handle() })
    }

    /// Where it is called.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for FunctionHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One call; whoever called and has gone gets no answer.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let called = Instant::now();
    let given: Value = serde_json::from_slice(&body(&mut stream).await?).unwrap_or(Value::Null);
    let csv = given.get("csv").and_then(Value::as_str).unwrap_or_default();
    let result = json!({"orders": csv.lines().skip(1).count()}).to_string();
    let ms = called.elapsed().as_secs_f64() * 1e3;
    let report =
        format!("REPORT RequestId: demo Duration: {ms:.2} ms Billed Duration: {:.0} ms\n", ms.ceil());
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\nx-amzn-requestid: demo\r\nx-amz-executed-version: 1\r\nx-amz-log-result: {}\r\n\
         content-length: {}\r\n\r\n{result}",
        STANDARD.encode(report),
        result.len()
    );
    stream.write_all(head.as_bytes()).await
}

/// The body of a request that says how long it is.
async fn body(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut stream = stream.take(REQUEST_MAX);
    let mut heard = Vec::new();
    loop {
        if let Some(end) = heard.windows(4).position(|part| part == b"\r\n\r\n") {
            let (head, body) = heard.split_at(end + 4);
            if body.len() >= length(head) {
                return Ok(body.to_vec());
            }
        }
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

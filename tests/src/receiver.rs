//! A receiver of webhooks on a port of its own, as well behaved as a test wants it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;

use crate::client::until;

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// 204.
    Takes,
    /// That status.
    Answers(u16),
    /// 500 to what is of that account, 204 to all else.
    Refuses(&'static str),
    /// 302 to there.
    Leads(String),
    /// Nothing, until the caller has gone.
    Hangs,
    /// 200 and a body without an end.
    NeverEnds,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `webhook-id`.
    pub id: String,
    timestamp: String,
    /// `webhook-signature`, one by one.
    pub signatures: Vec<String>,
    body: String,
}

impl Seen {
    /// The body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Where the event stands.
    pub fn position(&self) -> String {
        self.json()["position"].as_str().unwrap().to_owned()
    }

    /// Whether one of its signatures is of that secret.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let secret = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let text = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text.as_bytes());
        self.signatures.contains(&format!("v1,{}", STANDARD.encode(tag)))
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    how: Mutex<Option<How>>,
    sent: Mutex<u64>,
    connections: AtomicUsize,
    is_down: AtomicBool,
}

/// Listens until it is dropped.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
}

impl Receiver {
    /// On a free port.
    pub fn start() -> Receiver {
        Receiver::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Comes up on a port that nobody listened on.
    pub fn up(port: u16) -> Receiver {
        Receiver::on(TcpListener::bind(("127.0.0.1", port)).unwrap())
    }

    fn on(listener: TcpListener) -> Receiver {
        let (port, shared) = (listener.local_addr().unwrap().port(), Arc::<Shared>::default());
        let of = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of.is_down.load(Ordering::Acquire) {
                    return;
                }
                of.connections.fetch_add(1, Ordering::AcqRel);
                let of = Arc::clone(&of);
                // A caller that goes away is no failure of the test.
                std::thread::spawn(move || answer(&of, &stream.unwrap()).unwrap_or_default());
            }
        });
        Receiver { port, shared }
    }

    /// What a webhook is registered with.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// How it answers from now on.
    pub fn behaves(&self, how: How) {
        *self.shared.how.lock().unwrap() = Some(how);
    }

    /// The calls that came so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Waits until so many calls have come; all that have.
    pub fn until(&self, count: usize) -> Vec<Seen> {
        let seen = until(|| self.seen(), |seen| seen.len() >= count);
        assert!(seen.len() >= count, "{seen:#?}");
        seen
    }

    /// Who came at all, whatever became of it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Bytes of bodies that the system took.
    pub fn sent(&self) -> u64 {
        *self.shared.sent.lock().unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_down.store(true, Ordering::Release);
        // It wakes up and ends.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn answer(of: &Shared, stream: &TcpStream) -> std::io::Result<()> {
    let (mut reader, mut to) = (BufReader::new(stream), stream);
    let (mut seen, mut length) =
        (Seen { id: String::new(), timestamp: String::new(), signatures: Vec::new(), body: String::new() }, 0);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if !line.starts_with("POST /hook ") {
        return Ok(());
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "webhook-id" => seen.id = value.to_owned(),
            "webhook-timestamp" => seen.timestamp = value.to_owned(),
            "webhook-signature" => seen.signatures = value.split(' ').map(str::to_owned).collect(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    seen.body = String::from_utf8(body).unwrap();
    let how = match of.how.lock().unwrap().clone() {
        Some(How::Refuses(account)) if seen.json()["data"]["userId"] == account => How::Answers(500),
        Some(How::Refuses(_)) | None => How::Takes,
        Some(how) => how,
    };
    of.seen.lock().unwrap().push(seen);
    match how {
        How::Takes | How::Refuses(_) => to.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"),
        How::Answers(status) => write!(to, "HTTP/1.1 {status} So\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        How::Leads(to_there) => {
            write!(to, "HTTP/1.1 302 Found\r\nlocation: {to_there}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        How::Hangs => reader.read_to_end(&mut Vec::new()).map(drop),
        How::NeverEnds => {
            to.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            loop {
                to.write_all(&[b'x'; 1 << 16])?;
                *of.sent.lock().unwrap() += 1 << 16;
            }
        }
    }
}

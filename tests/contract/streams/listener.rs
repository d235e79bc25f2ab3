//! One stream as a client reads it, with nothing but a socket.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) channel: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Listener {
    lines: BufReader<TcpStream>,
    pub(crate) status: u16,
    /// The newest id, also one without a message.
    pub(crate) id: String,
}

impl Listener {
    /// Asks for the channels, behind that id if there is one, and reads the head of the answer.
    pub(crate) fn open(base: &str, channels: &str, last: Option<&str>) -> Listener {
        let host = base.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(host).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        write!(socket, "GET /v1/stream?channels={channels} HTTP/1.1\r\nHost: {host}\r\n{last}\r\n").unwrap();
        let mut listener = Listener { lines: BufReader::new(socket), status: 0, id: String::new() };
        let head = listener.raw().unwrap();
        listener.status = head.split(' ').nth(1).unwrap().parse().unwrap();
        while listener.raw().is_some_and(|line| !line.is_empty()) {}
        if listener.status == 200 {
            listener.block().unwrap();
        }
        listener
    }

    fn raw(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// A line of the body: those of its transfer's pieces are their lengths in hexadecimal, and an empty line after each.
    fn block(&mut self) -> Option<Vec<String>> {
        let mut block = Vec::new();
        loop {
            let line = self.raw()?;
            let is_field = line.contains(": ") || line.starts_with(':');
            if is_field {
                if let Some(id) = line.strip_prefix("id: ") {
                    self.id = id.to_owned();
                }
                block.push(line);
            } else if line.is_empty() && !block.is_empty() {
                return Some(block);
            } else if line == "0" {
                return None;
            }
        }
    }

    /// The next message; none once the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block()?;
            let field = |name: &str| block.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(channel), Some(data)) = (field("event: "), field("data: ")) {
                let data = serde_json::from_str(&data).unwrap();
                return Some(Event { channel, id: field("id: ").unwrap_or_default(), data });
            }
        }
    }

    /// The messages up to and with the first of which that is true.
    pub(crate) fn until(&mut self, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().unwrap();
            let done = is_last(&event);
            events.push(event);
            if done {
                return events;
            }
        }
    }

    /// So many messages.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next().unwrap()).collect()
    }

    /// Whether it ends with the server's last words, whatever comes before.
    pub(crate) fn ends(mut self) -> bool {
        let mut last = Vec::new();
        while let Some(block) = self.block() {
            last = block;
        }
        last.first().is_some_and(|line| line == ": the server is going down")
    }
}

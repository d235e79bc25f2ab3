//! A collector: takes what is sent to it as OTLP over HTTP in protobuf, or doesn't.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// What a collector does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes it.
    Takes,
    /// Reads it and never answers.
    Hangs,
    /// Answers 503.
    Refuses,
}

/// A collector at an address of its own, until the test ends.
pub(crate) struct Collector {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    pub(crate) fn start(mood: Mood) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::default();
        let taking = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if mood == Mood::Hangs {
                    open.push(stream);
                } else {
                    answer(stream, mood, &taking);
                }
            }
        });
        Collector { address, requests }
    }

    /// All that was taken.
    pub(crate) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.requests.lock().unwrap().clone()
    }
}

/// One request of a connection; what is wrong with it is seen in that nothing is taken.
fn answer(stream: TcpStream, mood: Mood, taken: &Mutex<Vec<ExportTraceServiceRequest>>) {
    let mut reader = BufReader::new(&stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        head.push(line.trim().to_lowercase());
    }
    let value = |name: &str| head.iter().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let length = value("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    let is_whole = reader.read_exact(&mut body).is_ok();
    let is_meant = head.first().is_some_and(|line| line.starts_with("post /v1/traces "))
        && value("content-type:").as_deref() == Some("application/x-protobuf");
    if let (true, true, Mood::Takes, Ok(request)) =
        (is_whole, is_meant, mood, ExportTraceServiceRequest::decode(&*body))
    {
        taken.lock().unwrap().push(request);
    }
    let status = if mood == Mood::Takes { "200 OK" } else { "503 Service Unavailable" };
    // It may have gone away.
    let _ = write!(&stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

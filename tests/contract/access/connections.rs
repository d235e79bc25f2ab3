//! Those who are slow, and those who only wait, keep nobody out.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use orderledger_tests::server::Home;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

fn connect(base: &str) -> TcpStream {
    TcpStream::connect(base.strip_prefix("http://").unwrap()).unwrap()
}

/// Sends the beginning at once and then one byte a second; how many of them until the server had enough, and what it said.
fn trickle(base: &str, beginning: &str) -> (usize, String) {
    let mut stream = connect(base);
    stream.write_all(beginning.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let (mut said, mut bytes) = (Vec::new(), [0; 4096]);
    for sent in 0..60 {
        if stream.write_all(b"a").is_err() {
            return (sent, String::from_utf8_lossy(&said).into_owned());
        }
        match stream.read(&mut bytes) {
            Ok(0) => return (sent, String::from_utf8_lossy(&said).into_owned()),
            Ok(read) => said.extend_from_slice(&bytes[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return (sent, String::from_utf8_lossy(&said).into_owned()),
        }
    }
    (60, String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_client_that_sends_one_byte_a_second_is_cut() {
    let home = Home::embedded();
    let server = home.serve();
    let base = server.client.base();
    let body = "POST /v1/accounts/u1/deposits HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
                Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    std::thread::scope(|scope| {
        let headers = scope.spawn(|| trickle(base, "GET /v1/markets HTTP/1.1\r\nHost: "));
        let body = scope.spawn(|| trickle(base, body));
        let (sent, said) = headers.join().unwrap();
        assert!(sent < 30 && said.is_empty(), "{sent} {said}");
        let (sent, said) = body.join().unwrap();
        assert!(sent < 30 && said.contains("408") && said.contains("request-timeout"), "{sent} {said}");
    });
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let wanted = maximum.map_or(10_000, |most| 10_000.min(most.saturating_sub(2_000)));
    let home = Home::embedded();
    let server = home.serve();
    let idle: Vec<TcpStream> = (0..wanted).map(|_| connect(server.client.base())).collect();
    // Some have begun to send and wait in the middle.
    for mut stream in idle.iter().step_by(10) {
        stream.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
    }
    server.client.deposit("u1", "USD", "5");
    assert_eq!(server.client.get("/v1/markets").status, 200);
    assert_eq!(idle.len(), usize::try_from(wanted).unwrap());
}

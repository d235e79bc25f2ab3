//! A broker from before idempotent producers: refused, with the version that is needed.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use orderledger_store::event_log::kafka::KafkaSettings;
use orderledger_tests::run;
use orderledger_tests::server::Home;

const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;
const UNSUPPORTED_VERSION: i16 = 35;
/// What Kafka 0.10 spoke, as far as it is asked here: call, oldest and newest version.
const SPOKEN: [[i16; 3]; 5] = [[0, 0, 2], [1, 0, 2], [2, 0, 0], [METADATA, 0, 1], [API_VERSIONS, 0, 0]];

/// Listens until the test ends, and answers as Kafka 0.10 did; the port.
fn old_broker() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that hangs up is no failure.
            std::thread::spawn(move || stream.and_then(|stream| answer_all(stream, port)));
        }
    });
    port
}

fn answer_all(mut stream: TcpStream, port: u16) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut request = vec![0; usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?];
        stream.read_exact(&mut request)?;
        let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
        let (call, version) = (number(0), number(2));
        let mut answer = request[4..8].to_vec();
        match call {
            API_VERSIONS => answer.extend(versions(version)),
            METADATA => answer.extend(metadata(port)),
            // A broker that doesn't know a call hangs up.
            _ => return Ok(()),
        }
        stream.write_all(&i32::try_from(answer.len()).map_err(io::Error::other)?.to_be_bytes())?;
        stream.write_all(&answer)?;
    }
}

/// A version that it doesn't know is answered in the oldest form.
fn versions(asked: i16) -> Vec<u8> {
    let error = if asked > 0 { UNSUPPORTED_VERSION } else { 0 };
    let mut answer = error.to_be_bytes().to_vec();
    answer.extend(5_i32.to_be_bytes());
    answer.extend(SPOKEN.concat().iter().flat_map(|number| number.to_be_bytes()));
    answer
}

/// Version 1: itself as the only broker and the controller, no topic.
fn metadata(port: u16) -> Vec<u8> {
    let host = "127.0.0.1";
    let mut answer = [1_i32, 1].map(i32::to_be_bytes).concat();
    answer.extend(i16::try_from(host.len()).unwrap().to_be_bytes());
    answer.extend(host.bytes());
    answer.extend(i32::from(port).to_be_bytes());
    answer.extend((-1_i16).to_be_bytes());
    answer.extend([1_i32, 0].map(i32::to_be_bytes).concat());
    answer
}

#[test]
fn brokers_that_are_too_old_are_refused_with_the_version_that_is_needed() {
    let brokers = format!("127.0.0.1:{}", old_broker());
    let needed = format!("the brokers at {brokers} are too old: Apache Kafka 0.11 or newer is needed");
    for command in ["check", "create"] {
        let output = run(&["topics", command, "--kafka-brokers", &brokers]).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{command}: {said}");
        assert!(said.contains(&needed), "{command}: {said}");
    }
    let home = Home::on(KafkaSettings { brokers, ..KafkaSettings::default() });
    let (code, said) = home.serve_refused(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&needed), "{said}");
}

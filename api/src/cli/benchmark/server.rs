//! The server that the benchmark starts for itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;

use super::client::Connection;
use super::ground::Ground;
use crate::cli::Failure;
use crate::cli::scratch::Scratch;

/// How long the server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(600);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Starts a server on a fresh data directory, this very program; its address and process.
pub(super) fn start(scratch: &Scratch, ground: &Ground) -> Result<(SocketAddr, u32), Failure> {
    let (log, environment) = ground.for_a_server();
    start_on(scratch, &ground.settings.data, &log, environment)
}

/// The same on a directory that is there already, with more options and perhaps a variable.
pub(super) fn start_on(
    scratch: &Scratch,
    data: &Path,
    log: &[String],
    environment: Option<(&'static str, String)>,
) -> Result<(SocketAddr, u32), Failure> {
    // Nobody else asks for a port that the system just gave.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["serve", "--listen", &address.to_string(), "--data"])
        .arg(data)
        .args(log)
        .args(["--view-growth", "0"])
        .envs(environment)
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let pid = child.id();
    scratch.adopt(child);
    Ok((address, pid))
}

/// Waits until the server is ready.
pub(super) async fn ready(scratch: &Scratch, address: SocketAddr) -> Result<(), Failure> {
    let begun = Instant::now();
    while begun.elapsed() < READY_WITHIN && scratch.children_run() {
        if let Ok(mut connection) = Connection::open(address).await
            && let Ok(answer) = connection.get("/readyz").await
            && answer.status == StatusCode::OK
        {
            return Ok(());
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Err(Failure::failed(format!("the server on {address} did not become ready; look at its messages above")))
}

/// How far the workers were behind, and how long until none was.
pub(super) struct Behind {
    /// Those that were behind at the first look: name and records.
    pub(super) at_first: Vec<(String, u64)>,
    /// How long until every stage and view was at the log's end; none if that took too long.
    pub(super) caught_up: Option<Duration>,
}

/// Waits until every stage and view is at the log's end, at most that long.
pub(super) async fn catch_up(connection: &mut Connection, within: Duration) -> Result<Behind, Failure> {
    let begun = Instant::now();
    let at_first = behind(connection).await?;
    let mut done = at_first.is_empty();
    while !done && begun.elapsed() < within {
        tokio::time::sleep(ASK_EVERY).await;
        done = behind(connection).await?.is_empty();
    }
    Ok(Behind { at_first, caught_up: done.then(|| begun.elapsed()) })
}

/// Those that are behind: name and records.
pub(super) async fn behind(connection: &mut Connection) -> Result<Vec<(String, u64)>, Failure> {
    let answer = connection.get("/v1/projections").await?;
    let status: Value = serde_json::from_slice(&answer.body).map_err(Failure::failed)?;
    let unknown = || Failure::failed("the server doesn't say how far its workers are behind");
    let mut behind = Vec::new();
    for list in ["data", "stages"] {
        for row in status.get(list).and_then(Value::as_array).ok_or_else(unknown)? {
            let lag = row.get("lagRecords").and_then(Value::as_u64).ok_or_else(unknown)?;
            let name = row.get("name").and_then(Value::as_str).ok_or_else(unknown)?;
            behind.extend((lag > 0).then(|| (name.to_owned(), lag)));
        }
    }
    Ok(behind)
}

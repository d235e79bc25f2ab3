//! The server that the benchmark starts for itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;

use super::client::Connection;
use crate::cli::Failure;
use crate::cli::scratch::Scratch;

/// How long the server may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Starts a server on a fresh data directory, this very program.
pub(super) fn start(scratch: &Scratch, data: &str) -> Result<SocketAddr, Failure> {
    // Nobody else asks for a port that the system just gave.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["serve", "--data", data, "--listen", &address.to_string()])
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    scratch.adopt(child);
    Ok(address)
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

/// Waits until every stage and view is at the log's end; how long it took, or none if it took longer than `within`.
pub(super) async fn caught_up(connection: &mut Connection, within: Duration) -> Result<Option<Duration>, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < within {
        let answer = connection.get("/v1/projections").await?;
        let status: Value = serde_json::from_slice(&answer.body).map_err(Failure::failed)?;
        let rows = ["data", "stages"].into_iter().filter_map(|list| status.get(list)?.as_array()).flatten();
        let lags: Vec<Option<u64>> = rows.map(|row| row.get("lagRecords")?.as_u64()).collect();
        if !lags.is_empty() && lags.iter().all(|lag| *lag == Some(0)) {
            return Ok(Some(begun.elapsed()));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(None)
}

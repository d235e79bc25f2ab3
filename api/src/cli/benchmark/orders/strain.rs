//! What faults and demanding callers do beside the load: a webhook that takes every call and never answers, exports of the whole day one after another, and an
//! inbox that is read again and again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::{Method, StatusCode};
use orderledger_domain::timestamp::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cli::Failure;
use crate::cli::benchmark::client::Connection;

/// How often the inbox is read.
const READ_EVERY: Duration = Duration::from_millis(100);

/// What it came to.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli::benchmark) struct Strain {
    /// Bytes of exports.
    pub(in crate::cli::benchmark) exported: u64,
    /// Deliveries that waited for the webhook when the load ended.
    pub(in crate::cli::benchmark) waiting: u64,
}

/// All of it, until it is done.
pub(super) async fn strain(address: SocketAddr, done: Arc<AtomicBool>) -> Result<Strain, Failure> {
    let hanging = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}/", hanging.local_addr()?);
    let hangs = tokio::spawn(hang(hanging));
    let mut connection = Connection::open(address).await?;
    let registered = connection.post("/v1/webhooks", &url, false, json!({ "url": url }).to_string()).await?;
    if registered.status != StatusCode::CREATED {
        let said = String::from_utf8_lossy(&registered.body).into_owned();
        return Err(Failure::failed(format!("the server doesn't take a webhook: {said}")));
    }
    let registered: Value = serde_json::from_slice(&registered.body).map_err(Failure::failed)?;
    let webhook = registered.get("webhookId").and_then(Value::as_str).unwrap_or_default();
    let webhook = format!("/v1/webhooks/{webhook}");
    let (exported, read) = tokio::join!(export(address, &done), read(address, &done));
    let standing = connection.get(&webhook).await?;
    let standing: Value = serde_json::from_slice(&standing.body).map_err(Failure::failed)?;
    let waiting = standing.get("waiting").and_then(Value::as_u64).unwrap_or(0);
    connection.write(Method::DELETE, &webhook, &format!("{url}-ends"), false, String::new()).await?;
    hangs.abort();
    read?;
    Ok(Strain { exported: exported?, waiting })
}

/// Takes every connection, and never says anything.
async fn hang(listener: TcpListener) {
    let mut taken = Vec::new();
    while let Ok((connection, _)) = listener.accept().await {
        taken.push(connection);
    }
}

async fn export(address: SocketAddr, done: &AtomicBool) -> Result<u64, Failure> {
    let today = Timestamp::from_micros(chrono::Utc::now().timestamp_micros()).day();
    let mut bytes = 0_u64;
    for kind in ["trades", "orders", "postings"].into_iter().cycle() {
        let path = format!("/v1/analytics/export/{kind}?day={today}");
        let mut body = Connection::open(address).await?.stream(&path).await?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(Failure::failed)?;
            bytes = bytes.saturating_add(frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(0)));
            if done.load(Ordering::Relaxed) {
                return Ok(bytes);
            }
        }
    }
    Ok(bytes)
}

async fn read(address: SocketAddr, done: &AtomicBool) -> Result<(), Failure> {
    let mut connection = Connection::open(address).await?;
    while !done.load(Ordering::Relaxed) {
        tokio::time::sleep(READ_EVERY).await;
        connection.get("/v1/accounts/u0/notifications?limit=100").await?;
    }
    Ok(())
}

//! A server whose projections refuse what a file says.

use orderledger_tests::client::Client;
use orderledger_tests::server::{Home, Server};
use serde_json::Value;

/// A home and its file of poison.
pub(crate) struct Ground {
    home: Home,
    poison: tempfile::NamedTempFile,
}

impl Ground {
    pub(crate) fn new() -> Ground {
        Ground { home: Home::new(), poison: tempfile::NamedTempFile::new().unwrap() }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// From now on these records are refused, and no others; `settlement:orders-3@17` each.
    pub(crate) fn poison(&self, entries: &[String]) {
        std::fs::write(self.poison.path(), entries.join("\n")).unwrap();
    }

    pub(crate) fn serve(&self) -> Server<'_> {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&self, arguments: &[&str]) -> Server<'_> {
        let poison = self.poison.path().to_str().unwrap();
        let mut server = self.home.start_faulty(arguments, &[("ORDERLEDGER_POISON_FILE", poison)]);
        server.wait_until_ready();
        server
    }
}

/// Where the next record of the user's partition will stand, given the newest position in it.
pub(crate) fn after(position: &Value, records: u64) -> String {
    let (of, offset) = position.as_str().unwrap().split_once('@').unwrap();
    format!("{of}@{}", offset.parse::<u64>().unwrap() + records)
}

/// What `/v1/parked` says of an entity; null if it is not parked.
pub(crate) fn parked(client: &Client, entity: &str) -> Value {
    let rows = client.get("/v1/parked?limit=1000").expect(200)["data"].clone();
    rows.as_array().unwrap().iter().find(|row| row["entity"] == entity).cloned().unwrap_or_default()
}

/// The row of a projection in `/v1/projections`.
pub(crate) fn projection(client: &Client, name: &str) -> Value {
    let rows = client.get("/v1/projections").expect(200)["data"].clone();
    rows.as_array().unwrap().iter().find(|row| row["name"] == name).cloned().unwrap_or_default()
}

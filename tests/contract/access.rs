//! Who may: roles, credentials, limits, and what a caller can learn of others.

mod connections;
mod credentials;
mod limits;
mod matrix;
mod operating;
mod tls;

use std::path::Path;

use orderledger_tests::client::{Answer, Client, Request};
use tempfile::TempDir;

/// A file of API keys.
struct Keys {
    directory: TempDir,
    path: String,
}

impl Keys {
    fn new() -> Keys {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml").to_str().unwrap().to_owned();
        Keys { directory, path }
    }

    /// Where other files can lie.
    fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs `orderledger keys` on the file; what it printed.
    fn run(&self, arguments: &[&str]) -> String {
        let arguments = [&["keys"], arguments, &["--auth-keys", &self.path]].concat();
        let output = orderledger_tests::run(&arguments).unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Makes a key.
    fn create(&self, arguments: &[&str]) -> String {
        self.run(&[&["create"], arguments].concat())
    }

    /// The id of the key made last.
    fn last_id(&self) -> String {
        self.run(&["list"]).lines().last().unwrap().split(' ').next().unwrap().to_owned()
    }

    /// Revokes the key made last.
    fn revoke_last(&self) {
        self.run(&["revoke", &self.last_id()]);
    }
}

/// A request with that credential.
fn with<'a>(request: Request<'a>, credential: &str) -> Request<'a> {
    request.header("authorization", format!("Bearer {credential}"))
}

/// Reads with that credential.
fn get(client: &Client, path: &str, credential: &str) -> Answer {
    with(client.request("GET", path), credential).send()
}

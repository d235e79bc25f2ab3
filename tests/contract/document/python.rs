//! Programs made by others that read the document: a generated client, and Schemathesis.
//!
//! `ORDERLEDGER_CONTRACT_PYTHON` names a Python that has both (`./contract-python`); without it these are skipped.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderledger_tests::server::Home;
use serde_json::json;

/// The Python, if there is one.
pub(crate) fn python(what: &str) -> Option<PathBuf> {
    let found = std::env::var_os("ORDERLEDGER_CONTRACT_PYTHON").map(PathBuf::from);
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {what}: ORDERLEDGER_CONTRACT_PYTHON names no Python (./contract-python)"
        );
    }
    found
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contract")
}

fn run(command: &mut Command) -> String {
    let output = command.env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_generated_client_places_an_order_and_reads_its_history() {
    let Some(python) = python("the generated client") else { return };
    let home = Home::embedded();
    let server = home.serve();
    let dir = tempfile::tempdir().unwrap();
    let document = dir.path().join("openapi.json");
    std::fs::write(&document, server.client.get("/openapi.json").body).unwrap();
    let mut generate = Command::new(python.with_file_name("openapi-python-client"));
    generate.args(["generate", "--meta", "none", "--path"]).arg(&document).arg("--output-path");
    run(generate.arg(dir.path().join("ledger_client")).arg("--config").arg(here().join("document/client.yaml")));
    let script = here().join("document/client.py");
    let said = run(Command::new(&python).arg(script).arg(server.client.base()).env("PYTHONPATH", dir.path()));
    assert!(said.contains("OrderAccepted"), "{said}");
}

#[test]
fn schemathesis_finds_nothing() {
    let Some(python) = python("Schemathesis") else { return };
    let home = Home::embedded();
    let server = home.serve_with(&["--partitions", "2"]);
    for user in ["ann", "bob"] {
        server.client.deposit(user, "USD", "1000000");
        server.client.deposit(user, "AAPL", "1000");
    }
    server.client.order("ann", "sell", "AAPL", 10, "150.25");
    let bought = server.client.order("bob", "buy", "AAPL", 4, "150.25");
    server.client.get_at("/v1/markets/AAPL/trades", &json!(bought["position"]));
    let is_long = std::env::var_os("ORDERLEDGER_LONG").is_some();
    let mut check = Command::new(python.with_file_name("schemathesis"));
    // It keeps what it found where it runs.
    let dir = tempfile::tempdir().unwrap();
    check.current_dir(dir.path()).arg("--config-file").arg(here().join("schemathesis/schemathesis.toml")).arg("run");
    check.arg(format!("{}/openapi.json", server.client.base()));
    check.args(["--max-examples", if is_long { "200" } else { "3" }, "--no-color"]);
    check.args(["--phases", if is_long { "examples,coverage,fuzzing,stateful" } else { "examples,coverage" }]);
    run(&mut check);
    server.client.get("/readyz").expect(200);
    server.stop();
    home.verify();
}

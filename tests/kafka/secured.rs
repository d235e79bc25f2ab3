//! TLS and SASL by the configuration file alone; wrong credentials and certificates are named, and never shown.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use orderledger_store::event_log::kafka::KafkaSettings;
use orderledger_tests::kafka::{Broker, Listener, PASSWORD, Setup, USER, certificate};
use orderledger_tests::run;
use orderledger_tests::server::Home;

use crate::away::until_readyz_says;

const WRONG_PASSWORD: &str = "not-hers";

fn broker() -> Option<Broker> {
    let listeners = [Listener::Ssl, Listener::SaslPlaintext, Listener::SaslSsl];
    listeners.into_iter().fold(Setup::default(), Setup::listen).start().unwrap()
}

/// A configuration file that names the cluster and how to get in.
fn file(dir: &Path, broker: &Broker, listener: Listener, mechanism: &str, password: &str, authority: &Path) -> PathBuf {
    let brokers = broker.address(listener).unwrap();
    let protocol = listener.as_str().to_lowercase();
    let mut text = format!("kafka_brokers = \"{brokers}\"\n[kafka]\n\"security.protocol\" = \"{protocol}\"\n");
    if matches!(listener, Listener::SaslPlaintext | Listener::SaslSsl) {
        text +=
            &format!("sasl.mechanism = \"{mechanism}\"\nsasl.username = \"{USER}\"\nsasl.password = \"{password}\"\n");
    }
    if matches!(listener, Listener::Ssl | Listener::SaslSsl) {
        text += &format!("ssl.ca.location = \"{}\"\n", authority.display());
    }
    let path = dir.join("secured.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn topics(command: &str, file: &Path) -> (Output, String) {
    let output = run(&["topics", command, "--config", file.to_str().unwrap()]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains(PASSWORD) && !said.contains(WRONG_PASSWORD), "{said}");
    (output, said)
}

#[test]
fn every_way_in_is_opened_by_the_file() {
    let Some(broker) = broker() else { return };
    let dir = tempfile::tempdir().unwrap();
    let authority = broker.certificate();
    for (listener, mechanism) in [
        (Listener::Ssl, ""),
        (Listener::SaslPlaintext, "PLAIN"),
        (Listener::SaslPlaintext, "SCRAM-SHA-256"),
        (Listener::SaslSsl, "PLAIN"),
        (Listener::SaslSsl, "SCRAM-SHA-256"),
    ] {
        let file = file(dir.path(), &broker, listener, mechanism, PASSWORD, &authority);
        let (output, said) = topics("create", &file);
        assert_eq!(output.status.code(), Some(0), "{listener:?} {mechanism}: {said}");
    }
    let file = file(dir.path(), &broker, Listener::SaslSsl, "SCRAM-SHA-256", PASSWORD, &authority);
    let brokers = broker.address(Listener::SaslSsl).unwrap();
    let home = Home::on(KafkaSettings { brokers, ..KafkaSettings::default() });
    let server = home.serve_with(&["--config", file.to_str().unwrap()]);
    let order = server.client.deposit("u", "USD", "1000");
    assert_eq!(server.client.balances("u", &order)["USD"], ["1000", "1000", "0"]);
    server.stop();
}

#[test]
fn the_wrong_password_and_the_wrong_certificate_are_named() {
    let Some(broker) = broker() else { return };
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, stranger) = (broker.certificate(), certificate(other.path()).unwrap());
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let file = file(dir.path(), &broker, Listener::SaslSsl, mechanism, WRONG_PASSWORD, &authority);
        let (output, said) = topics("check", &file);
        assert_eq!(output.status.code(), Some(1), "{mechanism}: {said}");
        assert!(said.contains("refuse the credentials"), "{mechanism}: {said}");
        let brokers = broker.address(Listener::SaslSsl).unwrap();
        let home = Home::on(KafkaSettings { brokers, ..KafkaSettings::default() });
        let server = home.start(&["--config", file.to_str().unwrap()]);
        let said = until_readyz_says(&server, "log-unreachable");
        assert!(said.contains("refuse the credentials") && !said.contains(WRONG_PASSWORD), "{said}");
        server.stop();
    }
    for (listener, authority) in [(Listener::Ssl, &stranger), (Listener::SaslSsl, &stranger)] {
        let file = file(dir.path(), &broker, listener, "PLAIN", PASSWORD, authority);
        let (output, said) = topics("check", &file);
        assert_eq!(output.status.code(), Some(1), "{listener:?}: {said}");
        assert!(said.contains("certificate verify failed"), "{listener:?}: {said}");
    }
}

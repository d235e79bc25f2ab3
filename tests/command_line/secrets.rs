//! Secrets: nothing shows one, and a file with one that every user of the machine may read is refused.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Place, said};

const SECRET: &str = "hunter2hunter2";

#[test]
fn nothing_shows_a_secret() {
    let file = format!(
        "api_key = \"{SECRET}\"\nauth_jwks = \"https://ann:{SECRET}@login.example.com/keys\"\n[kafka]\nsasl.password = \"{SECRET}\"\n"
    );
    let place = Place::with(&file);
    let variables = [("ORDERLEDGER_KAFKA_PROPERTIES", "ssl.key.password=hunter2hunter2")];
    for command in [&["config", "show"][..], &["config", "show", "--json"], &["doctor"], &["status", "--help"]] {
        for variables in [&variables[..], &[variables[0], ("ORDERLEDGER_API_KEY", SECRET)]] {
            let output = place.run(command, variables);
            let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
            assert!(!printed.is_empty() && !printed.contains(SECRET), "{command:?}: {printed}");
        }
    }
    let shown = place.json(&["config", "show", "--json"], &variables);
    let hidden = |option: &str| {
        shown["options"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["option"] == option && row["hidden"] == true && row["value"].is_null())
    };
    assert!(["api_key", "kafka.sasl.password", "kafka.ssl.key.password"].into_iter().all(hidden), "{shown}");
}

#[test]
fn a_configuration_with_a_secret_that_everybody_may_read_is_refused() {
    for (secret, named) in [
        ("api_key = \"x\"", "api_key"),
        ("auth_jwks = \"https://ann:x@login.example.com/keys\"", "auth_jwks"),
        ("otlp_endpoint = \"http://ann:x@127.0.0.1:4318\"", "otlp_endpoint"),
        ("server = \"https://ann:x@127.0.0.1:1\"", "server"),
        ("[kafka]\nsasl.password = \"x\"", "[kafka] sasl.password"),
        // No property that is known: a mistyped one of a password.
        ("[kafka]\nsasl.pasword = \"x\"", "[kafka] sasl.pasword"),
    ] {
        let place = Place::new();
        place.write("orderledger.toml", secret, 0o644);
        let said = place.refused(&["status"], &[]);
        assert!(said.contains(&format!("orderledger.toml: it holds {named}")) && said.contains("chmod 600"), "{said}");
        // To its owner, or to a group of the operator's, it is right.
        for mode in [0o600, 0o640] {
            place.write("orderledger.toml", secret, mode);
            assert!(place.run(&["config", "show"], &[]).status.success(), "{mode:o}");
        }
    }
    let place = Place::new();
    let plain =
        "listen = \"127.0.0.1:1\"\nauth_jwks = \"https://login.example.com/keys\"\n[kafka]\nsasl.username = \"ann\"\n";
    place.write("orderledger.toml", plain, 0o644);
    assert!(place.run(&["config", "show"], &[]).status.success(), "it holds no secret");
}

#[test]
fn a_file_that_everybody_may_read_is_refused_for_every_value_that_is_not_shown() {
    let example = include_str!("../../docs/orderledger.example.toml");
    let example =
        example.replace("https://login.example.com/.well-known", "https://ann:x@login.example.com/.well-known");
    let place = Place::with(&example);
    let shown = place.json(&["config", "show", "--json"], &[]);
    place.write("orderledger.toml", &example, 0o644);
    let said = place.refused(&["config", "show"], &[]);
    let rows = shown["options"].as_array().unwrap();
    let not_whole = |row: &&Value| row["source"] == "file" && (row["hidden"] == true || row["option"] == "auth_jwks");
    let names = rows.iter().filter(not_whole).map(|row| row["option"].as_str().unwrap().replace("kafka.", "[kafka] "));
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let (_, named) = said.split_once("it holds ").unwrap();
    let named: BTreeSet<String> = named.split(',').next().unwrap().split(" and ").map(str::to_owned).collect();
    assert_eq!(named, names);
}

#[test]
fn a_key_file_that_everybody_may_read_is_refused() {
    let place = Place::new();
    place.write("stream.key", &"1".repeat(32), 0o604);
    place.write("hooks.key", &"1".repeat(64), 0o644);
    place.write("tls.key", "no key", 0o644);
    place.write("tls.pem", "no certificate", 0o644);
    for (options, file, named) in [
        (&["--stream-key-file", "stream.key"][..], "stream.key", "--stream-key-file"),
        (&["--webhooks-key-file", "hooks.key"], "hooks.key", "--webhooks-key-file"),
        (&["--tls-cert", "tls.pem", "--tls-key", "tls.key"], "tls.key", "--tls-key"),
    ] {
        let said = place.refused(&[&["serve"], options].concat(), &[]);
        assert!(said.contains(&format!("{file}: every user of this machine")) && said.contains(named), "{said}");
        assert!(said.contains(&format!("chmod 600 {file}")), "{said}");
    }
    // Nobody but its owner: read, and refused for what it is.
    place.write("tls.key", "no key", 0o600);
    let said = place.refused(&["serve", "--tls-cert", "tls.pem", "--tls-key", "tls.key"], &[]);
    assert!(said.contains("it holds no certificate"), "{said}");
}

#[test]
fn a_key_for_kafka_that_everybody_may_read_is_refused_wherever_it_is_named() {
    let place = Place::new();
    place.write("client.key", "no key", 0o644);
    for name in ["ssl.key.location", "ssl.keystore.location"] {
        let pair = format!("{name}=client.key");
        place.write("orderledger.toml", &format!("log = \"kafka\"\n[kafka]\n{name} = \"client.key\"\n"), 0o600);
        let by_file = place.refused(&["serve"], &[]);
        place.write("orderledger.toml", "log = \"kafka\"\n", 0o600);
        let by_variable = place.refused(&["topics", "check"], &[("ORDERLEDGER_KAFKA_PROPERTIES", &pair)]);
        let by_option = place.refused(&["log", "dump", "--kafka-property", &pair], &[]);
        for (said, from) in
            [(by_file, "[kafka]"), (by_variable, "ORDERLEDGER_KAFKA_PROPERTIES"), (by_option, "--kafka-property")]
        {
            let expected =
                format!("client.key: every user of this machine may use the secret that {from} {name} names");
            assert!(said.contains(&expected) && said.contains("chmod 600 client.key"), "{said}");
        }
    }
    // Its owner alone may: read, and refused for what it is.
    place.write("client.key", "no key", 0o600);
    let ssl = ["--kafka-property", "security.protocol=ssl", "--kafka-property", "ssl.key.location=client.key"];
    let refused = said(&place.run(&[&["topics", "check"], &ssl[..]].concat(), &[]));
    assert!(!refused.contains("every user") && refused.contains("ssl.key.location failed"), "{refused}");
}

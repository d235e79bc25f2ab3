//! `doctor` says what a server would find, and ends as one would.

use std::process::Command;

use orderledger_tests::disk::SmallDisk;
use orderledger_tests::server::Home;
use serde_json::Value;

use crate::{Place, said};

/// What one line says, and how it ends.
fn examined(place: &Place, options: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, Value) {
    let output = place.run(&[&["doctor", "--json"], options].concat(), variables);
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (output.status.code(), found)
}

fn line(found: &Value, check: &str) -> [String; 2] {
    let lines = found["checks"].as_array().unwrap();
    let line = lines.iter().find(|line| line["check"] == check).unwrap_or_else(|| panic!("no {check}: {found}"));
    let to_do = line["whatToDo"].as_str().unwrap_or_default();
    [line["state"].as_str().unwrap().to_owned(), format!("{}; {to_do}", line["detail"].as_str().unwrap())]
}

#[test]
fn a_machine_that_is_fine_is_told_so() {
    let home = Home::embedded();
    let data = home.data();
    let options = ["--data", data.to_str().unwrap(), "--server", "http://127.0.0.1:1"];
    let (code, found) = examined(&Place::new(), &options, &[]);
    assert_eq!(code, Some(0), "{found}");
    for check in [
        "version",
        "configuration",
        "stream key",
        "data directory",
        "disk",
        "open files",
        "scheduling",
        "server",
        "clock",
    ] {
        // Whether this machine's clock is set and its limits are wide is the machine's business.
        assert_ne!(line(&found, check)[0], "failed", "{check}: {found}");
    }
    // The program has the rights of who starts it.
    let goes_last = line(&found, "scheduling")[1].contains("what they leave of the cores");
    assert_eq!(goes_last, orderledger_store::can_go_last(), "{found}");
    let server = home.serve();
    let options = ["--data", data.to_str().unwrap(), "--server", server.client.base()];
    let (code, found) = examined(&Place::new(), &options, &[]);
    assert_eq!(code, Some(0), "{found}");
    assert!(line(&found, "data directory")[1].contains("is in use"), "{found}");
    assert!(line(&found, "server")[1].contains("is ready"), "{found}");
    server.stop();
    let output = Place::new().run(&["doctor", "--data", data.to_str().unwrap()], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let fits = |line: &str| ["ok  ", "warning  ", "failed  "].iter().any(|state| line.starts_with(state));
    assert!(text.lines().count() >= 8 && text.lines().all(fits), "{text}");
}

#[test]
fn what_is_wrong_is_told_and_ends_as_a_start_would() {
    let home = Home::embedded();
    home.serve_with(&["--partitions", "3"]).stop();
    let data = home.data();
    let data = data.to_str().unwrap();
    let place = Place::new();
    // Refused at a start: exit code 3.
    let (code, found) = examined(&place, &["--data", data, "--partitions", "5"], &[]);
    let [state, words] = line(&found, "data directory");
    assert_eq!((code, state.as_str()), (Some(3), "failed"), "{found}");
    assert!(words.contains("it has 3 partitions"), "{words}");
    let foreign = place.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "mine").unwrap();
    assert_eq!(examined(&place, &["--data", "foreign"], &[]).0, Some(3));
    // Another reason: exit code 1.
    place.write("stream.key", &"1".repeat(32), 0o644);
    let (code, found) = examined(&place, &["--data", data, "--stream-key-file", "stream.key"], &[]);
    assert_eq!((code, line(&found, "stream key")[0].as_str()), (Some(1), "failed"), "{found}");
    let away = ["--data", data, "--log", "kafka", "--kafka-brokers", "127.0.0.1:1"];
    let (_, found) = examined(&place, &away, &[]);
    assert!(line(&found, "brokers")[1].contains("no Kafka broker answers at 127.0.0.1:1; start it"), "{found}");
    assert!(line(&found, "data directory")[1].contains("it belongs to the embedded log"), "{found}");
    // Only a warning: exit code 0.
    let (code, found) = examined(&place, &["--data", data], &[("ORDERLEDGER_LISTN", "127.0.0.1:1")]);
    let [state, words] = line(&found, "environment");
    assert_eq!((code, state.as_str()), (Some(0), "warning"), "{found}");
    assert!(words.contains("ORDERLEDGER_LISTN") && words.contains("ORDERLEDGER_LISTEN"), "{words}");
}

#[test]
fn what_keeps_a_start_from_letting_anybody_in_is_told_wherever_it_is_configured() {
    let place = Place::new();
    place.write("tls.pem", "no certificate", 0o644);
    place.write("open.key", "no key", 0o644);
    place.write("closed.key", "no key", 0o600);
    place.write("hooks.key", "too short", 0o600);
    place.write("keys.toml", "not = [", 0o600);
    place.write("set.json", "{}", 0o644);
    for (check, configured, words) in [
        ("TLS", &[("tls_cert", "tls.pem"), ("tls_key", "open.key")][..], "chmod 600 open.key"),
        ("TLS", &[("tls_cert", "tls.pem"), ("tls_key", "closed.key")], "tls.pem: it holds no certificate"),
        ("TLS", &[("tls_key", "closed.key")], "--tls-cert and --tls-key belong together"),
        ("webhooks key", &[("webhooks_key_file", "open.key")], "chmod 600 open.key"),
        ("webhooks key", &[("webhooks_key_file", "hooks.key")], "make one with: openssl rand -hex 32"),
        ("API keys", &[("auth_keys", "missing.toml")], "missing.toml: can't be read"),
        ("API keys", &[("auth_keys", "keys.toml")], "`orderledger keys create --auth-keys FILE --role ROLE` makes"),
        ("tokens", &[("auth_jwks", "set.json"), ("auth_audience", "ledger")], "set.json: neither a JWK set nor a PEM"),
        ("tokens", &[("auth_jwks", "https://login.example.com/keys")], "--auth-jwks needs --auth-audience"),
        ("limits", &[("rate_burst", "7")], "--rate-burst needs --rate-limit"),
        ("address", &[("listen", "0.0.0.0:1")], "configure authentication"),
    ] {
        let file: String = configured.iter().map(|(key, value)| format!("{key} = \"{value}\"\n")).collect();
        let variables: Vec<(String, &str)> =
            configured.iter().map(|(key, value)| (format!("ORDERLEDGER_{}", key.to_uppercase()), *value)).collect();
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let flags: Vec<String> =
            configured.iter().map(|(key, value)| format!("--{}={value}", key.replace('_', "-"))).collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        for (file, variables, flags) in
            [(file.as_str(), &[][..], &[][..]), ("", &variables[..], &[][..]), ("", &[][..], &flags[..])]
        {
            place.write("orderledger.toml", file, 0o600);
            let started = place.run(&[&["serve"], flags].concat(), variables);
            assert!(said(&started).contains(words), "{configured:?}: {}", said(&started));
            let (code, found) = examined(&place, &[&["--server", "http://127.0.0.1:1"], flags].concat(), variables);
            let [state, told] = line(&found, check);
            assert_eq!((state.as_str(), told.contains(words)), ("failed", true), "{configured:?}: {told}");
            let expected = if started.status.code() == Some(3) { 3 } else { 1 };
            assert_eq!(code, Some(expected), "{configured:?}: {found}");
        }
    }
}

#[test]
fn files_that_a_start_takes_are_told_to_be_right() {
    let place = Place::new();
    place.write("hooks.key", &"1".repeat(64), 0o600);
    place.json(&["keys", "create", "--json", "--auth-keys", "keys.toml", "--role", "operator"], &[]);
    let configured = "auth_keys = \"keys.toml\"\nwebhooks_key_file = \"hooks.key\"\nrate_limit = \"9/s\"\n\
                      auth_jwks = \"https://login.example.com/keys\"\nauth_audience = \"ledger\"\n";
    place.write("orderledger.toml", configured, 0o600);
    let (code, found) = examined(&place, &["--server", "http://127.0.0.1:1"], &[]);
    assert_eq!(code, Some(0), "{found}");
    for check in ["address", "API keys", "tokens", "limits", "webhooks key"] {
        assert_eq!(line(&found, check)[0], "ok", "{check}: {found}");
    }
    // Nothing is said of what isn't configured.
    assert!(found["checks"].as_array().unwrap().iter().all(|line| line["check"] != "TLS"), "{found}");
}

/// What a doctor that such a command runs says of that check.
fn line_of(mut doctor: Command, check: &str) -> (Option<i32>, [String; 2]) {
    let output = doctor.output().unwrap();
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    (output.status.code(), line(&found, check))
}

#[test]
fn a_disk_without_room_for_a_rebuild_is_told_before_it_is_full() {
    let Some(disk) = SmallDisk::new(4).unwrap() else { return };
    let data = disk.path().join("data");
    let of_disk = || {
        let mut doctor = disk.command(orderledger_tests::program());
        doctor.args(["doctor", "--json", "--server", "http://127.0.0.1:1", "--data"]).arg(&data);
        line_of(doctor, "disk")
    };
    let (code, [state, words]) = of_disk();
    assert_eq!((code, state.as_str()), (Some(0), "ok"), "{words}");
    // There is room, but not for all of the views once more.
    let views = "mkdir -p \"$0/views\" && head -c 2500K /dev/zero > \"$0/views/rows\"";
    assert!(disk.command("sh").args(["-c", views]).arg(&data).status().unwrap().success());
    let [state, words] = of_disk().1;
    assert_eq!(state, "warning", "{words}");
    assert!(words.contains("not enough to rebuild them all; make room"), "{words}");
    assert!(disk.command("rm").arg("-r").arg(&data).status().unwrap().success());
    disk.fill(64).unwrap();
    let (code, [state, words]) = of_disk();
    assert_eq!((code, state.as_str()), (Some(1), "failed"), "{words}");
    assert!(words.contains("no view can be rebuilt") && words.contains("make room"), "{words}");
}

#[test]
fn a_low_limit_of_open_files_is_told_with_what_it_costs() {
    let place = Place::new();
    let mut doctor = Command::new("sh");
    doctor.args(["-c", "ulimit -n 100 && exec \"$0\" \"$@\""]).arg(orderledger_tests::program());
    doctor.args(["doctor", "--json", "--server", "http://127.0.0.1:1", "--data"]).arg(place.path().join("data"));
    let (code, [state, words]) = line_of(doctor, "open files");
    assert_eq!((code, state.as_str()), (Some(0), "warning"), "{words}");
    assert!(words.contains("only 100 may be open at once") && words.contains("LimitNOFILE="), "{words}");
}

//! What is delivered with the program names only commands, options and variables that it has: the unit, the container, the compose file,
//! the package. What a tool of the system checks is skipped, with words, where that tool isn't there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use orderledger_tests::checkout;
use orderledger_tests::server::Home;
use serde_json::Value;

use crate::{Place, said};

/// Everything in it that names a command, an option or a variable of the program.
const DELIVERED: [&str; 6] = [
    "ops/systemd/orderledger.service",
    "ops/container/Containerfile",
    "ops/compose/compose.yaml",
    "ops/compose/prepare",
    "ops/deb/build",
    "ops/deb/orderledger.default",
];

fn text(path: &str) -> String {
    std::fs::read_to_string(checkout().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn skipped(what: &str) {
    // Nobody reads it if stderr is gone.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}

/// The command lines of the program that stand in a file, without the program's name.
fn command_lines(path: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text(path).lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(command) = line.strip_prefix("ExecStart=/usr/bin/orderledger ") {
            found.push(command.split(' ').map(str::to_owned).collect());
        }
        // Lists of the container's and the compose file's commands are JSON.
        let list = line.find('[').and_then(|at| serde_json::from_str::<Vec<String>>(line.get(at..)?).ok());
        let is_command = ["command:", "test:", "CMD", "HEALTHCHECK"].iter().any(|begin| line.starts_with(begin));
        let Some(list) = list.filter(|_| is_command) else { continue };
        let list: Vec<String> = list.into_iter().filter(|word| word != "CMD").collect();
        match list.iter().position(|word| word == "orderledger") {
            Some(at) => found.push(list[at + 1..].to_vec()),
            None if list.iter().all(|word| !word.contains('/') && !word.starts_with("--config.file"))
                || list[0] == "serve" =>
            {
                found.push(list)
            }
            None => {}
        }
    }
    found
}

/// Names of variables in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let names = text.split(|letter: char| !letter.is_ascii_uppercase() && !letter.is_ascii_digit() && letter != '_');
    names.filter(|name| name.starts_with("ORDERLEDGER_")).map(str::to_owned).collect()
}

#[test]
fn what_is_delivered_names_only_what_the_program_has() {
    let place = Place::new();
    let mut commands = 0;
    for path in DELIVERED {
        for line in command_lines(path) {
            let mut arguments: Vec<&str> = line.iter().map(String::as_str).collect();
            // The configuration is the machine's, not this test's.
            arguments.retain(|word| !word.starts_with("/etc/orderledger") && *word != "--config");
            arguments.push("--help");
            let output = place.run(&arguments, &[]);
            assert!(output.status.success(), "{path}: {arguments:?}: {}", said(&output));
            commands += 1;
        }
    }
    assert!(commands >= 6, "only {commands} command lines were found");
    let shown = place.json(&["config", "show", "--json"], &[]);
    let options = shown["options"].as_array().unwrap().iter();
    let mut known: BTreeSet<String> =
        options.map(|row| format!("ORDERLEDGER_{}", row["option"].as_str().unwrap().to_uppercase())).collect();
    // The second is the scripts' own.
    known.extend(["ORDERLEDGER_KAFKA_PROPERTIES", "ORDERLEDGER_BIN"].map(str::to_owned));
    for path in DELIVERED {
        let unknown: Vec<String> = variables(&text(path)).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{path} names {unknown:?}, which the program doesn't know");
    }
}

#[test]
fn the_package_s_configuration_is_one_that_the_program_takes() {
    let place = Place::with(&text("ops/deb/orderledger.toml"));
    place.json(&["config", "show", "--json"], &[]);
    let refused = Place::with(&(text("ops/deb/orderledger.toml") + "\nlisten_to = \"x\"\n"));
    refused.refused(&["config", "show"], &[]);
}

/// Runs a tool of the system; none if it isn't there.
fn tool(name: &str, arguments: &[&str]) -> Option<std::process::Output> {
    let output = Command::new(name).args(arguments).output();
    if output.is_err() {
        skipped(&format!("{name} {}: it isn't there", arguments.join(" ")));
    }
    output.ok()
}

/// The unit with a program that is there, and without the page that is not.
fn unit(place: &Place) -> PathBuf {
    let program = orderledger_tests::program();
    let unit = text("ops/systemd/orderledger.service").replace("/usr/bin/orderledger", program.to_str().unwrap());
    let path = place.path().join("orderledger.service");
    let lines = unit.lines().filter(|line| !line.starts_with("Documentation="));
    std::fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

#[test]
fn the_unit_is_one_and_exposes_little() {
    let place = Place::new();
    let path = unit(&place);
    let Some(verified) = tool("systemd-analyze", &["verify", path.to_str().unwrap()]) else { return };
    assert!(verified.status.success() && verified.stderr.is_empty(), "{}", said(&verified));
    let security = ["security", "--offline=true", "--threshold=15", "--no-pager", path.to_str().unwrap()];
    let Some(secure) = tool("systemd-analyze", &security) else { return };
    let shown = String::from_utf8_lossy(&secure.stdout);
    assert!(secure.status.success(), "{shown}{}", said(&secure));
    // A directive that systemd doesn't know is only a warning.
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + "\nProtectEverything=yes\n").unwrap();
    let Some(unknown) = tool("systemd-analyze", &["verify", path.to_str().unwrap()]) else { return };
    assert!(said(&unknown).contains("ProtectEverything"), "{}", said(&unknown));
}

#[test]
fn the_promtool_of_this_machine_is_taken_where_the_pinned_one_cannot_be_had() {
    let place = Place::new();
    let fetch = || {
        let tools = format!("{}:/usr/bin:/bin", place.path().display());
        let mut script = Command::new(checkout().join("ops/prometheus/fetch"));
        script.env("PATH", tools).env("ORDERLEDGER_CACHE", place.path().join("cache")).output().unwrap()
    };
    // A system whose packages have another version.
    place.write("dpkg-deb", "#!/bin/sh\n", 0o755);
    place.write("apt-get", "#!/bin/sh\necho 'E: Version was not found' >&2\nexit 100\n", 0o755);
    if Path::new("/usr/bin/promtool").exists() {
        skipped("a machine without promtool: this one has it");
    } else {
        let without = fetch();
        assert_eq!(without.status.code(), Some(1));
        assert!(said(&without).contains("no promtool on PATH") && said(&without).contains("not found"), "{without:?}");
    }
    place.write("promtool", "#!/bin/sh\n", 0o755);
    let found = fetch();
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), place.path().to_str().unwrap(), "{}", said(&found));
}

/// Runs `ops/compose/prepare` for that directory; what it printed.
fn prepare(secrets: &Path) -> std::process::Output {
    let mut script = Command::new(checkout().join("ops/compose/prepare"));
    let prepared = script.arg(secrets).env("ORDERLEDGER_BIN", orderledger_tests::program()).output().unwrap();
    assert!(prepared.status.success(), "{}", said(&prepared));
    prepared
}

#[test]
fn what_prepares_the_compose_file_makes_each_of_its_secrets_once_and_a_server_takes_them() {
    let place = Place::new();
    let secrets = place.path().join("secrets");
    let printed = String::from_utf8(prepare(&secrets).stdout).unwrap();
    assert!(printed.contains("olk_"), "{printed}");
    let composed = text("ops/compose/compose.yaml");
    let named = composed.split("{file: ./secrets/").skip(1).map(|rest| rest.split('}').next().unwrap());
    let read =
        |name: &str| std::fs::read_to_string(secrets.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let made: BTreeMap<&str, String> = named.map(|name| (name, read(name))).collect();
    assert_eq!(made.len(), 4, "{:?}", made.keys());
    for name in made.keys() {
        let mode = std::fs::metadata(secrets.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    prepare(&secrets);
    assert!(made.iter().all(|(name, before)| *before == read(name)), "a second run changed a secret");
    // The variables of the service are options of these names.
    let options =
        ["--auth-keys", "keys.toml", "--stream-key-file", "stream.key", "--webhooks-key-file", "webhooks.key"];
    for option in options.iter().step_by(2) {
        let variable = option.trim_start_matches('-').to_uppercase().replace('-', "_");
        assert!(composed.contains(&format!("ORDERLEDGER_{variable}: /run/secrets/")), "{option}");
    }
    let paths = options.map(|option| match option.strip_prefix("--") {
        Some(_) => option.to_owned(),
        None => secrets.join(option).to_str().unwrap().to_owned(),
    });
    let home = Home::embedded();
    let serve = || home.serve_with(&paths.each_ref().map(String::as_str)).stop();
    serve();
    // As the page adds a key.
    let key = "echo \"2026-11 $(openssl rand -hex 16)\" >>stream.key";
    assert!(text("docs/OPERATING.md").contains(&format!("       (umask 077 && {key})")));
    let key = key.replace("$(openssl rand -hex 16)", "0123456789abcdef0123456789abcdef");
    let added = Command::new("sh").args(["-c", &key]).current_dir(&secrets).output().unwrap();
    assert!(added.status.success(), "{}", said(&added));
    serve();
}

/// What stands under a key, for each service.
const COMPOSED: &str = r#"
import json, sys, yaml
print(json.dumps(yaml.safe_load(open(sys.argv[1]))))
"#;

#[test]
fn the_compose_file_fits_together_and_nothing_of_ours_may_more_than_it_needs() {
    let Some(python) = std::env::var_os("ORDERLEDGER_CONTRACT_PYTHON") else {
        skipped("the compose file is not read: no $ORDERLEDGER_CONTRACT_PYTHON (./contract-python makes one)");
        return;
    };
    let path = checkout().join("ops/compose/compose.yaml");
    // The Compose Specification's own schema, which comes with the tool.
    let schema = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"];
    let checked = Command::new(&python).args(schema).arg(&path).output().unwrap();
    assert!(checked.status.success(), "{}{}", String::from_utf8_lossy(&checked.stdout), said(&checked));
    let read = Command::new(python).args(["-c", COMPOSED]).arg(&path).output().unwrap();
    assert!(read.status.success(), "{}", said(&read));
    let file: Value = serde_json::from_slice(&read.stdout).unwrap();
    let services = file["services"].as_object().unwrap();
    let names = |of: &Value| -> Vec<String> {
        match of {
            Value::Array(all) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            Value::Object(all) => all.keys().cloned().collect(),
            _ => Vec::new(),
        }
    };
    for (name, service) in services {
        for other in names(&service["depends_on"]) {
            assert!(services.contains_key(&other), "{name} depends on {other}");
        }
        for (kind, all) in [("secrets", &file["secrets"]), ("networks", &file["networks"])] {
            let there = names(all);
            assert!(names(&service[kind]).iter().all(|one| there.contains(one)), "{name}: {kind}");
        }
        for volume in names(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            let there = match source.strip_prefix('.') {
                Some(_) => path.with_file_name(source).exists(),
                None => file["volumes"].get(source).is_some(),
            };
            assert!(there, "{name}: {volume}");
        }
        for port in names(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name} is open to everybody: {port}");
        }
    }
    for ours in ["topics", "orderledger"] {
        let service = &services[ours];
        assert_eq!(service["read_only"], true, "{ours}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{ours}");
        assert_ne!(service["user"], "root", "{ours}");
    }
}

//! A flag wins over its variable, this over the file, and this over the default; what is wrong anywhere is named.

use serde_json::{Value, json};

use crate::Place;

const FILE: &str =
    "listen = \"127.0.0.1:2\"\nanswer_timeout_ms = 2\nlog = \"kafka\"\n[kafka]\nlinger.ms = 2\nclient.id = \"file\"\n";

/// The rows of one option.
fn rows<'a>(shown: &'a Value, option: &str) -> Vec<&'a Value> {
    shown["options"].as_array().unwrap().iter().filter(|row| row["option"] == option).collect()
}

fn row<'a>(shown: &'a Value, option: &str) -> &'a Value {
    let rows = rows(shown, option);
    assert_eq!(rows.len(), 1, "{option}: {rows:?}");
    rows[0]
}

#[test]
fn each_place_wins_over_the_one_before() {
    let place = Place::with(FILE);
    let variables = [("ORDERLEDGER_LISTEN", "127.0.0.1:3"), ("ORDERLEDGER_ANSWER_TIMEOUT_MS", "3")];
    let show = ["config", "show", "--json", "serve", "--listen", "127.0.0.1:4"];
    let found = |shown: &Value, option: &str| {
        let row = row(shown, option);
        [&row["value"], &row["source"], &row["from"]].map(|field| field.as_str().unwrap_or("-").to_owned())
    };
    let shown = place.json(&show, &variables);
    assert_eq!(shown["file"], "orderledger.toml");
    assert_eq!(found(&shown, "listen"), ["127.0.0.1:4", "flag", "--listen"]);
    assert_eq!(found(&shown, "answer_timeout_ms"), ["3", "environment", "ORDERLEDGER_ANSWER_TIMEOUT_MS"]);
    assert_eq!(found(&shown, "log"), ["kafka", "file", "orderledger.toml"]);
    assert_eq!(found(&shown, "rebuild_share"), ["50", "default", "-"]);
    assert_eq!(found(&shown, "tls_cert"), ["-", "unset", "-"]);
    assert!(rows(&shown, "watch").is_empty(), "not an option of serve");
    // Without a command, those of all, each value once.
    let all = place.json(&["config", "show", "--json"], &variables);
    assert_eq!(found(&all, "listen"), ["127.0.0.1:3", "environment", "ORDERLEDGER_LISTEN"]);
    assert_eq!(row(&all, "watch")["commands"], json!(["status"]));
    assert_eq!(rows(&all, "server").len(), 2, "one with a default, one without");
}

#[test]
fn the_program_does_what_is_shown() {
    // The address is one that only a server with credentials may have, so each start ends at once and names it.
    let place = Place::with("listen = \"10.0.0.2:1\"\n");
    let start = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = place.run(&[&["serve"], arguments].concat(), variables);
        assert_eq!(output.status.code(), Some(3), "{}", crate::said(&output));
        crate::said(&output)
    };
    let variables = [("ORDERLEDGER_LISTEN", "10.0.0.3:1")];
    assert!(start(&[], &[]).contains("10.0.0.2:1 is no loopback"));
    assert!(start(&[], &variables).contains("10.0.0.3:1 is no loopback"));
    assert!(start(&["--listen", "10.0.0.4:1"], &variables).contains("10.0.0.4:1 is no loopback"));
    // A flag without a value is a variable and a key, too.
    let place = Place::with("json = true\n");
    assert!(place.run(&["config", "show"], &[]).stdout.starts_with(b"{"));
    assert!(place.run(&["config", "show"], &[("ORDERLEDGER_JSON", "no")]).stdout.starts_with(b"#"));
    assert!(Place::new().run(&["config", "show"], &[("ORDERLEDGER_JSON", "1")]).stdout.starts_with(b"{"));
    // What is wrong with what is to be logged is no reason to log something else.
    Place::new().refused(&["config", "show"], &[("ORDERLEDGER_LOG_LEVEL", "steps")]);
}

#[test]
fn properties_of_the_client_are_shown_one_by_one() {
    let place = Place::with(FILE);
    let variables = [("ORDERLEDGER_KAFKA_PROPERTIES", "client.id=variable\nsocket.timeout.ms=3")];
    let show = ["config", "show", "--json", "log", "dump", "--kafka-property", "socket.timeout.ms=4"];
    let shown = place.json(&show, &variables);
    for (name, value, source) in
        [("linger.ms", "2", "file"), ("client.id", "variable", "environment"), ("socket.timeout.ms", "4", "flag")]
    {
        let row = row(&shown, &format!("kafka.{name}"));
        assert_eq!((&row["value"], &row["source"]), (&json!(value), &json!(source)), "{name}");
    }
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    for (file, expected) in [
        ("lissten = \"127.0.0.1:1\"", "orderledger.toml: lissten: there is no such option; did you mean listen?"),
        ("colour = 1", "orderledger.toml: colour: there is no such option; remove the key"),
        ("answer_timeout_ms = \"5 s\"", "orderledger.toml: answer_timeout_ms can't be \"5 s\": invalid digit"),
        ("quiet_hours = \"25-3\"", "orderledger.toml: quiet_hours can't be \"25-3\": "),
        ("log = \"kafak\"", "orderledger.toml: log can't be \"kafak\": it must be one of embedded, kafka"),
        (
            "kafka_property = [\"sasl.password=x\"]",
            "orderledger.toml: kafka_property is no key of the file; write properties",
        ),
        ("log_level = \"loud\"", "orderledger.toml: log_level can't be \"loud\": \"loud\" is none of off, error, "),
        ("data = 1.5", "orderledger.toml: data must be a string, an integer or true/false"),
        ("data = ", "orderledger.toml: line 1: "),
    ] {
        // Whatever the command, so that it is found before the server is started anew.
        for command in [&["serve"][..], &["status"], &["config", "show"]] {
            let said = Place::with(file).refused(command, &[]);
            assert!(said.starts_with(&format!("orderledger: {expected}")) && said.lines().count() == 1, "{said}");
        }
    }
    let said = Place::new().refused(&["serve"], &[("ORDERLEDGER_ANSWER_TIMEOUT_MS", "soon")]);
    assert!(said.starts_with("orderledger: ORDERLEDGER_ANSWER_TIMEOUT_MS can't be \"soon\": invalid digit"), "{said}");
    assert!(said.contains("correct the variable, or unset it"), "{said}");
    let said = Place::new().refused(&["serve", "--config", "other.toml"], &[]);
    assert!(said.contains("other.toml: can't be read"), "{said}");
    // Help and the pages about the program are there all the same.
    let place = Place::with("lissten = 1");
    for command in [&["--help"][..], &["serve", "--help"], &["--version"], &["completions", "bash"]] {
        assert!(place.run(command, &[]).status.success(), "{command:?}");
    }
}

#[test]
fn who_mistypes_a_name_is_told_one_that_is_like_it() {
    let place = Place::new();
    for (line, meant) in [
        (&["rebuild", "settlment"][..], "settlement"),
        (&["log", "dump", "--topic", "order"], "orders"),
        (&["log", "tail", "--type", "OrderFiled"], "OrderFilled"),
        (&["log", "tial"], "tail"),
        (&["serve", "--lisen", "127.0.0.1:1"], "--listen"),
        (&["serve", "--log", "kafak"], "kafka"),
    ] {
        let said = place.refused(line, &[]);
        assert!(said.contains("exists: '") && said.contains(meant), "{line:?}: {said}");
    }
}

//! Going back to the views before, calling off a rebuild, and asking no server, by the command line.

use orderledger_tests::client::until;
use orderledger_tests::server::Home;

use crate::rebuild::{ask, fund, generations, held, trades};

#[test]
fn the_command_goes_back_on_a_running_server_alone() {
    let home = Home::new();
    let server = home.serve();
    fund(&server.client);
    trades(&server.client);
    let url = server.client.base();
    let (code, said) = home.run(&["rebuild", "all", "--server", url]);
    assert_eq!(code, Some(0), "{said}");
    let back = |name: &str| home.run(&["rebuild", name, "--rollback", "--server", url]);
    let (code, said) = back("settlement");
    assert!(code == Some(0) && said.starts_with("settlement generation 1: done  digest "), "{code:?}: {said}");
    let before = [(2, "rolled_back"), (1, "live")].map(|(number, state)| (number, state.to_owned()));
    assert_eq!(generations(&server.client, "settlement"), before);
    // One that can't go back leaves the others their turn.
    let (code, said) = back("all");
    assert!(code == Some(1) && said.contains("no whole generation of settlement before"), "{code:?}: {said}");
    for name in ["market", "audit", "notifications", "analytics"] {
        let is_told = said.lines().any(|line| line.starts_with(name) && line.contains("generation 1: done"));
        assert!(is_told, "{name}: {said}");
    }
    server.stop();
    for (what, words) in [("--rollback", "leave --rollback out"), ("--cancel", "ending its process")] {
        let (code, said) = home.run(&["rebuild", "all", what]);
        assert!(code == Some(2) && said.contains("a running server") && said.contains(words), "{code:?}: {said}");
        let (code, said) = home.run(&["rebuild", "all", what, "--accept-difference", "ticket 71"]);
        assert!(code == Some(2) && said.contains("cannot be used with"), "{code:?}: {said}");
    }
    home.verify();
}

/// Whether that line counts calls that called off a rebuild, and were heard.
fn is_of_a_call_off(line: &str) -> bool {
    line.starts_with("orderledger_http_requests_total{")
        && ["/rebuild\"", "method=\"DELETE\"", "status=\"2xx\""].iter().all(|label| line.contains(label))
}

#[test]
fn the_command_calls_off_what_runs_and_says_where_nothing_does() {
    let home = Home::new();
    let hold = home.data().with_extension("held");
    let server = held(&home, &hold);
    fund(&server.client);
    trades(&server.client);
    let call_off = |name: &str| home.run(&["rebuild", name, "--cancel", "--server", server.client.base()]);
    for (name, words) in [("audit", "no rebuild of audit runs"), ("all", "no rebuild runs at http")] {
        let (code, said) = call_off(name);
        assert!(code == Some(1) && said.contains(words), "{code:?}: {said}");
    }
    ask(&server.client, "audit/rebuild");
    let (code, said) = std::thread::scope(|scope| {
        let command = scope.spawn(|| call_off("all"));
        // The rebuild goes on, and so sees that it is called off, once the command has said so.
        until(|| server.client.get("/metrics").body, |counted| counted.lines().any(is_of_a_call_off));
        std::fs::remove_file(&hold).unwrap();
        command.join().unwrap()
    });
    assert!(code == Some(0) && said.starts_with("audit      generation 2: canceled"), "{code:?}: {said}");
    // Where that takes a while, how far it is stands beside.
    assert_eq!(said.lines().filter(|line| line.contains("generation")).count(), 1, "{said}");
    assert_eq!(generations(&server.client, "audit"), [(1, "live".to_owned())]);
    server.stop();
}

#[test]
fn offline_no_server_is_asked_though_one_is_configured() {
    let home = Home::new();
    let server = home.serve();
    fund(&server.client);
    let file = home.data().with_file_name("configured.toml");
    std::fs::write(&file, format!("server = \"{}\"\n", server.client.base())).unwrap();
    let rebuild = |how: &[&str]| home.run(&[&["rebuild", "audit", "--config", file.to_str().unwrap()], how].concat());
    let expect = |(code, said): (Option<i32>, String), expected: i32, words: &str| {
        assert!(code == Some(expected) && said.contains(words), "{code:?}: {said}");
    };
    expect(rebuild(&[]), 0, "audit      generation 2: done");
    expect(rebuild(&["--offline"]), 3, "in use");
    server.stop();
    expect(rebuild(&[]), 1, "can't be asked");
    expect(rebuild(&["--offline"]), 0, "audit");
    home.verify();
}

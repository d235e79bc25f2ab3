//! Starts that are refused, each with its exit code and one sentence that says what to do.

use orderledger_tests::server::Home;

/// A directory in which a server has run.
fn used() -> Home {
    let home = Home::new();
    let server = home.serve();
    server.client.deposit("u", "USD", "1000");
    let order = server.client.order("u", "buy", "AAPL", 1, "10");
    server.client.get_at("/v1/audit/events", &order["position"]);
    server.stop();
    home
}

fn check(refused: (Option<i32>, String), code: i32, words: &str) {
    assert_eq!(refused.0, Some(code), "{}", refused.1);
    assert!(refused.1.starts_with("orderledger: ") && refused.1.contains(words), "{}", refused.1);
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let home = Home::new();
    let server = home.serve();
    check(home.serve_refused(&[]), 3, "in use");
    for command in [&["verify"][..], &["rebuild", "all"], &["import", "events", "/dev/null"]] {
        let (code, said) = home.run(command);
        assert_eq!(code, Some(3), "{command:?}: {said}");
    }
    server.client.deposit("u", "USD", "1");
    server.stop();
}

#[test]
fn another_partition_count_is_refused() {
    let home = used();
    check(home.serve_refused(&["--partitions", "5"]), 3, "partitions");
    home.serve_with(&["--partitions", "12"]).stop();
}

#[test]
fn a_log_that_is_gone_is_refused_while_its_views_are_there() {
    let home = used();
    if !home.has_log_file() {
        return;
    }
    std::fs::remove_file(home.data().join("log.redb")).unwrap();
    check(home.serve_refused(&[]), 3, "log");
}

#[test]
fn a_log_of_another_past_is_refused() {
    let (home, other) = (used(), Home::new());
    if !home.has_log_file() {
        return;
    }
    let server = other.serve();
    (0..20).for_each(|_| drop(server.client.deposit("u", "USD", "7")));
    server.stop();
    std::fs::copy(other.data().join("log.redb"), home.data().join("log.redb")).unwrap();
    let (code, said) = home.serve_refused(&[]);
    assert_eq!(code, Some(3), "{said}");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let home = Home::new();
    check(home.serve_refused(&["--listen", "0.0.0.0:0"]), 3, "loopback");
}

#[test]
fn views_that_are_gone_are_made_again() {
    let home = used();
    std::fs::remove_dir_all(home.data().join("views")).unwrap();
    let server = home.serve();
    assert_eq!(server.client.get("/v1/accounts/u/balances").expect(200)["data"][0]["reserved"], "10");
    server.stop();
    std::fs::remove_dir_all(home.data().join("stages")).unwrap();
    std::fs::remove_file(home.data().join("ids.redb")).unwrap();
    let server = home.serve();
    let order = server.client.order("u", "buy", "AAPL", 1, "10");
    assert_eq!(server.client.balances("u", &order["position"])["USD"], ["1000", "980", "20"]);
    server.stop();
    home.verify();
}

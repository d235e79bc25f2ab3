//! Too much that can't be applied stops the worker instead of parking everybody.

use orderledger_tests::client::until;

use crate::ground::{Ground, after, parked, projection};

#[test]
fn so_many_users_in_a_row_stop_the_worker_in_words_and_a_fixed_program_goes_on() {
    let ground = Ground::new();
    let server = ground.serve_with(&["--parking-consecutive", "3", "--partitions", "1"]);
    let client = &server.client;
    let first = client.deposit("u0", "USD", "1");
    let poison: Vec<String> = (1..=5).map(|user| format!("settlement:{}", after(&first, 2 * user))).collect();
    ground.poison(&poison);
    for user in 1..=5 {
        client.deposit(&format!("u{user}"), "USD", "1");
    }
    let row = until(|| projection(client, "settlement"), |row| row["state"] == "halted");
    let why = row["error"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("in a row") && why.contains("--parking-consecutive"), "{row}");
    let problem = client.get("/readyz").expect_problem(503, "not-ready");
    assert!(problem["detail"].as_str().unwrap().contains("settlement is halted"), "{problem}");
    // Reads still answer, and writes too: intake decides without settlement.
    client.get("/v1/accounts/u0/balances").expect(200);
    server.stop();

    ground.poison(&[]);
    let server = ground.serve_with(&["--parking-consecutive", "3"]);
    let last = server.client.deposit("u5", "USD", "1");
    let balances = server.client.balances("u5", &last);
    assert!(balances["USD"][0].starts_with('2'), "{balances:?}");
    // Those that were parked before it tripped wait for an operator.
    for user in ["user:u1", "user:u2"] {
        let row = parked(&server.client, user);
        assert!(row.is_null() || row["waiting"].as_u64() >= Some(1), "{row}");
    }
}

//! What a user muted is not told to the user's own webhook, and to one for everybody all the same.

use orderledger_tests::receiver::{Receiver, Seen};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{QUICK, register, serve, until_marked};

#[test]
fn a_users_own_webhook_is_not_told_what_is_muted_and_one_for_everybody_is() {
    let (home, own, all) = (Home::new(), Receiver::start(), Receiver::start());
    let server = serve(&home, &QUICK);
    let client = &server.client;
    let of_ann = client.post("/v1/webhooks", &json!({"url": own.url(), "userId": "ann"})).send().expect(201);
    let of_all = register(client, &all.url());
    let mute = |key: &str, muted: Value| {
        let request = client.request("PUT", "/v1/accounts/ann/notifications/preferences").key(key);
        request.json(&json!({"muted": muted})).send().expect(200);
    };
    let deposit = |user: &str| client.deposit(user, "USD", "1").as_str().unwrap().to_owned();
    let first = deposit("ann");
    mute("mute", json!(["AccountCredited"]));
    let (muted, of_bob) = (deposit("ann"), deposit("bob"));
    mute("unmute", json!([]));
    let last = deposit("ann");
    for webhook in [&of_ann, &of_all] {
        until_marked(client, &webhook["webhookId"], &last);
    }
    let told = |of: &Receiver| of.seen().iter().map(Seen::position).collect::<Vec<_>>();
    assert_eq!(told(&own), [&*first, &*last]);
    // Accounts don't wait for each other.
    let mut everything = told(&all);
    everything.sort_by_key(|at| at.rsplit_once('@').unwrap().1.parse::<u64>().unwrap());
    assert_eq!(everything, [first, muted, of_bob, last]);
    server.stop();
}

//! Receivers that hang, lead elsewhere, never end, are down, or are where nobody may call.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use orderledger_tests::client::{Client, until};
use orderledger_tests::ports::free_port;
use orderledger_tests::receiver::{How, Receiver, Seen};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{QUICK, dead_letters, register, serve};

#[test]
fn one_that_hangs_holds_up_nobody_and_what_it_never_takes_becomes_a_dead_letter() {
    let (home, hangs, takes) = (Home::new(), Receiver::start(), Receiver::start());
    hangs.behaves(How::Hangs);
    let hurried = QUICK.map(|of| if of.starts_with("--webhooks-timeout") { "--webhooks-timeout-ms=1000" } else { of });
    let server = serve(&home, &hurried);
    let client = &server.client;
    let (slow, _) = (register(client, &hangs.url()), register(client, &takes.url()));
    let begun = Instant::now();
    let at = client.deposit("ann", "USD", "1").clone();
    assert!(begun.elapsed() < Duration::from_secs(20), "nobody waits for it");
    assert_eq!(takes.until(1)[0].position(), at.as_str().unwrap());
    let dead = dead_letters(client, &slow, 1);
    assert_eq!((&dead[0]["position"], &dead[0]["userId"], &dead[0]["attempts"]), (&at, &json!("ann"), &json!(4)));
    assert!(dead[0]["error"].as_str().unwrap().contains("timeout"), "{dead:?}");
    // The last one may be given up before it is read.
    let tried = hangs.until(4);
    assert_eq!(tried.len(), 4);
    assert!(tried.iter().all(|seen| seen.id == tried[0].id), "each attempt has the same id");

    // It is well again: what was given up is sent again when somebody asks for it, and is a dead letter no more.
    hangs.behaves(How::Takes);
    let path = format!("/v1/webhooks/{}", slow["webhookId"].as_str().unwrap());
    let id = slow["webhookId"].as_str().unwrap();
    let command = |arguments: &[&str]| {
        let output =
            orderledger_tests::run(&[&["webhooks"], arguments, &["--server", client.base()]].concat()).unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(command(&["list"]).contains(id));
    assert!(command(&["dead-letters", id]).contains(at.as_str().unwrap()));
    assert!(command(&["resend", id, "--dead-letters"]).starts_with("1 are sent again"));
    assert_eq!(hangs.until(5)[4].id, tried[0].id);
    dead_letters(client, &slow, 0);
    let shown = until(|| client.get(path.clone()).expect(200), |shown| shown["state"] == "active");
    assert_eq!((&shown["state"], &shown["error"], &shown["sent"]), (&json!("active"), &Value::Null, &json!(1)));
    assert!(shown.get("secret").is_none(), "it is shown once: {shown}");
    let ready = client.get("/readyz");
    assert_eq!(ready.status, 200);
    server.stop();
    home.verify();
}

#[test]
fn one_that_was_down_is_told_all_of_it_in_order_once_it_is_up() {
    let (home, port) = (Home::new(), free_port());
    let patient =
        [&QUICK[..3], &["--webhooks-retry-ms=10", "--webhooks-attempts=100", "--webhooks-timeout-ms=1000"]].concat();
    let server = serve(&home, &patient);
    let client = &server.client;
    let webhook = register(client, &format!("http://127.0.0.1:{port}/hook"));
    let told: Vec<String> =
        (1..=5).map(|amount| client.deposit("ann", "USD", &amount.to_string()).as_str().unwrap().to_owned()).collect();
    let path = format!("/v1/webhooks/{}", webhook["webhookId"].as_str().unwrap());
    let waits =
        until(|| client.get(path.clone()).expect(200), |shown| shown["waiting"] == 5 && shown["state"] == "retrying");
    assert_eq!((&waits["waiting"], &waits["state"]), (&json!(5), &json!("retrying")), "{waits}");
    // It stays what it waits for through a restart.
    server.stop();
    let receiver = Receiver::up(port);
    let server = serve(&home, &patient);
    let seen = receiver.until(5);
    let positions: Vec<String> = seen.iter().map(Seen::position).collect();
    assert_eq!(positions, told);
    server.stop();
}

/// Pauses of ten minutes, which no test waits for.
#[test]
fn an_outage_ends_with_the_first_success_or_soon_after_a_start() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let patient = [&QUICK[..3], &["--webhooks-retry-ms=600000", "--canary=false"]].concat();
    let server = serve(&home, &patient);
    register(&server.client, &receiver.url());
    let told = |of: &[Seen]| of.iter().map(Seen::position).collect::<BTreeSet<_>>();
    let deposit = |client: &Client, user: &str| client.deposit(user, "USD", "1").as_str().unwrap().to_owned();
    receiver.behaves(How::Answers(503));
    let mut waiting: BTreeSet<String> = ["ann", "bob", "cid"].map(|user| deposit(&server.client, user)).into();
    receiver.until(3);
    // Heard of, not only seen there: a failure that is heard after the success pauses anew.
    let failed = |count: u32| {
        let line = format!("orderledger_webhook_calls_total{{outcome=\"failed\"}} {count}\n");
        let is_told = || server.client.get("/metrics").body.contains(&line);
        assert!(until(is_told, |is_told| *is_told), "{line}");
    };
    failed(3);
    receiver.behaves(How::Takes);
    waiting.insert(deposit(&server.client, "dan"));
    assert_eq!(told(&receiver.until(7)[3..]), waiting, "one success wakes the others");

    receiver.behaves(How::Answers(503));
    let waiting: BTreeSet<String> = ["ann", "bob"].map(|user| deposit(&server.client, user)).into();
    // What the end cuts off is tried again like what is new.
    failed(5);
    receiver.until(9);
    server.stop();
    let server = serve(&home, &patient);
    receiver.until(10);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(receiver.seen().len(), 10, "one attempt tells that it is still down");
    server.stop();
    receiver.behaves(How::Takes);
    let server = serve(&home, &patient);
    assert_eq!(told(&receiver.until(12)[10..]), waiting);
    server.stop();
}

#[test]
fn nobody_is_followed_elsewhere_and_an_answer_without_end_is_not_read() {
    let (home, leads, elsewhere) = (Home::new(), Receiver::start(), Receiver::start());
    leads.behaves(How::Leads(elsewhere.url()));
    let server = serve(&home, &QUICK);
    let client = &server.client;
    let webhook = register(client, &leads.url());
    client.deposit("ann", "USD", "1");
    let dead = dead_letters(client, &webhook, 1);
    assert!(dead[0]["error"].as_str().unwrap().contains("302"), "{dead:?}");
    assert_eq!((leads.seen().len(), elsewhere.seen().len()), (4, 0));
    leads.behaves(How::NeverEnds);
    client.deposit("ann", "USD", "2");
    leads.until(5);
    leads.behaves(How::Takes);
    client.deposit("ann", "USD", "3");
    let seen = leads.until(6);
    assert_eq!((seen.len(), seen[5].json()["data"]["amount"].clone()), (6, json!(3)), "its status was enough");
    assert!(leads.sent() < 64 << 20, "{} bytes", leads.sent());
    leads.behaves(How::Answers(500));
    client.deposit("ann", "USD", "4");
    assert!(dead_letters(client, &webhook, 2)[1]["error"].as_str().unwrap().contains("500"));
    server.stop();
}

#[test]
fn private_addresses_are_called_only_where_that_is_allowed() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let strict = ["--partitions", "1", "--webhooks-retry-ms=50", "--webhooks-attempts=2"];
    let server = serve(&home, &strict);
    let client = &server.client;
    let port = receiver.url().rsplit(':').next().unwrap().to_owned();
    for url in [
        receiver.url(),
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://ann:secret@example.com/".to_owned(),
        "file:///etc/passwd".to_owned(),
        String::new(),
    ] {
        let problem = client.post("/v1/webhooks", &json!({"url": url})).send().expect_problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{problem}");
    }
    server.stop();
    // One that was registered while it was allowed is looked at again for each call.
    let server = serve(&home, &QUICK);
    let webhook = register(&server.client, &receiver.url());
    server.stop();
    let server = serve(&home, &strict);
    server.client.deposit("ann", "USD", "1");
    let dead = dead_letters(&server.client, &webhook, 1);
    assert!(dead[0]["error"].as_str().unwrap().contains("must begin with https"), "{dead:?}");
    assert_eq!(receiver.seen().len(), 0);
    // What no rule of addresses knows for one (the system reads 127.0.0.1 out of it) is registered, and found out for each call.
    let url = format!("https://2130706433:{port}/hook");
    let named = server.client.post("/v1/webhooks", &json!({"url": url})).send().expect(201);
    server.client.deposit("ann", "USD", "2");
    let dead = dead_letters(&server.client, &named, 1);
    assert_eq!(dead[0]["attempts"], 2);
    assert!(dead[0]["error"].as_str().unwrap().contains("the address is private"), "{dead:?}");
    assert_eq!(receiver.connections(), 0);
    server.stop();
}

#[test]
fn a_secret_is_rotated_with_those_before_signing_too_and_a_webhook_is_deleted_for_good() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let server = serve(&home, &QUICK);
    let client = &server.client;
    let body = json!({"url": receiver.url(), "userId": "ann", "eventTypes": ["AccountCredited"]});
    let register = |body: &Value| client.request("POST", "/v1/webhooks").key("hook").json(body).send();
    let first = register(&body).expect(201);
    let again = register(&body);
    assert_eq!((again.headers["idempotency-replayed"].as_str(), &again.json()["secret"]), ("true", &first["secret"]));
    register(&json!({"url": receiver.url()})).expect_problem(422, "idempotency-key-reused");
    let path = format!("/v1/webhooks/{}", first["webhookId"].as_str().unwrap());
    let turn = |key: &str| client.request("POST", format!("{path}/rotate")).key(key).send().expect(200);
    let (second, third) = (turn("turn"), turn("turn-2"));
    assert!(second["secret"] != first["secret"] && second["secretVersion"] == 2, "{second}");
    client.deposit("bob", "USD", "1");
    client.deposit("ann", "USD", "2");
    let seen = receiver.until(1);
    assert_eq!((seen.len(), seen[0].signatures.len()), (1, 3), "of ann alone");
    assert!([&first, &second, &third].into_iter().all(|one| seen[0].is_signed_with(one["secret"].as_str().unwrap())));
    assert_eq!(client.get("/v1/webhooks").expect(200)["data"].as_array().unwrap().len(), 1);
    client.request("DELETE", path.clone()).key("gone").send().expect(200);
    assert_eq!(client.request("DELETE", path.clone()).key("gone").send().headers["idempotency-replayed"], "true");
    client.request("DELETE", path.clone()).key("gone-2").send().expect_problem(404, "unknown-webhook");
    client.get(path.clone()).expect_problem(404, "unknown-webhook");
    client.get("/v1/webhooks/nothing").expect_problem(422, "invalid-request");
    register(&body).expect_problem(422, "idempotency-key-reused");
    client.deposit("ann", "USD", "3");
    let other = client.post("/v1/webhooks", &json!({"url": receiver.url()})).send().expect(201);
    let at = client.deposit("ann", "USD", "4").clone();
    let seen = receiver.until(2);
    assert_eq!(
        (seen.len(), seen[1].position()),
        (2, at.as_str().unwrap().to_owned()),
        "one that is gone is told nothing"
    );
    assert!(seen[1].is_signed_with(other["secret"].as_str().unwrap()));
    // What the log holds of them, by its types.
    let of = |types: &str| client.get(format!("/v1/audit/events?type={types}")).expect(200)["data"].clone();
    let count = |types: &str, count: usize| until(|| of(types), |rows| rows.as_array().unwrap().len() == count);
    count("WebhookSet", 4);
    assert_eq!(count("WebhookDeleted", 1)[0]["event"]["payload"]["webhookId"], first["webhookId"]);
    count("WebhookDeleted,AccountCredited", 5);
    client.get("/v1/audit/events?type=WebhookForgotten").expect_problem(422, "invalid-request");
    server.stop();
}

//! What was given up is sent again, and one account that is still refused holds up nobody else.

use std::collections::BTreeSet;

use orderledger_tests::client::until;
use orderledger_tests::receiver::{How, Receiver, Seen};
use orderledger_tests::server::Home;
use serde_json::{Value, json};

use super::{QUICK, dead_letters, register, serve};

#[test]
fn a_letter_that_is_refused_again_holds_up_no_other_is_not_lost_by_a_kill_and_soon_a_dead_letter_again() {
    let (home, receiver) = (Home::new(), Receiver::start());
    let server = serve(&home, &QUICK);
    let webhook = register(&server.client, &receiver.url());
    let path = format!("/v1/webhooks/{}", webhook["webhookId"].as_str().unwrap());
    receiver.behaves(How::Answers(500));
    let [ann, bob] = ["ann", "bob"].map(|user| server.client.deposit(user, "USD", "1"));
    let dead = dead_letters(&server.client, &webhook, 2);
    assert_eq!(dead.iter().map(|letter| &letter["position"]).collect::<Vec<_>>(), [&ann, &bob]);
    let before = receiver.seen();
    let calls_of = |at: &Value| receiver.seen().iter().filter(|seen| seen.position() == *at).count();
    assert_eq!((before.len(), calls_of(&ann), calls_of(&bob)), (8, 4, 4));
    server.stop();

    // Pauses of ten minutes, which nobody waits for: the first is refused, and the second gets through.
    receiver.behaves(How::Refuses("ann"));
    let patient = [&QUICK[..3], &["--webhooks-retry-ms=600000", "--canary=false"]].concat();
    let server = serve(&home, &patient);
    let command = ["webhooks", "resend", webhook["webhookId"].as_str().unwrap(), "--dead-letters"];
    let resend = |base: &str| {
        let output = orderledger_tests::run(&[&command[..], &["--server", base]].concat()).unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(resend(server.client.base()).starts_with("2 are sent again"));
    let both = until(|| (calls_of(&ann), calls_of(&bob)), |(ann, bob)| *ann > 4 && *bob == 5);
    assert!(both.0 > 4 && both.1 == 5, "{both:?}");
    let too = || {
        let page = server.client.get("/v1/audit/events?type=WebhookMarked&limit=1000").expect(200);
        let mut marks = page["data"].as_array().unwrap().iter().map(|row| row["event"]["payload"].clone());
        marks.find(|mark| mark["resentToo"].is_array()).unwrap_or_default()
    };
    let mark = until(too, Value::is_object);
    assert_eq!((mark["resentToo"].as_array().map(Vec::len), &mark["resent"]), (Some(1), &Value::Null), "{mark}");
    // A view that is made anew sends it no more often.
    server.client.post("/v1/projections/notifications/rebuild", &json!({})).send().expect(202);
    let rebuilt = || server.client.get("/v1/projections/notifications/rebuild").expect(200);
    assert_eq!(until(rebuilt, |state| !state["endedAt"].is_null())["phase"], "done");
    let tried = calls_of(&ann);
    server.kill();

    // What had begun begins again; refused once more it is a dead letter once more, soon, and can be sent once more.
    let server = serve(&home, &QUICK);
    let dead = dead_letters(&server.client, &webhook, 1);
    assert_eq!((&dead[0]["position"], &dead[0]["attempts"]), (&ann, &json!(3)));
    assert_eq!((calls_of(&ann), calls_of(&bob)), (tried + 3, 5));
    receiver.behaves(How::Takes);
    assert!(resend(server.client.base()).starts_with("1 are sent again"));
    let shown = until(|| server.client.get(path.clone()).expect(200), |shown| shown["sent"] == 1);
    assert_eq!((&shown["sent"], &shown["waiting"]), (&json!(1), &json!(0)), "{shown}");
    assert_eq!((calls_of(&ann), calls_of(&bob)), (tried + 4, 5));
    dead_letters(&server.client, &webhook, 0);
    let ids = |seen: &[Seen]| seen.iter().map(|seen| seen.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!((ids(&receiver.seen()), ids(&before).len()), (ids(&before), 2), "each under the id that it had");
    server.stop();
    home.verify();
}

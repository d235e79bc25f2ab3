//! Two servers on the same topics with directories of their own: what they write may stand there twice, and counts once.

use orderledger_tests::kafka;
use orderledger_tests::laboratory::LogKind;
use rustix::process::Signal;

use crate::trading::{at_rest, check, check_rebuilt, ground, one_after_another, rows, serve, trade};

#[test]
fn a_zombie_that_goes_on_beside_its_successor_changes_nothing() {
    let Some(brokers) = kafka::shared() else { return };
    let _turn = one_after_another();
    let ground = ground(&LogKind::Kafka { brokers });
    let (mut first, client) = serve(&ground, 0);
    trade(&client, 1);
    // It stops in the middle of its work; another takes over with an empty directory, and works on.
    first.signal(Signal::STOP).unwrap();
    let (mut second, successor) = serve(&ground, 1);
    trade(&successor, 2);
    let alone = at_rest(&successor);
    check(&ground, &[&alone]);
    // The zombie awakes, and both are asked, each for what the other was asked too.
    first.signal(Signal::CONT).unwrap();
    for round in 3..5 {
        trade(&client, round);
        trade(&successor, round);
    }
    at_rest(&client);
    at_rest(&successor);
    let shown = [at_rest(&client), at_rest(&successor)];
    assert_eq!(rows(&shown[0]), rows(&shown[1]), "both show the same");
    first.kill();
    trade(&successor, 5);
    let last = at_rest(&successor);
    second.stop().unwrap();
    check(&ground, &[&last]);
    for server in [0, 1] {
        check_rebuilt(&ground, server);
    }
}

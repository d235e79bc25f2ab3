//! Parts of a data directory are gone, or come back from a backup that is older than the rest: the same state, and a log that
//! only grows where that is harmless.

use orderledger_tests::kafka;
use orderledger_tests::laboratory::{Damage, LogKind, copy_dir};

use crate::trading::{at_rest, check, check_rebuilt, ground, one_after_another, rows, serve, trade};

/// What sends nothing twice: the rest begins where it knows that all is acknowledged, or looks at what stands in the log.
fn repeats_nothing(damage: Damage) -> bool {
    !matches!(
        damage,
        Damage::NoMarks | Damage::OldMarks | Damage::OldSnapshots | Damage::OldIds | Damage::OldEverything
    )
}

fn lose(log: &LogKind, damages: &[Damage]) {
    let _turn = one_after_another();
    let ground = ground(log);
    let (data, backup) = (ground.data(0), ground.beside("backup"));
    let mut round = 0;
    let next = |round: &mut u64| {
        *round += 1;
        let (mut process, client) = serve(&ground, 0);
        trade(&client, *round);
        let shown = at_rest(&client);
        process.stop().unwrap();
        shown
    };
    next(&mut round);
    for damage in damages {
        // The backup is one round old by the time that it comes back.
        drop(std::fs::remove_dir_all(&backup));
        copy_dir(&data, &backup).unwrap();
        let before = next(&mut round);
        let log = check(&ground, &[&before]);
        damage.inflict(&data, &backup, ground.has_log_file()).unwrap();
        let (mut process, client) = serve(&ground, 0);
        let after = at_rest(&client);
        process.kill();
        assert_eq!(rows(&after), rows(&before), "{damage:?}");
        let grown = check(&ground, &[&after]);
        grown.begins_with(&log).unwrap();
        if repeats_nothing(*damage) {
            assert_eq!(grown.len(), log.len(), "{damage:?}: the log grew by a start");
        }
        check_rebuilt(&ground, 0);
    }
    let last = next(&mut round);
    check(&ground, &[&last]);
}

#[test]
fn whatever_of_the_directory_is_gone_or_old_the_embedded_log_gives_the_same_state() {
    lose(&LogKind::Embedded, &Damage::ALL);
}

#[test]
fn whatever_of_the_directory_is_gone_or_old_kafka_gives_the_same_state() {
    let Some(brokers) = kafka::shared() else { return };
    use Damage::{NoIds, NoSnapshots, NothingButTheLog, OldEverything, OldIds, OldSnapshots};
    lose(&LogKind::Kafka { brokers }, &[NothingButTheLog, NoSnapshots, NoIds, OldSnapshots, OldIds, OldEverything]);
}

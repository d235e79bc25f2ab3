//! The table of partitions is still what Kafka's own producer chooses.

use std::process::Command;

use orderledger_tests::{checkout, kafka};

#[test]
fn the_java_client_chooses_what_the_table_says() {
    let Some(jars) = kafka::jars() else { return };
    let table = std::fs::read_to_string(checkout().join("domain/tests/partitions.txt")).unwrap();
    let mut java = Command::new("java");
    java.arg("-Dfile.encoding=UTF-8").arg("-cp").arg(jars.join("*"));
    let output = java.arg(checkout().join("tests/kafka/PartitionTable.java")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), table);
}

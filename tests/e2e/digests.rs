//! The digest that a view keeps beside its rows is judged, too.

use std::path::Path;

use orderledger_store::codec;
use orderledger_tests::server::Home;
use serde_json::Value;

/// A view's catalog: its head, and its files of rows.
type Catalog = (Vec<u8>, Vec<u64>);
/// A head: schema, version, digest, rows, and where the fold stands.
type Head = (String, u8, u128, u64, Vec<u8>);

/// Writes the catalog with another digest; the digest that was there.
fn spoil(view: &Path) -> u128 {
    let path = view.join("catalog");
    let (head, files): Catalog = codec::decode(1, &std::fs::read(&path).unwrap()).unwrap();
    let (name, version, digest, rows, at): Head = codec::decode(2, &head).unwrap();
    let head = codec::encode(2, &(name, version, digest.wrapping_add(1), rows, at)).unwrap();
    std::fs::write(&path, codec::encode(1, &(head, files)).unwrap()).unwrap();
    digest
}

#[test]
fn a_kept_digest_that_is_not_of_the_rows_is_found_and_a_rebuild_ends_it() {
    let home = Home::embedded();
    let server = home.serve();
    let client = &server.client;
    client.deposit("buyer", "USD", "1000");
    let position = client.order("buyer", "buy", "AAPL", 1, "10")["position"].clone();
    client.get_at("/v1/accounts/buyer/balances", &position);
    server.stop();
    home.verify();
    let digest = spoil(&home.data().join("views/settlement/gen-000001"));

    let (code, said) = home.run(&["verify", "--json"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("orderledger: differences in digests of views; "), "{said}");
    let report: Value = serde_json::Deserializer::from_str(&said).into_iter().next().unwrap().unwrap();
    let checks = report["checks"].as_array().unwrap();
    let differing: Vec<&Value> = checks.iter().filter(|check| check["differences"] != 0).collect();
    let [check] = differing[..] else { panic!("{said}") };
    assert_eq!((&check["check"], &check["compared"], &check["differences"]), (&"digests".into(), &5.into(), &1.into()));
    let first = &check["first"][0];
    assert_eq!(first["at"], "settlement");
    for (text, digest) in [(&first["expected"], digest), (&first["found"], digest.wrapping_add(1))] {
        assert!(text.as_str().unwrap().starts_with(&format!("digest {digest:032x} of ")), "{said}");
    }
    assert!(check["whatToDo"].as_str().unwrap().ends_with("orderledger rebuild NAME"), "{said}");
    let (code, said) = home.run(&["verify"]);
    assert!(code == Some(4) && said.contains("    settlement: expected digest "), "{said}");
    assert!(said.contains("orderledger rebuild NAME\n"), "{said}");

    let (code, said) = home.run(&["rebuild", "settlement"]);
    assert_eq!(code, Some(0), "{said}");
    home.verify();
}

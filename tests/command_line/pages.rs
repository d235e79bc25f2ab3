//! Completions and manual pages.

use crate::Place;

#[test]
fn every_shell_has_its_completions() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let output = place.run(&["completions", shell], &[]);
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && script.contains("rebuild-share") && script.contains("settlement"),
            "{shell}"
        );
        // Where the shell is there it reads them.
        let file = place.path().join(shell);
        std::fs::write(&file, script).unwrap();
        if let Ok(read) = std::process::Command::new(shell).arg("-n").arg(&file).output() {
            assert!(read.status.success(), "{shell}: {}", crate::said(&read));
        }
    }
    assert_eq!(place.run(&["completions", "basch"], &[]).status.code(), Some(2));
}

#[test]
fn every_command_has_its_page() {
    let place = Place::new();
    let written = place.json(&["man", "--dir", "pages/man1", "--json"], &[]);
    let pages = written["pages"].as_array().unwrap();
    let mut there: Vec<String> = std::fs::read_dir(place.path().join("pages/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut told: Vec<String> = pages.iter().map(|page| page.as_str().unwrap().to_owned()).collect();
    there.sort();
    told.sort();
    assert_eq!(there, told);
    let page = |name: &str| std::fs::read_to_string(place.path().join("pages/man1").join(name)).unwrap();
    assert!(page("orderledger-serve.1").contains("ORDERLEDGER_REBUILD_SHARE"));
    assert!(page("orderledger-log-tail.1").contains(r"\-\-follow"));
}

//! A kill or a power loss at any moment of going on in a new file leaves a log with nothing lost and nothing twice.
#![cfg(feature = "faults")]

use std::fs;
use std::sync::{Arc, Mutex};

use super::super::segments::Segments;
use super::image::{Image, PAGE, image, restored, torn};
use super::{AT, EmbeddedLog, append_and_wait, numbers, open, open_rolling, record};
use crate::event_log::embedded::batches::Encoded;
use crate::event_log::embedded::frame;
use crate::event_log::embedded::journal::Journal;
use crate::event_log::{EventLog, Record};
use crate::faults::on_point;

fn batch(offset: u64) -> Encoded {
    let value = Some(bytes::Bytes::from(offset.to_string().repeat(2_000)));
    let record = Record { offset, recorded_at_ms: 7, key: None, value, headers: Vec::new() };
    Encoded { of: AT, base: offset, frame: frame::encode(&[record]) }
}

/// What a power loss may make of a kill's image: of what changed since the image before, some pages are on the disk.
fn power_losses(before: &Image, after: &Image) -> Vec<Image> {
    let mut losses = Vec::new();
    for (name, new) in after {
        let Some(old) = before.get(name).filter(|old| *old != new) else { continue };
        for lost in torn(old, new) {
            let mut image = after.clone();
            image.insert(name.clone(), lost);
            losses.push(image);
        }
    }
    losses
}

/// Opens what is left: the records 0 to below `least` or `least + 1` stand there, and it goes on in more files.
fn check(image: &Image, least: u64, what: &str) {
    let (directory, path) = restored(image);
    let values = |log: &EmbeddedLog| -> Vec<_> {
        log.read(AT, 0, 100).unwrap().into_iter().map(|record| (record.offset, record.value)).collect()
    };
    let log = open(&path, 2).unwrap_or_else(|error| panic!("{what}: {error} {error:?}"));
    let left = values(&log);
    let expected = (0..left.len() as u64).map(|n| (n, Some(bytes::Bytes::from(n.to_string().repeat(2_000)))));
    assert!(left.iter().cloned().eq(expected), "{what}: {left:?}");
    assert!((least..=least + 1).contains(&(left.len() as u64)), "{what}: {} of {least}", left.len());
    append_and_wait(&log, vec![record(AT, "u", "x")]);
    drop(log);
    let log = open_rolling(&path, 2).unwrap();
    append_and_wait(&log, vec![record(AT, "u", "y")]);
    drop(log);
    let after = values(&open(&path, 2).unwrap());
    assert_eq!(after.len(), left.len() + 2, "{what}");
    assert!(after.starts_with(&left), "{what}");
    assert!(
        !fs::read_dir(directory.path()).unwrap().any(|entry| entry.unwrap().path().extension() == Some("tmp".as_ref()))
    );
}

#[test]
fn a_kill_or_a_power_loss_at_any_moment_of_going_on_in_a_new_file_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.redb");
    let taken: Arc<Mutex<Vec<(&'static str, Image)>>> = Arc::default();
    let segments = Segments::open(&path, 2, 0, 1 << 20).unwrap();
    let mut journal = Journal::begin(&path, 1 << 16).unwrap();
    segments.write(&[], Some(journal.mark())).unwrap();
    let camera = (directory.path().to_owned(), Arc::clone(&taken));
    on_point(Some(Box::new(move |point| camera.1.lock().unwrap().push((point, image(&camera.0))))));
    let mut seen = Vec::new();
    for offset in 0..8 {
        let before = image(directory.path());
        // Each commit is an entry of the journal, and every second one is put in its place with the one before, in a new file.
        assert!(journal.append(&[batch(offset)]).unwrap());
        if offset % 2 == 1 {
            segments.write(&[batch(offset - 1), batch(offset)], Some(journal.mark())).unwrap();
            journal.turn();
        }
        let mut images = std::mem::take(&mut *taken.lock().unwrap());
        images.push(("written", image(directory.path())));
        let mut last = before;
        for (point, image) in images {
            check(&image, offset, point);
            for loss in power_losses(&last, &image) {
                check(&loss, offset, &format!("power lost before {point}"));
            }
            // Whatever was made of the file that has no name yet.
            for length in [0, 1, PAGE, 10 * PAGE] {
                let mut torn = image.clone();
                torn.iter_mut().filter(|(name, _)| name.extension() == Some("tmp".as_ref())).for_each(|(_, bytes)| {
                    bytes.truncate(length);
                });
                check(&torn, offset, point);
            }
            seen.push(point);
            last = image;
        }
    }
    on_point(None);
    assert_eq!(numbers(&path).unwrap(), [1, 2, 3, 4]);
    let round = [
        "written",
        "segment.before-rename",
        "segment.after-rename",
        "segment.before-seal",
        "segment.before-close",
        "segment.after-close",
        "written",
    ];
    assert_eq!(seen, [&["written", "written"][..], &round, &round, &round].concat());
}

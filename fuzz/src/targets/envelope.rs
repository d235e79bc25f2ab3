//! Records: any bytes are read or refused; what is read and written again says the same.

use orderledger_domain::envelope;
use orderledger_domain::strict;

pub fn run(data: &[u8]) {
    let _ = strict::check(Some(data));
    let read = envelope::read(Some(data));
    match &read {
        Err(refusal) => {
            assert!(refusal.detail.len() <= 300, "{} bytes of detail", refusal.detail.len());
            let _ = envelope::stamp_of_unknown(Some(data), refusal);
        }
        Ok(found) => {
            let Ok(event) = &found.event else { return };
            let again = envelope::write_outside(found.event_id, found.timestamp, event, "fuzz");
            let again = envelope::read(Some(&again)).expect("what we write can be read");
            assert_eq!(again.event.as_ref().ok(), Some(event), "upcast once, it stays as it is");
            assert_eq!((again.event_id, again.timestamp), (found.event_id, found.timestamp));
        }
    }
}

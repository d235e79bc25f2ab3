//! An inbox of 20,000 of which most rows can't be read: whoever touches more than is his finds one of them.

use std::ops::Range;

use bytes::Bytes;
use orderledger_domain::event::EventType;
use orderledger_domain::ids::UserId;
use orderledger_domain::position::Topic;
use orderledger_domain::said::{NotificationsRead, Said};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::{NewRecord, Record};
use orderledger_store::views::{Direction, Schema, View};
use uuid::Uuid;

use crate::notifications::queries::{self, Inbox};
use crate::notifications::rows::notification_key;
use crate::notifications::said::record;
use crate::notifications::{NOTIFIES, Notifications};
use crate::worker::fold::{Fold, Outcome};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

const ENTRIES: u64 = 20_000;

fn user() -> UserId {
    UserId::new("u1").unwrap()
}

/// Only those offsets have whole rows, of the first type that users are told of.
fn readable(offsets: Range<u64>) -> View {
    let view = View::in_memory(Schema { name: Notifications::NAME, version: Notifications::SCHEMA });
    let mut changes = view.changes();
    for offset in 0..ENTRIES {
        let key = notification_key(&user(), offset);
        if offsets.contains(&offset) {
            changes.put_row(key, &0_u8).unwrap();
        } else {
            changes.put(key, Bytes::from_static(b"damaged"));
        }
    }
    view.commit(changes, Bytes::new()).unwrap();
    view
}

fn page(view: &View, types: Option<&[EventType]>, direction: Direction, after: Option<u64>) -> (usize, Option<u64>) {
    let user = user();
    let asked = Inbox { user: &user, types, unread: false, direction, after, limit: 5 };
    let (page, next) = queries::inbox(&view.reader().unwrap(), &asked).unwrap();
    (page.len(), next)
}

#[test]
fn a_page_reads_its_own_rows_and_the_one_behind_them_whatever_else_there_is() {
    assert_eq!(page(&readable(ENTRIES - 6..ENTRIES), None, Direction::Descending, None), (5, Some(ENTRIES - 5)));
    assert_eq!(page(&readable(9_994..10_000), None, Direction::Descending, Some(10_000)), (5, Some(9_995)));
    assert_eq!(page(&readable(10_001..10_007), None, Direction::Ascending, Some(10_000)), (5, Some(10_005)));
}

/// Of nothing that is wanted it finds nothing, and says where to go on.
#[test]
fn a_page_looks_at_so_many_rows_and_no_more() {
    // Eight, in tests.
    let view = readable(9_991..10_000);
    assert_eq!(page(&view, Some(&NOTIFIES[1..]), Direction::Descending, Some(10_000)), (0, Some(9_992)));
}

#[test]
fn who_marks_all_as_read_touches_no_notification() {
    let view = readable(0..0);
    let mut fold = Notifications::load(&view, 1).unwrap();
    let up_to = Topic::Orders.at(0).offset(ENTRIES - 1);
    let said = Said::NotificationsRead(NotificationsRead { user_id: user(), up_to });
    let NewRecord { to, key, value, headers } = record(&said, Uuid::nil(), Timestamp::default(), "test", None, 1);
    let record = Record { offset: 0, recorded_at_ms: 0, key, value, headers };
    let read = Read::new(to, record, &StreamKey::default());
    assert_eq!(fold.apply(&view, &read, Arrived::Outside).unwrap(), Outcome::Applied);
    let mut changes = view.changes();
    fold.write_rows(&view, &mut changes).unwrap();
    assert_eq!(changes.len(), 1, "how far the user has read is one row");
    view.commit(changes, Bytes::new()).unwrap();
    let user = user();
    let direction = Direction::Descending;
    let unread = Inbox { user: &user, types: None, unread: true, direction, after: None, limit: 5 };
    assert_eq!(queries::inbox(&view.reader().unwrap(), &unread).unwrap(), (Vec::new(), None));
}

#[test]
fn entries_are_counted_from_an_offset_on_and_no_further_than_asked() {
    let view = readable(0..0);
    let mut changes = view.changes();
    changes.put_row(notification_key(&UserId::new("u2").unwrap(), ENTRIES - 1), &0_u8).unwrap();
    view.commit(changes, Bytes::new()).unwrap();
    let count = |from, max| queries::entries(&view.reader().unwrap(), &user(), from, max).unwrap();
    let all = usize::try_from(ENTRIES).unwrap();
    assert_eq!((count(0, usize::MAX), count(ENTRIES - 3, 9), count(ENTRIES, 9), count(5, 7)), (all, 3, 0, 7));
}

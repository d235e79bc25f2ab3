//! Rows of inboxes, users and webhooks, out of records.

use std::sync::Arc;

use bytes::Bytes;
use orderledger_domain::envelope::{self, Cause, Stamp};
use orderledger_domain::event::{AccountCredited, Event, EventType};
use orderledger_domain::ids::{Asset, UserId};
use orderledger_domain::money::Amount;
use orderledger_domain::position::{Position, Topic, TopicPartition};
use orderledger_domain::stream::StreamKey;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::event_log::{NewRecord, Record};
use orderledger_store::views::{Direction, Schema, View};
use uuid::Uuid;

use crate::notifications::calls::{Asked, CALLS_KEPT};
use crate::notifications::queries::{self, Inbox};
use crate::notifications::rows::{Muted, PREFERENCES_KEPT};
use crate::notifications::said::{
    Behind, DeliveryFailed, NotificationsRead, PreferencesSet, ResendRequested, Said, WebhookDeleted, WebhookMarked,
    WebhookSet, record,
};
use crate::notifications::{NOTIFIES, Notifications};
use crate::worker::fold::{Fold, Outcome};
use crate::worker::partition::Arrived;
use crate::worker::read::Read;

/// One partition a topic: every key's home.
pub(super) struct Fold1 {
    pub(super) view: Arc<View>,
    pub(super) fold: Notifications,
}

impl Fold1 {
    pub(super) fn new() -> Fold1 {
        let view = Arc::new(View::in_memory(Schema { name: Notifications::NAME, version: Notifications::SCHEMA }));
        let fold = Notifications::load(&view, 1).unwrap();
        Fold1 { view, fold }
    }

    fn take(&mut self, read: &Read, arrived: Arrived) -> Outcome {
        let outcome = self.fold.apply(&self.view, read, arrived).unwrap();
        let mut changes = self.view.changes();
        self.fold.write_rows(&self.view, &mut changes).unwrap();
        self.view.commit(changes, Bytes::new()).unwrap();
        outcome
    }

    pub(super) fn says(&mut self, offset: u64, said: &Said) -> Outcome {
        self.says_as(u128::from(offset) + 1, offset, said)
    }

    /// The call of that id.
    fn says_as(&mut self, id: u128, offset: u64, said: &Said) -> Outcome {
        let record = record(said, Uuid::from_u128(id), Timestamp::default(), "test", None, 1);
        self.take(&read(&record, offset), Arrived::Outside)
    }

    fn inbox(&self, unread: bool, direction: Direction, after: Option<u64>) -> (Vec<(u64, bool)>, Option<u64>) {
        let user = user();
        let asked = Inbox { user: &user, types: None, unread, direction, after, limit: 3 };
        let (page, next) = queries::inbox(&self.view.reader().unwrap(), &asked).unwrap();
        (page.into_iter().map(|one| (one.offset, one.is_read)).collect(), next)
    }
}

fn read(record: &NewRecord, offset: u64) -> Read {
    let NewRecord { to, key, value, headers } = record.clone();
    let recorded_at_ms = 1_700_000_000_000 + i64::try_from(offset).unwrap();
    Read::new(to, Record { offset, recorded_at_ms, key, value, headers }, &StreamKey::default())
}

pub(super) fn user() -> UserId {
    UserId::new("u1").unwrap()
}

pub(super) fn orders(offset: u64) -> Position {
    Topic::Orders.at(0).offset(offset)
}

fn credited(offset: u64) -> Read {
    let event = Event::AccountCredited(AccountCredited {
        user_id: user(),
        asset: Asset::USD,
        amount: Amount::from_units(10_000),
        request_id: Uuid::nil(),
    });
    let stamp = Stamp {
        cause: Cause { position: orders(offset), index: 0 },
        sequence: offset,
        prev: 0,
        key: None,
        takes: None,
    };
    let payload = envelope::payload_bytes(&event);
    let value = envelope::write_derived(EventType::AccountCredited, &payload, Timestamp::default(), &stamp, "intake");
    let to: TopicPartition = Topic::Orders.at(0);
    read(&NewRecord { to, key: Some(Bytes::from("u1")), value: Some(value.into()), headers: Vec::new() }, offset)
}

#[test]
fn an_inbox_holds_what_counts_and_says_what_is_read() {
    let mut one = Fold1::new();
    for offset in [3, 5, 8, 9] {
        assert_eq!(one.take(&credited(offset), Arrived::Derived), Outcome::Applied);
    }
    assert_eq!(one.take(&credited(11), Arrived::Outside), Outcome::Ignored, "an outsider's");
    assert_eq!(one.take(&credited(12), Arrived::Repeat { diverges: false }), Outcome::Ignored);
    let read = |up_to| Said::NotificationsRead(NotificationsRead { user_id: user(), up_to: orders(up_to) });
    assert_eq!(one.says(0, &read(5)), Outcome::Applied);
    assert_eq!(one.says(1, &read(2)), Outcome::Applied, "an older call makes nothing unread");
    let newest = one.inbox(false, Direction::Descending, None);
    assert_eq!(newest, (vec![(9, false), (8, false), (5, true)], Some(5)));
    assert_eq!(one.inbox(false, Direction::Descending, Some(5)), (vec![(3, true)], None));
    assert_eq!(one.inbox(true, Direction::Ascending, None), (vec![(8, false), (9, false)], None));
    assert_eq!(one.inbox(true, Direction::Descending, Some(9)), (vec![(8, false)], None));
}

#[test]
fn preferences_count_from_their_position_on_whatever_is_read_first() {
    let set = |muted: &[EventType], from| {
        let muted = muted.to_vec();
        Said::NotificationPreferencesSet(PreferencesSet { user_id: user(), muted, from: orders(from) })
    };
    let (mute, unmute) = (set(&[EventType::AccountCredited], 5), set(&[], 9));
    let (mut late, mut early) = (Fold1::new(), Fold1::new());
    early.says(0, &mute);
    early.says(1, &unmute);
    for offset in [3, 5, 8, 9] {
        late.take(&credited(offset), Arrived::Derived);
        early.take(&credited(offset), Arrived::Derived);
    }
    late.says(0, &mute);
    late.says(1, &unmute);
    for one in [&late, &early] {
        assert_eq!(one.inbox(false, Direction::Ascending, None).0, [(3, false), (9, false)]);
    }
    assert_eq!(late.view.digest().unwrap().digest, early.view.digest().unwrap().digest);
}

/// An older change that is forgotten doesn't bring back what was muted.
#[test]
fn what_was_muted_stays_so_however_often_preferences_change() {
    let mut one = Fold1::new();
    one.take(&credited(5), Arrived::Derived);
    for change in 0..=u64::try_from(PREFERENCES_KEPT).unwrap() {
        let muted = vec![EventType::AccountCredited, NOTIFIES[usize::try_from(change % 2).unwrap() + 1]];
        let set = PreferencesSet { user_id: user(), muted, from: orders(5 + change) };
        one.says(change, &Said::NotificationPreferencesSet(set));
    }
    assert_eq!(one.inbox(false, Direction::Ascending, None).0, []);
    let row = queries::user(&one.view.reader().unwrap(), &user()).unwrap();
    assert_eq!(row.preferences.len(), PREFERENCES_KEPT);
}

#[test]
fn a_users_call_that_is_made_again_late_changes_nothing() {
    let mut one = Fold1::new();
    let mute = |muted: &[EventType], from| {
        let muted = muted.to_vec();
        Said::NotificationPreferencesSet(PreferencesSet { user_id: user(), muted, from: orders(from) })
    };
    let read = |up_to| Said::NotificationsRead(NotificationsRead { user_id: user(), up_to: orders(up_to) });
    assert_eq!(one.says_as(71, 0, &mute(&[EventType::AccountCredited], 3)), Outcome::Applied);
    assert_eq!(one.says_as(72, 1, &mute(&[], 6)), Outcome::Applied);
    assert_eq!(one.says_as(73, 2, &read(6)), Outcome::Applied);
    assert_eq!(one.says_as(71, 3, &mute(&[EventType::AccountCredited], 9)), Outcome::Ignored);
    assert_eq!(one.says_as(73, 4, &read(9)), Outcome::Ignored);
    let row = queries::user(&one.view.reader().unwrap(), &user()).unwrap();
    assert_eq!((row.muted(), row.read_up_to), (Muted::default(), Some(6)));
    let first = row.preferences_calls.find(Uuid::from_u128(71)).unwrap();
    assert_eq!(first.asked, Asked::Mute([EventType::AccountCredited].into_iter().collect()));
    assert_eq!(first.at.offset, 0);
}

pub(super) fn webhook() -> WebhookSet {
    WebhookSet {
        webhook_id: Uuid::from_u128(7),
        url: "https://example.com/hook".to_owned(),
        user_id: None,
        event_types: Some(vec![EventType::OrderFilled]),
        secret_version: 1,
        previous_until: None,
        earlier: Vec::new(),
        key_fingerprint: "0011223344556677".to_owned(),
        from: vec![orders(4)],
    }
}

#[test]
fn a_webhook_is_marked_forward_alone_and_a_deleted_one_stays_so() {
    let (mut one, id) = (Fold1::new(), Uuid::from_u128(7));
    let row = |one: &Fold1| queries::webhook(&one.view.reader().unwrap(), id).unwrap();
    let marks = |one: &Fold1| queries::marks(&one.view.reader().unwrap(), id).unwrap();
    assert_eq!(one.says(0, &Said::WebhookDeleted(WebhookDeleted { webhook_id: id })), Outcome::Ignored, "of none");
    assert_eq!(one.says(1, &Said::WebhookSet(webhook())), Outcome::Applied);
    assert_eq!(marks(&one).next, [orders(4)], "it is told nothing of before");
    let mark = |next, behind: Vec<u64>| {
        let behind =
            behind.into_iter().map(|next| Behind { user_id: user(), next: orders(next), attempts: 2 }).collect();
        Said::WebhookMarked(WebhookMarked {
            webhook_id: id,
            next: vec![orders(next)],
            behind,
            ..WebhookMarked::default()
        })
    };
    assert_eq!(one.says(2, &mark(9, vec![6])), Outcome::Applied);
    assert_eq!(one.says(3, &mark(8, vec![])), Outcome::Ignored, "another server that is not so far");
    assert_eq!((marks(&one).next, marks(&one).behind), (vec![orders(9)], vec![(user(), orders(6), 2)]));
    let rotated = WebhookSet { secret_version: 2, from: vec![orders(90)], ..webhook() };
    assert_eq!(one.says(4, &Said::WebhookSet(rotated.clone())), Outcome::Applied);
    assert_eq!(row(&one).map(|row| (row.secret_version, row.from)), Some((2, vec![orders(4)])));
    assert_eq!(marks(&one).next, [orders(9)], "another secret changes nothing of how far it is");
    assert_eq!(one.says(5, &Said::WebhookDeleted(WebhookDeleted { webhook_id: id })), Outcome::Applied);
    for (offset, said) in [(6, Said::WebhookSet(rotated)), (7, mark(10, vec![]))] {
        assert_eq!(one.says(offset, &said), Outcome::Ignored);
    }
    assert!(row(&one).is_some_and(|row| row.is_deleted));
}

#[test]
fn no_call_that_is_repeated_takes_a_secret_back_or_asks_twice() {
    let (mut one, id) = (Fold1::new(), Uuid::from_u128(7));
    let version = |one: &Fold1| queries::webhook(&one.view.reader().unwrap(), id).unwrap().unwrap().secret_version;
    let rotated = |secret_version| Said::WebhookSet(WebhookSet { secret_version, ..webhook() });
    let again = |from, to| {
        let (from, to) = (orders(from), orders(to));
        Said::WebhookResendRequested(ResendRequested { webhook_id: id, user_id: None, from, to })
    };
    assert_eq!(one.says_as(70, 0, &Said::WebhookSet(webhook())), Outcome::Applied);
    assert_eq!(one.says_as(71, 1, &rotated(2)), Outcome::Applied);
    assert_eq!(one.says_as(72, 2, &again(4, 5)), Outcome::Applied);
    for (id, offset, said) in [
        (70, 3, Said::WebhookSet(webhook())),
        (71, 4, rotated(2)),
        (71, 5, rotated(3)),
        (72, 6, again(4, 5)),
        (90, 7, rotated(2)),
    ] {
        assert_eq!(one.says_as(id, offset, &said), Outcome::Ignored, "{said:?}");
    }
    assert_eq!((version(&one), queries::resends(&one.view.reader().unwrap(), id).unwrap().len()), (2, 1));
    // Loaded, it still knows them.
    one.fold = Notifications::load(&one.view, 1).unwrap();
    assert_eq!(one.says_as(71, 8, &rotated(3)), Outcome::Ignored);
    let row = queries::webhook(&one.view.reader().unwrap(), id).unwrap().unwrap();
    let asked: Vec<Asked> = [70, 71, 72].map(|id| row.calls.find(Uuid::from_u128(id)).unwrap().asked.clone()).into();
    let stretch = Asked::Resend { user_id: None, from: orders(4), to: orders(5) };
    assert_eq!(asked, [Asked::Register, Asked::Rotate, stretch]);
    assert_eq!(row.calls.newest().unwrap().at.offset, 2);
    for call in 0..u64::try_from(CALLS_KEPT).unwrap() {
        one.says(100 + call, &again(4, 5));
    }
    let row = queries::webhook(&one.view.reader().unwrap(), id).unwrap().unwrap();
    assert_eq!(row.calls.find(Uuid::from_u128(72)), None, "what is kept is bounded");
}

#[test]
fn what_others_write_counts_for_nothing() {
    let mut one = Fold1::new();
    let mut record = record(&Said::WebhookSet(webhook()), Uuid::nil(), Timestamp::default(), "test", None, 1);
    record.key = Some(Bytes::from("u1"));
    assert_eq!(one.take(&read(&record, 0), Arrived::Outside), Outcome::Ignored, "under another's key");
    for value in [None, Some(""), Some("{}"), Some("[]"), Some("\u{0}"), Some(r#"{"eventType":"WebhookSet"}"#)] {
        record.value = value.map(Bytes::from);
        assert_eq!(one.take(&read(&record, 1), Arrived::Outside), Outcome::Ignored, "{value:?}");
    }
}

/// What stands in logs is read for ever.
#[test]
fn records_have_these_bytes() {
    let value = |said: Said| {
        let record =
            record(&said, Uuid::from_u128(1), Timestamp::from_millis(1_700_000_000_000), "http", Some("ann"), 12);
        let text = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        let spoken = crate::notifications::said::read(Some(text.as_bytes())).unwrap();
        assert_eq!((spoken.event_id, spoken.said), (Uuid::from_u128(1), said));
        format!("{} {} {text}", record.to, String::from_utf8(record.key.unwrap().to_vec()).unwrap())
    };
    let id = Uuid::from_u128(7);
    let behind = vec![Behind { user_id: user(), next: orders(6), attempts: 2 }];
    let lines = [
        value(Said::NotificationsRead(NotificationsRead { user_id: user(), up_to: orders(5) })),
        value(Said::NotificationPreferencesSet(PreferencesSet {
            user_id: user(),
            muted: vec![EventType::OrderFilled],
            from: orders(5),
        })),
        value(Said::WebhookSet(webhook())),
        value(Said::WebhookDeleted(WebhookDeleted { webhook_id: id })),
        value(Said::WebhookMarked(WebhookMarked {
            webhook_id: id,
            next: vec![orders(9)],
            behind,
            ..WebhookMarked::default()
        })),
        value(Said::WebhookDeliveryFailed(DeliveryFailed {
            webhook_id: id,
            user_id: user(),
            position: orders(6),
            attempts: 14,
            error: "it answered 500".to_owned(),
        })),
        value(Said::WebhookResendRequested(ResendRequested {
            webhook_id: id,
            user_id: None,
            from: orders(5),
            to: orders(6),
        })),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r#"
notifications-4 u1 {"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2023-11-14T22:13:20Z","eventType":"NotificationsRead","payload":{"userId":"u1","upTo":"orders-0@5"},"metadata":{"version":"2.0","source":"http","actor":"ann"}}
notifications-4 u1 {"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2023-11-14T22:13:20Z","eventType":"NotificationPreferencesSet","payload":{"userId":"u1","muted":["OrderFilled"],"from":"orders-0@5"},"metadata":{"version":"2.0","source":"http","actor":"ann"}}
notifications-2 webhook:00000000-0000-0000-0000-000000000007 {"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2023-11-14T22:13:20Z","eventType":"WebhookSet","payload":{"webhookId":"00000000-0000-0000-0000-000000000007","url":"https://example.com/hook","eventTypes":["OrderFilled"],"secretVersion":1,"keyFingerprint":"0011223344556677","from":["orders-0@4"]},"metadata":{"version":"2.0","source":"http","actor":"ann"}}
notifications-2 webhook:00000000-0000-0000-0000-000000000007 {"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2023-11-14T22:13:20Z","eventType":"WebhookDeleted","payload":{"webhookId":"00000000-0000-0000-0000-000000000007"},"metadata":{"version":"2.0","source":"http","actor":"ann"}}
notifications-2 webhook:00000000-0000-0000-0000-000000000007 {"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2023-11-14T22:13:20Z","eventType":"WebhookMarked","payload":{"webhookId":"00000000-0000-0000-0000-000000000007","next":["orders-0@9"],"behind":[{"userId":"u1","next":"orders-0@6","attempts":2}]},"metadata":{"version":"2.0","source":"http","actor":"ann"}}
notifications-2 webhook:00000000-0000-0000-0000-000000000007 {"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2023-11-14T22:13:20Z","eventType":"WebhookDeliveryFailed","payload":{"webhookId":"00000000-0000-0000-0000-000000000007","userId":"u1","position":"orders-0@6","attempts":14,"error":"it answered 500"},"metadata":{"version":"2.0","source":"http","actor":"ann"}}
notifications-2 webhook:00000000-0000-0000-0000-000000000007 {"eventId":"00000000-0000-0000-0000-000000000001","timestamp":"2023-11-14T22:13:20Z","eventType":"WebhookResendRequested","payload":{"webhookId":"00000000-0000-0000-0000-000000000007","from":"orders-0@5","to":"orders-0@6"},"metadata":{"version":"2.0","source":"http","actor":"ann"}}
"#);
}

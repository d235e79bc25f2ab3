//! Types of what stands in `notifications`, which rows have no numbers for.

use super::super::queries::{EventsQuery, Types, events};
use super::*;

/// What a page-wise reading of the whole trail gives, as `topic/eventType` of the bytes.
fn found(reader: &ViewReader, types: Types) -> Vec<String> {
    let (mut found, mut query) = (Vec::new(), EventsQuery { types, ..EventsQuery::all(2) });
    loop {
        let page = events(reader, &query).unwrap();
        found.extend(page.records.iter().map(|record| {
            let text = String::from_utf8_lossy(record.value.as_deref().unwrap()).into_owned();
            let name = text.split(r#""eventType":""#).nth(1).and_then(|rest| rest.split('"').next());
            format!("{}/{}", record.position.topic.name(), name.unwrap_or("nothing that is known"))
        }));
        match page.next {
            Some(_) => query.after = page.next,
            None => return found,
        }
    }
}

#[test]
fn what_stands_in_notifications_is_found_by_its_type_and_nowhere_else() {
    let mut script = Script { now_ms: 1_000, ..Script::default() };
    let of_hook = |name: &str, payload: &str| {
        let id = Uuid::nil();
        format!(
            r#"{{"eventId":"{id}","timestamp":"2025-01-15T10:30:00Z","eventType":"{name}","payload":{payload},"metadata":{{"version":"2.0","source":"test"}}}}"#
        )
    };
    let deleted = of_hook("WebhookDeleted", r#"{"webhookId":"00000000-0000-0000-0000-000000000007"}"#);
    let read = of_hook("NotificationsRead", r#"{"userId":"u1","upTo":"orders-0@3"}"#);
    let user = UserId::new("u1").unwrap();
    script.outside(Topic::Orders.at(0), "u1", &deposit(&user));
    for _ in 0..3 {
        for text in [&deleted, &read] {
            script.append(Topic::Notifications.at(1), Some(b"webhook:7"), Some(text.as_bytes()), Vec::new());
        }
    }
    // The same elsewhere is no such record, and what can't be read is of no type.
    script.append(Topic::Orders.at(0), Some(b"u1"), Some(deleted.as_bytes()), Vec::new());
    script.append(Topic::Notifications.at(1), Some(b"u1"), Some(b"no record"), Vec::new());
    let reader = Trail::of(&script.reads()).reader();

    assert_eq!(found(&reader, named(&["WebhookDeleted"])), ["notifications/WebhookDeleted"; 3]);
    assert_eq!(found(&reader, named(&["WebhookMarked"])), [""; 0]);
    let both = named(&["DepositMade", "NotificationsRead"]);
    let three = ["notifications/NotificationsRead"; 3];
    assert_eq!(found(&reader, both), [&["orders/DepositMade"][..], &three].concat());
    assert_eq!(found(&reader, named(&["DepositMade"])), ["orders/DepositMade"]);
    assert_eq!(found(&reader, Types::ALL).len(), 9);
    assert_eq!(Types::from_name("WebhookForgotten"), None);
}

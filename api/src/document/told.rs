//! What the fields of notifications and webhooks mean.

use super::fields::Presence::{Always, Free, Null};
use super::fields::{Field, of};

pub(super) const TOLD: &[Field] = &[
    of("MarkReadBody", "upTo", "Position", Always, "The last one that is read, in the user's partition of `orders`."),
    of("SetNotificationPreferencesBody", "muted", "[]Text", Always, "Event types that the user isn't told of."),
    of("RegisterWebhookBody", "url", "Text", Always, "Where it is: https, and a public address."),
    of("RegisterWebhookBody", "userId", "UserId", Free, "Only this account's events; everybody's unless given."),
    of("RegisterWebhookBody", "eventTypes", "[]Text", Free, "Only these; all that users are told of unless given."),
    of("ResendToWebhookBody", "from", "Position", Always, "The first position, in a partition of `orders`."),
    of("ResendToWebhookBody", "to", "Position", Free, "The last one; `from` alone unless given."),
    of("ResendToWebhookBody", "userId", "UserId", Free, "Only this account's events."),
    of("Notification", "event", "Any", Null, "The event's record, byte for byte; null if it is no JSON."),
    of("Webhook", "userId", "UserId", Null, "The account whose events it is told alone."),
    of("Webhook", "eventTypes", "[]Text", Null, "The event types that it is told alone."),
    of("Webhook", "state", "Text", Always, "`active`, `retrying`, or `key-unknown` until its secret is rotated."),
    of("Webhook", "waiting", "Count", Always, "How many deliveries wait or are on their way."),
    of("Webhook", "error", "Text", Null, "Why the newest attempt failed."),
    of("DeadLetter", "attempts", "Count", Always, "How often it was tried."),
    of("DeadLetter", "error", "Text", Always, "What was wrong the last time."),
];

//! The calls about what users are told, and about webhooks.

use axum::routing;

use super::routes::{Call, Method, read, write};
use super::shapes::{DEAD_LETTERS, INBOX, LIST, POSITION, WEBHOOK};
use crate::{commands, queries};

/// All of them; a part of [`super::calls::calls`].
pub(super) const CALLS: &[Call] = &[
    read(
        "/v1/accounts/{userId}/notifications",
        "notifications",
        "What the account's user is told.",
        INBOX,
        LIST,
        || routing::get(queries::accounts::notifications::list),
    ),
    write(
        (Method::Post, "/v1/accounts/{userId}/notifications/read"),
        "markRead",
        "Everything up to a position is read.",
        &["upTo"],
        &["200"],
        &["readUpTo", "position"],
        || routing::post(commands::accounts::notifications::read),
    ),
    read(
        "/v1/accounts/{userId}/notifications/preferences",
        "notificationPreferences",
        "What the user isn't told.",
        POSITION,
        &["muted", "asOf"],
        || routing::get(queries::accounts::notifications::preferences),
    ),
    write(
        (Method::Put, "/v1/accounts/{userId}/notifications/preferences"),
        "setNotificationPreferences",
        "Sets what the user isn't told from then on.",
        &["muted"],
        &["200"],
        &["muted", "position"],
        || routing::put(commands::accounts::notifications::preferences),
    ),
    read("/v1/webhooks", "webhooks", "Who is told of what happens.", POSITION, LIST, || {
        routing::get(queries::webhooks::list)
    }),
    write(
        (Method::Post, "/v1/webhooks"),
        "registerWebhook",
        "Tells an address, signed, of what happens from then on.",
        &["url", "userId", "eventTypes"],
        &["201"],
        &["webhookId", "url", "secret", "secretVersion", "position"],
        || routing::post(commands::webhooks::register::post),
    ),
    read("/v1/webhooks/{webhookId}", "webhook", "One webhook, and how it is doing.", POSITION, WEBHOOK, || {
        routing::get(queries::webhooks::get)
    }),
    write(
        (Method::Delete, "/v1/webhooks/{webhookId}"),
        "deleteWebhook",
        "Tells it nothing any more.",
        &[],
        &["200"],
        &["webhookId", "position"],
        || routing::delete(commands::webhooks::delete::delete),
    ),
    write(
        (Method::Post, "/v1/webhooks/{webhookId}/rotate"),
        "rotateWebhookSecret",
        "Gives it another secret; the one before signs for a day more.",
        &[],
        &["200"],
        &["webhookId", "url", "secret", "secretVersion", "position"],
        || routing::post(commands::webhooks::rotate::post),
    ),
    read(
        "/v1/webhooks/{webhookId}/dead-letters",
        "webhookDeadLetters",
        "Its deliveries that were given up, in the order of their positions.",
        DEAD_LETTERS,
        LIST,
        || routing::get(queries::webhooks::dead_letters),
    ),
    write(
        (Method::Post, "/v1/webhooks/{webhookId}/resend"),
        "resendToWebhook",
        "Sends it a stretch of orders again, under the same webhook-ids.",
        &["from", "to", "userId"],
        &["202"],
        &["webhookId", "from", "to", "position"],
        || routing::post(commands::webhooks::resend::post),
    ),
];

//! given: records of `orders` and `notifications`; when: they are folded; then: inboxes, marks, deliveries.

mod again;
mod deliveries;
mod folding;
mod large;
mod webhooks;

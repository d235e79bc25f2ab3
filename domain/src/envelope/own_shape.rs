//! The quick way to read what this ledger writes itself, most of every log: its exact bytes, field after field, without
//! looking for anything.
//!
//! Whatever is not exactly of that shape is `None`, and the full reader decides. So nothing is accepted or refused here
//! that it would not, and what both read is equal: the tests of events hold both against each other.

use uuid::Uuid;

use super::cursor::Cursor;
use super::{Cause, Envelope, Stamp};
use crate::event::{
    AccountCredited, AmendAccepted, AmendRejected, CancelAccepted, CancelRejected, Deposit, Event, EventType,
    OrderAccepted, OrderAmendRequested, OrderAmended, OrderCancelRequested, OrderCanceled, OrderCreated, OrderExpired,
    OrderFilled, OrderRejected, Origin, Terms, TradeExecuted,
};
use crate::ids::KeyId;
use crate::position::Topic;
use crate::reason::{ExpireReason, Rejection};
use crate::terms::{Liquidity, OrderType, Side, TimeInForce};
use crate::timestamp::Timestamp;
use crate::version::Version;

/// A value that is exactly as the ledger writes it, of one of its frequent types and of a version that it writes.
pub(super) fn read(text: &str) -> Option<Envelope> {
    let c = &mut Cursor::new(text);
    let event_id = Uuid::try_parse(c.text("{\"eventId\":\"")?).ok()?;
    let event_type = EventType::from_name(c.text(",\"eventType\":\"")?)?;
    let timestamp = Timestamp::parse(c.text(",\"timestamp\":\"")?)?;
    c.literal(",\"payload\":")?;
    let event = match event_type {
        EventType::OrderFilled => filled(c),
        EventType::OrderCreated => created(c),
        EventType::OrderAccepted => accepted(c),
        EventType::OrderRejected => rejected(c),
        EventType::TradeExecuted => traded(c),
        EventType::OrderCanceled => canceled(c),
        EventType::OrderExpired => expired(c),
        EventType::OrderCancelRequested => cancel_requested(c),
        EventType::CancelAccepted => cancel_accepted(c),
        EventType::CancelRejected => cancel_rejected(c),
        EventType::OrderAmendRequested => amend_requested(c),
        EventType::AmendAccepted => amend_accepted(c),
        EventType::OrderAmended => amended(c),
        EventType::AmendRejected => amend_rejected(c),
        EventType::DepositMade => deposit(c),
        EventType::AccountCredited => credited(c),
        _ => None,
    }?;
    let version = match c.text("},\"metadata\":{\"version\":\"")? {
        "2.0" => Version::V2_0,
        "2.1" => Version::V2_1,
        _ => return None,
    };
    c.text(",\"source\":\"")?;
    let is_carried = version >= Version::V2_1;
    let correlation_id = if is_carried { c.optional(",\"correlationId\":\"", Cursor::parsed)? } else { None };
    let stamp = if event_type.origin() == Origin::Derived { Some(stamp(c)?) } else { None };
    c.literal("}}")?;
    c.end()?;
    Some(Envelope { version, event_id, event_type, timestamp, correlation_id, stamp, event: Ok(event) })
}

fn stamp(c: &mut Cursor<'_>) -> Option<Stamp> {
    let topic: Topic = c.parsed(",\"cause\":{\"topic\":\"")?;
    let (partition, offset) = (c.whole(",\"partition\":")?, c.whole(",\"offset\":")?);
    let cause = Cause { position: topic.at(partition).offset(offset), index: c.whole(",\"index\":")? };
    let sequence = c.whole("},\"sequence\":")?;
    let prev = super::read_digest(c.text(",\"prev\":\"")?)?;
    let key: Option<KeyId> = c.optional(",\"key\":\"", Cursor::parsed)?;
    // What it says is judged on the bytes of the record.
    c.optional(",\"seal\":\"", Cursor::text)?;
    Some(Stamp { cause, sequence, prev, key, takes: None })
}

fn side(c: &mut Cursor<'_>, before: &str) -> Option<Side> {
    c.one_of(before, &[Side::Buy, Side::Sell], Side::as_str)
}

fn order_type(c: &mut Cursor<'_>) -> Option<OrderType> {
    c.one_of(",\"orderType\":\"", &[OrderType::Limit, OrderType::Market], OrderType::as_str)
}

fn time_in_force(c: &mut Cursor<'_>, before: &str) -> Option<TimeInForce> {
    const ALL: [TimeInForce; 4] = [TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Day, TimeInForce::Fok];
    c.one_of(before, &ALL, TimeInForce::as_str)
}

fn created(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderCreated(OrderCreated {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        side: side(c, ",\"side\":\"")?,
        order_type: order_type(c)?,
        time_in_force: c.optional(",\"timeInForce\":\"", time_in_force)?,
        post_only: c.flag(",\"postOnly\":")?,
        quantity: c.quantity(",\"quantity\":")?,
        price: c.optional(",\"price\":", Cursor::price)?,
        max_cost: c.optional(",\"maxCost\":", Cursor::amount)?,
        client_order_id: c.optional(",\"clientOrderId\":\"", Cursor::parsed)?,
    }))
}

fn terms(c: &mut Cursor<'_>) -> Option<Terms> {
    Some(Terms {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        side: side(c, ",\"side\":\"")?,
        order_type: order_type(c)?,
        time_in_force: time_in_force(c, ",\"timeInForce\":\"")?,
        post_only: c.flag(",\"postOnly\":")?,
        quantity: c.quantity(",\"quantity\":")?,
        price: c.optional(",\"price\":", Cursor::price)?,
        max_cost: c.optional(",\"maxCost\":", Cursor::amount)?,
        client_order_id: c.optional(",\"clientOrderId\":\"", Cursor::parsed)?,
    })
}

fn accepted(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderAccepted(OrderAccepted {
        terms: terms(c)?,
        reserved: c.amount(",\"reserved\":")?,
        maker_bps: c.rate(",\"makerBps\":")?,
        taker_bps: c.rate(",\"takerBps\":")?,
    }))
}

fn rejected(c: &mut Cursor<'_>) -> Option<Event> {
    let terms = terms(c)?;
    let reason = rejection(c)?;
    Some(Event::OrderRejected(OrderRejected { terms, reason }))
}

fn filled(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderFilled(OrderFilled {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        side: side(c, ",\"side\":\"")?,
        trade_id: c.text(",\"tradeId\":\"")?.to_owned(),
        price: c.price(",\"price\":")?,
        quantity: c.quantity(",\"quantity\":")?,
        fee: c.amount(",\"fee\":")?,
        liquidity: c.one_of(",\"liquidity\":\"", &[Liquidity::Maker, Liquidity::Taker], Liquidity::as_str)?,
        cum_quantity: c.quantity(",\"cumQuantity\":")?,
        leaves_quantity: c.quantity(",\"leavesQuantity\":")?,
    }))
}

fn traded(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::TradeExecuted(TradeExecuted {
        trade_id: c.text("{\"tradeId\":\"")?.to_owned(),
        symbol: c.parsed(",\"symbol\":\"")?,
        book_seq: c.whole(",\"bookSeq\":")?,
        price: c.price(",\"price\":")?,
        quantity: c.quantity(",\"quantity\":")?,
        taker_side: side(c, ",\"takerSide\":\"")?,
        buy_user_id: c.parsed(",\"buyUserId\":\"")?,
        buy_order_id: c.parsed(",\"buyOrderId\":\"")?,
        sell_user_id: c.parsed(",\"sellUserId\":\"")?,
        sell_order_id: c.parsed(",\"sellOrderId\":\"")?,
    }))
}

fn canceled(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderCanceled(OrderCanceled {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        canceled_quantity: c.quantity(",\"canceledQuantity\":")?,
    }))
}

fn expired(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderExpired(OrderExpired {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        reason: c.one_of(",\"reason\":\"", ExpireReason::ALL, ExpireReason::as_str)?,
        expired_quantity: c.quantity(",\"expiredQuantity\":")?,
    }))
}

fn cancel_requested(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderCancelRequested(OrderCancelRequested {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
    }))
}

fn cancel_accepted(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::CancelAccepted(CancelAccepted {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        created: c.parsed(",\"created\":\"")?,
    }))
}

fn cancel_rejected(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::CancelRejected(CancelRejected {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        reason: rejection(c)?,
    }))
}

fn rejection(c: &mut Cursor<'_>) -> Option<Rejection> {
    c.one_of(",\"reason\":\"", Rejection::ALL, Rejection::as_str)
}

fn amend_requested(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderAmendRequested(OrderAmendRequested {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        quantity: c.optional(",\"quantity\":", Cursor::quantity)?,
        price: c.optional(",\"price\":", Cursor::price)?,
    }))
}

fn amend_accepted(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::AmendAccepted(AmendAccepted {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        quantity: c.quantity(",\"quantity\":")?,
        price: c.price(",\"price\":")?,
        extra_reserved: c.amount(",\"extraReserved\":")?,
        created: c.parsed(",\"created\":\"")?,
    }))
}

fn amended(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::OrderAmended(OrderAmended {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        symbol: c.parsed(",\"symbol\":\"")?,
        quantity: c.quantity(",\"quantity\":")?,
        price: c.price(",\"price\":")?,
        extra_reserved: c.amount(",\"extraReserved\":")?,
        leaves_quantity: c.quantity(",\"leavesQuantity\":")?,
    }))
}

fn amend_rejected(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::AmendRejected(AmendRejected {
        order_id: c.parsed("{\"orderId\":\"")?,
        user_id: c.parsed(",\"userId\":\"")?,
        reason: rejection(c)?,
        extra_reserved: c.amount(",\"extraReserved\":")?,
    }))
}

fn deposit(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::DepositMade(Deposit {
        user_id: c.parsed("{\"userId\":\"")?,
        asset: c.parsed(",\"asset\":\"")?,
        amount: c.amount(",\"amount\":")?,
    }))
}

fn credited(c: &mut Cursor<'_>) -> Option<Event> {
    Some(Event::AccountCredited(AccountCredited {
        user_id: c.parsed("{\"userId\":\"")?,
        asset: c.parsed(",\"asset\":\"")?,
        amount: c.amount(",\"amount\":")?,
        request_id: c.parsed(",\"requestId\":\"")?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_way_of_writing_is_read_and_no_other() {
        const FILLED: &str = r#"{"eventId":"9a71ec8a-02e4-50dd-aaca-e1783b2db18d","eventType":"OrderFilled","timestamp":"2025-01-15T10:30:00.120Z","payload":{"orderId":"12345","userId":"67890","symbol":"AAPL","side":"sell","tradeId":"AAPL-7","price":150.25,"quantity":100,"fee":0.5,"liquidity":"maker","cumQuantity":100,"leavesQuantity":40},"metadata":{"version":"2.0","source":"matching","cause":{"topic":"books","partition":3,"offset":1842,"index":1},"sequence":1843,"prev":"00abcdef01234567","key":"k2","seal":"9e7588c101d41e05"}}"#;
        const CANCEL: &str = r#"{"eventId":"12345678-9abc-4def-8123-456789abcdef","eventType":"OrderCancelRequested","timestamp":"2025-01-15T10:30:00Z","payload":{"orderId":"12345","userId":"67890"},"metadata":{"version":"2.0","source":"test"}}"#;
        assert!(read(FILLED).is_some() && read(CANCEL).is_some());
        let carried = |text: &str| {
            text.replacen("2.0", "2.1", 1).replacen("\"source\":\"", "\"source\":\"a\",\"correlationId\":\"", 1)
        };
        assert!(
            [FILLED, CANCEL].iter().all(|text| read(&carried(text)).is_some_and(|read| read.correlation_id.is_some()))
        );
        for (from, to) in [
            (":150.25", ": 150.25"),
            (":150.25", ":150.25000"),
            ("\"AAPL-7\"", "\"AAPL\\u002d7\""),
            (",\"key\"", ",\"x\":1,\"key\""),
            ("}}", "}} "),
            ("\"2.0\"", "\"1.0\""),
            ("\"2.0\"", "\"2.2\""),
            (",\"cause\"", ",\"correlationId\":\"a-1\",\"cause\""),
        ] {
            assert_eq!(read(&FILLED.replacen(from, to, 1)), None, "{to}");
        }
    }
}

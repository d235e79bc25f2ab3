//! What the order aggregate posts, and which answers it doesn't believe.

use super::*;
use crate::event::Terms;
use crate::position::Topic;
use crate::reason::Rejection;

fn quantity(shares: u64) -> Quantity {
    Quantity::new(shares).unwrap()
}

fn price(units: i128) -> Price {
    Price::from_units(units).unwrap()
}

fn amount(units: i128) -> Amount {
    Amount::from_units(units)
}

/// Ten shares at 1.0000, 10 and 100 basis points.
fn accepted(side: Side, order_type: OrderType) -> Order {
    let terms = Terms {
        order_id: OrderId::new("o").unwrap(),
        user_id: UserId::new("u").unwrap(),
        symbol: Symbol::new("AAPL").unwrap(),
        side,
        order_type,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        quantity: quantity(10),
        price: (order_type == OrderType::Limit).then(|| price(10_000)),
        max_cost: None,
        client_order_id: None,
    };
    let reserved = if side == Side::Buy { amount(101_000) } else { quantity(10).amount() };
    let (maker_bps, taker_bps) = (BasisPoints::new(10).unwrap(), BasisPoints::new(100).unwrap());
    Order::accept(&OrderAccepted { terms, reserved, maker_bps, taker_bps }, 4).0
}

/// Four of them at the limit, as the taker.
fn four(order: &Order) -> OrderFilled {
    OrderFilled {
        order_id: order.order_id.clone(),
        user_id: order.user_id.clone(),
        symbol: order.symbol,
        side: order.side,
        trade_id: "AAPL-1".to_owned(),
        price: price(10_000),
        quantity: quantity(4),
        fee: amount(400),
        liquidity: Liquidity::Taker,
        cum_quantity: quantity(4),
        leaves_quantity: quantity(6),
    }
}

fn lines(postings: &Postings) -> Vec<String> {
    let line =
        |p: &crate::account::Posting| format!("{} {} {} {}", p.account.as_str(), p.change, p.asset, p.reason.as_str());
    postings.iter().map(line).collect()
}

fn amend(to: i128, shares: u64, extra: i128) -> (AmendAccepted, OrderAmended, AmendRejected) {
    let (order_id, user_id) = (OrderId::new("o").unwrap(), UserId::new("u").unwrap());
    let symbol = Symbol::new("AAPL").unwrap();
    let (quantity, price, extra_reserved) = (quantity(shares), price(to), amount(extra));
    let created = Topic::Orders.at(0).offset(4);
    (
        AmendAccepted {
            order_id: order_id.clone(),
            user_id: user_id.clone(),
            symbol,
            quantity,
            price,
            extra_reserved,
            created,
        },
        OrderAmended {
            order_id: order_id.clone(),
            user_id: user_id.clone(),
            symbol,
            quantity,
            price,
            extra_reserved,
            leaves_quantity: quantity,
        },
        AmendRejected { order_id, user_id, reason: Rejection::OrderClosed, extra_reserved },
    )
}

#[test]
fn a_fill_moves_its_cost_and_its_fee_and_the_shares() {
    let mut buy = accepted(Side::Buy, OrderType::Limit);
    let cheaper = OrderFilled { price: price(9_000), fee: amount(360), ..four(&buy) };
    let expected = [
        "reserved -3.6 USD trade",
        "clearing 3.6 USD trade",
        "reserved -0.036 USD fee",
        "fees 0.036 USD fee",
        "reserved -0.404 USD release",
        "available 0.404 USD release",
        "clearing -4 AAPL trade",
        "available 4 AAPL trade",
    ];
    assert_eq!(lines(&buy.fill(&cheaper).unwrap()), expected);
    assert_eq!((buy.status, buy.held, buy.charged), (Status::PartiallyFilled, amount(60_600), amount(360)));
    let mut sell = accepted(Side::Sell, OrderType::Limit);
    let expected = [
        "reserved -4 AAPL trade",
        "clearing 4 AAPL trade",
        "clearing -4 USD trade",
        "available 4 USD trade",
        "available -0.04 USD fee",
        "fees 0.04 USD fee",
    ];
    assert_eq!(lines(&sell.fill(&four(&sell)).unwrap()), expected);
    assert_eq!(sell.held, quantity(6).amount());
}

#[test]
fn a_market_buy_keeps_what_is_left_of_its_budget_until_it_closes() {
    let mut buy = accepted(Side::Buy, OrderType::Market);
    buy.fill(&four(&buy)).unwrap();
    assert_eq!(buy.held, amount(60_600));
    let expected = ["reserved -6.06 USD release", "available 6.06 USD release"];
    assert_eq!(lines(&buy.close(Step::Expired).unwrap()), expected);
    assert_eq!((buy.status, buy.held, buy.leaves_quantity), (Status::Expired, Amount::ZERO, Quantity::ZERO));
}

#[test]
fn a_market_buy_that_is_filled_whole_gives_the_rest_of_its_budget_back() {
    let mut buy = accepted(Side::Buy, OrderType::Market);
    let (quantity, leaves_quantity) = (quantity(10), Quantity::ZERO);
    let all = OrderFilled {
        quantity,
        cum_quantity: quantity,
        leaves_quantity,
        price: price(9_000),
        fee: amount(900),
        ..four(&buy)
    };
    let postings = lines(&buy.fill(&all).unwrap());
    assert!(postings.contains(&"available 1.01 USD release".to_owned()), "{postings:?}");
    assert_eq!((buy.status, buy.held), (Status::Filled, Amount::ZERO));
}

#[test]
fn a_fill_that_the_rules_don_t_give_changes_nothing() {
    let order = accepted(Side::Buy, OrderType::Limit);
    let good = four(&order);
    let (overfilled, differs) = (Unexpected::Overfilled, Unexpected::FillDiffers);
    for (fill, expected) in [
        (OrderFilled { quantity: quantity(11), ..good.clone() }, overfilled),
        (OrderFilled { quantity: quantity(0), ..good.clone() }, overfilled),
        (OrderFilled { fee: amount(399), ..good.clone() }, differs),
        (OrderFilled { liquidity: Liquidity::Maker, ..good.clone() }, differs),
        (OrderFilled { leaves_quantity: quantity(5), ..good.clone() }, differs),
        (OrderFilled { cum_quantity: quantity(5), ..good.clone() }, differs),
        (OrderFilled { side: Side::Sell, ..good.clone() }, differs),
        (OrderFilled { price: price(20_000), fee: amount(800), ..good.clone() }, Unexpected::Overspent),
    ] {
        let mut filled = order.clone();
        assert_eq!(filled.fill(&fill), Err(expected), "{fill:?}");
        assert_eq!(filled, order);
    }
    let mut whole = order.clone();
    let all = OrderFilled {
        quantity: quantity(10),
        cum_quantity: quantity(10),
        leaves_quantity: quantity(0),
        fee: amount(1000),
        ..good
    };
    assert!(whole.fill(&all).is_ok());
    assert_eq!((whole.status, whole.held), (Status::Filled, Amount::ZERO));
}

#[test]
fn an_order_that_holds_too_little_or_has_no_price_is_not_believed() {
    let with = |side, held, limit: Option<Price>| {
        let mut order = accepted(side, OrderType::Limit);
        (order.held, order.price) = (amount(held), limit);
        let fill = four(&order);
        order.fill(&fill).map(drop)
    };
    let limit = Some(price(10_000));
    assert_eq!(with(Side::Buy, 101_000, None), Err(Unexpected::NoPrice));
    assert_eq!(with(Side::Buy, 100_999, limit), Err(Unexpected::Overspent));
    assert_eq!(with(Side::Buy, 101_000, limit), Ok(()));
    assert_eq!(with(Side::Sell, 39_999, limit), Err(Unexpected::Overspent));
    assert_eq!(with(Side::Sell, 40_000, limit), Ok(()));
    let mut dear = accepted(Side::Sell, OrderType::Limit);
    dear.charged = amount(-40_000);
    let fill = OrderFilled { fee: amount(40_400), ..four(&dear) };
    assert_eq!(dear.fill(&fill).map(drop), Err(Unexpected::Overspent), "the fee is more than the proceeds");
}

#[test]
fn an_amend_reserves_what_it_may_cost_more() {
    let (buy, sell) = (accepted(Side::Buy, OrderType::Limit), accepted(Side::Sell, OrderType::Limit));
    assert_eq!(sell.amend_extra(price(90_000), quantity(12)), quantity(2).amount());
    for (to, shares, expected) in [(10_000, 10, 0), (9_000, 10, 0), (11_000, 10, 10_100), (10_000, 12, 20_200)] {
        assert_eq!(buy.amend_extra(price(to), quantity(shares)), amount(expected), "{to} {shares}");
    }
    assert_eq!(buy.amend_extra(price(11_000), quantity(12)), amount(10_100 + 22_220));
    assert_eq!((buy.held_asset(), sell.held_asset()), (Asset::USD, sell.symbol.asset()));
    assert_eq!(buy.need(price(11_000), quantity(10)), amount(111_100));
    assert_eq!(buy.need(price(11_000), Quantity::ZERO), Amount::ZERO);
}

#[test]
fn an_answer_to_another_amend_than_the_oldest_is_not_believed() {
    let (asked, answer, refusal) = amend(11_000, 10, 10_100);
    let mut order = accepted(Side::Buy, OrderType::Limit);
    assert_eq!(order.amended(&answer), Err(Unexpected::NoSuchAmend));
    assert_eq!(order.amend_rejected(&refusal), Err(Unexpected::NoSuchAmend));
    let reserved = order.amend_accepted(&asked).unwrap();
    assert_eq!(lines(&reserved), ["available -1.01 USD amend_reserve", "reserved 1.01 USD amend_reserve"]);
    let before = order.clone();
    for other in [amend(11_001, 10, 10_100), amend(11_000, 9, 10_100), amend(11_000, 10, 10_101)] {
        assert_eq!(order.amended(&other.1), Err(Unexpected::NoSuchAmend));
    }
    assert_eq!(order.amend_rejected(&amend(11_000, 10, 10_101).2), Err(Unexpected::NoSuchAmend));
    assert_eq!(order, before);
    let mut poor = order.clone();
    poor.held = amount(100_999);
    assert_eq!(poor.amended(&answer), Err(Unexpected::Overspent));
    let mut refused = order.clone();
    let released = refused.amend_rejected(&refusal).unwrap();
    assert_eq!(lines(&released), ["reserved -1.01 USD release", "available 1.01 USD release"]);
    assert!(order.amended(&answer).unwrap().iter().next().is_none(), "all of it is needed");
    assert_eq!((order.held, order.price, order.undecided.len()), (amount(111_100), Some(price(11_000)), 0));
}

//! What trades, fees, budgets and amends do to balances and postings.

use orderledger_domain::account::LedgerAccount;
use orderledger_domain::event::{AccountAdjusted, Adjustment, AdjustmentRejected, Direction};

use super::*;
use crate::settlement::queries::{Page, adjustments, explain, postings, system_accounts};

/// Deposit 20,000; buy 100 at 150.25; sell 60 at 150.00; cancel the rest.
pub(super) fn trade() -> (Log, OrderCreated, OrderCreated) {
    let mut log = Log::default();
    log.fund("buyer", "USD", "20000");
    log.fund("seller", AAPL, "100");
    let buy = limit("buyer", "b", Side::Buy, 100, "150.25");
    let sell = limit("seller", "s", Side::Sell, 60, "150");
    log.place(&buy, "15025", (0, 0));
    log.place(&sell, "60", (0, 0));
    log.fill(&buy, "AAPL-1", (60, "150.25"), "0", Liquidity::Maker, (60, 40));
    log.fill(&sell, "AAPL-1", (60, "150.25"), "0", Liquidity::Taker, (60, 0));
    (log, buy, sell)
}

fn journal(reader: &ViewReader, of: &str) -> Vec<String> {
    let page = Page { direction: orderledger_store::views::Direction::Ascending, ..Page::newest(100) };
    let rows = postings(reader, &user(of), None, &page).unwrap().rows;
    let line = |row: &crate::settlement::queries::PostingRow| {
        let trade = row.trade_id.as_deref().unwrap_or("-");
        let (account, change, asset) = (row.account.as_str(), row.change, row.asset);
        let after = format!("{}={}+{}", row.balance.total(), row.balance.available, row.balance.reserved);
        format!("{} {account} {change} {asset} {} {trade} {after}", row.position.offset, row.reason.as_str())
    };
    rows.iter().map(line).collect()
}

#[test]
fn a_trade_moves_cash_and_shares_and_leaves_the_rest_reserved() {
    let (mut log, buy, _) = trade();
    let reader = log.look();
    assert_eq!(balances(&reader, "buyer"), "AAPL 60=60+0, USD 10985=4975+6010");
    assert_eq!(balances(&reader, "seller"), "AAPL 40=40+0, USD 9015=9015+0");
    assert_eq!(
        journal(&reader, "buyer"),
        [
            "1 available 20000 USD deposit - 20000=20000+0",
            "6 available -15025 USD reserve - 4975=4975+0",
            "6 reserved 15025 USD reserve - 20000=4975+15025",
            "10 reserved -9015 USD trade AAPL-1 10985=4975+6010",
            "10 available 60 AAPL trade AAPL-1 60=60+0",
        ]
    );
    assert_eq!(
        journal(&reader, "seller"),
        [
            "3 available 100 AAPL deposit - 100=100+0",
            "8 available -60 AAPL reserve - 40=40+0",
            "8 reserved 60 AAPL reserve - 100=40+60",
            "11 reserved -60 AAPL trade AAPL-1 40=40+0",
            "11 available 9015 USD trade AAPL-1 9015=9015+0",
        ]
    );
    let system = system_accounts(&reader).unwrap();
    let system = system
        .values()
        .flat_map(|system| system.iter())
        .map(|(account, asset, amount)| format!("{} {asset} {amount}", account.as_str()));
    let expected = ["clearing AAPL 0", "clearing USD 0", "outside AAPL -100", "outside USD -20000"];
    assert_eq!(system.collect::<Vec<_>>(), expected);
    log.ask_cancel(&buy);
    log.grant_cancel(&buy, 5);
    log.book(canceled(&buy, 40));
    assert_eq!(balances(&log.look(), "buyer"), "AAPL 60=60+0, USD 10985=10985+0");
    assert_zero_sum(&log.look());
}

#[test]
fn a_fee_costs_the_same_however_the_fills_split_it() {
    // 7 bps of 10 × 0.3333 is 0.0023331: charged as 0.0024 in all, the last fills paying less than the first.
    let mut log = Log::default();
    log.fund("b", "USD", "10");
    let buy = limit("b", "o", Side::Buy, 10, "0.3333");
    log.place(&buy, "3.3354", (3, 7));
    let mut fees = 0;
    for n in 1..=10_u64 {
        let due = (i128::from(n) * 3_333 * 7 + 9_999) / 10_000;
        let fee = Amount::from_units(due - fees).to_string();
        fees = due;
        log.fill(&buy, &format!("AAPL-{n}"), (1, "0.3333"), &fee, Liquidity::Taker, (n, 10 - n));
        assert_zero_sum(&log.look());
    }
    assert_eq!(fees, 24);
    assert_eq!(balances(&log.look(), "b"), "AAPL 10=10+0, USD 6.6646=6.6646+0");
    let order = crate::settlement::queries::order(&log.look(), &user("b"), &id("o")).unwrap().unwrap();
    assert_eq!((order.order.charged, order.average_price()), (amount("0.0024"), Some(amount("0.3333"))));
}

#[test]
fn an_amends_extra_is_held_beside_the_reserve_until_the_book_answers() {
    let mut log = Log::default();
    log.fund("b", "USD", "5000");
    let buy = limit("b", "o", Side::Buy, 10, "100");
    log.place(&buy, "1000", (0, 0));
    log.ask_amend(&buy, 20, "110");
    log.grant_amend(&buy, 20, "110", "1200");
    assert_eq!(balances(&log.look(), "b"), "USD 5000=2800+2200");
    log.book(amended(&buy, 20, "110", "1200", 20));
    assert_eq!(balances(&log.look(), "b"), "USD 5000=2800+2200");
    log.ask_amend(&buy, 5, "110");
    log.grant_amend(&buy, 5, "110", "0");
    log.book(amended(&buy, 5, "110", "0", 5));
    assert_eq!(balances(&log.look(), "b"), "USD 5000=4450+550");
    log.ask_amend(&buy, 6, "110");
    log.grant_amend(&buy, 6, "110", "110");
    log.fill(&buy, "AAPL-1", (5, "100"), "0", Liquidity::Taker, (5, 0));
    assert_eq!(balances(&log.look(), "b"), "AAPL 5=5+0, USD 4500=4390+110");
    log.book(amend_rejected(&buy, Rejection::OrderClosed, "110"));
    assert_eq!(balances(&log.look(), "b"), "AAPL 5=5+0, USD 4500=4500+0");
    assert_zero_sum(&log.look());
}

#[test]
fn a_market_buy_spends_its_budget_and_gives_the_rest_back() {
    let mut log = Log::default();
    log.fund("b", "USD", "1000");
    let mut buy = limit("b", "o", Side::Buy, 50, "1");
    (buy.order_type, buy.time_in_force, buy.price) = (OrderType::Market, Some(TimeInForce::Ioc), None);
    buy.max_cost = Some(amount("250"));
    log.place(&buy, "250", (10, 10));
    log.fill(&buy, "AAPL-1", (2, "100"), "0.2", Liquidity::Taker, (2, 48));
    assert_eq!(balances(&log.look(), "b"), "AAPL 2=2+0, USD 799.8=750+49.8");
    log.book(expired(&buy, ExpireReason::BudgetSpent, 48));
    assert_eq!(balances(&log.look(), "b"), "AAPL 2=2+0, USD 799.8=799.8+0");
    let order = crate::settlement::queries::order(&log.look(), &user("b"), &id("o")).unwrap().unwrap();
    assert_eq!(order.reason.map(crate::settlement::rows::Reason::as_str), Some("budget_spent"));
    assert_eq!(order.max_cost, Some(amount("250")));
    assert_zero_sum(&log.look());
}

#[test]
fn a_record_that_breaks_the_rules_of_money_changes_nothing() {
    type Break = fn(&mut Log, &OrderCreated) -> u64;
    let cases: [(Break, &str); 6] = [
        (
            |log, buy| log.fill(buy, "AAPL-2", (41, "150.25"), "0", Liquidity::Maker, (101, 0)),
            "OrderFilled of order b of buyer: a fill of more shares than the order has open",
        ),
        (
            |log, buy| log.fill(buy, "AAPL-2", (1, "150.25"), "0.01", Liquidity::Maker, (61, 39)),
            "OrderFilled of order b of buyer: a fill's fee or quantities differ from what the rules give",
        ),
        (
            |log, buy| log.fill(buy, "AAPL-2", (1, "151"), "0", Liquidity::Maker, (61, 39)),
            "OrderFilled of order b of buyer: more is spent or kept than the order holds",
        ),
        (
            |log, _| log.book(canceled(&limit("buyer", "x", Side::Buy, 1, "1"), 1)),
            "OrderCanceled of order x of buyer: no such order",
        ),
        (
            |log, buy| log.book(amended(buy, 1, "1", "0", 1)),
            "OrderAmended of order b of buyer: an answer to an amend that is not pending",
        ),
        (
            |log, _| {
                let more = limit("buyer", "more", Side::Buy, 100, "150.25");
                log.place(&more, "4975.0001", (0, 0))
            },
            "a reserve posting of -4975.0001 USD takes the available account below zero",
        ),
    ];
    for (act, expected) in cases {
        let (mut log, buy, _) = trade();
        act(&mut log, &buy);
        assert_eq!(log.refusal(), expected);
        // Nothing of it: the fold that met it writes the same rows as one that never did.
        let bad = log.records.pop().unwrap();
        let (clean, _) = fold(&log.records, 1000, false).unwrap();
        let view = empty_view();
        let (mut state, mut settlement) = (PartitionState::default(), Settlement::default());
        for read in &log.records {
            let arrived = state.take(read).unwrap();
            settlement.apply(&view, read, arrived).unwrap();
        }
        let arrived = state.take(&bad).unwrap();
        assert!(matches!(settlement.apply(&view, &bad, arrived), Err(Failure::Record(_))), "{expected}");
        let mut changes = view.changes();
        settlement.write_rows(&view, &mut changes).unwrap();
        view.commit(changes, "").unwrap();
        assert_eq!(view.compute_digest().unwrap().digest, clean.compute_digest().unwrap().digest, "{expected}");
    }
}

#[test]
fn a_correction_is_posted_against_the_account_of_adjustments_and_a_rejected_one_is_only_listed() {
    let mut log = Log::default();
    let first = log.fund("u", "USD", "100");
    let mut adjust = |direction, how_much: &str, corrects, rejection| {
        let adjustment = Adjustment {
            user_id: user("u"),
            asset: Asset::USD,
            direction,
            amount: amount(how_much),
            reason: format!("because of {how_much}"),
            corrects,
        };
        log.ask(Event::AdjustmentRequested(adjustment.clone()));
        let request_id = Uuid::from_u128(1);
        log.answer(match rejection {
            None => Event::AccountAdjusted(AccountAdjusted { adjustment, request_id }),
            Some(rejection) => Event::AdjustmentRejected(AdjustmentRejected { adjustment, rejection, request_id }),
        })
    };
    let debit = adjust(Direction::Debit, "30", Some(HOME.offset(first)), None);
    let refused = adjust(Direction::Debit, "71", None, Some(Rejection::InsufficientFunds));
    let credit = adjust(Direction::Credit, "5", None, None);
    let reader = log.look();
    assert_eq!(
        journal(&reader, "u"),
        [
            format!("{first} available 100 USD deposit - 100=100+0"),
            format!("{debit} available -30 USD adjustment - 70=70+0"),
            format!("{credit} available 5 USD adjustment - 75=75+0"),
        ]
    );
    let system: Vec<_> = system_accounts(&reader).unwrap()[&0].iter().collect();
    assert_eq!(
        system,
        [
            (LedgerAccount::Outside, Asset::USD, amount("100").negated()),
            (LedgerAccount::Adjustments, Asset::USD, amount("25")),
        ]
    );
    assert_zero_sum(&reader);
    let rows = adjustments(&reader, &user("u"), &Page::newest(10)).unwrap().rows;
    let said: Vec<_> = rows.iter().map(|row| (row.position.offset, row.change, row.corrects, row.rejection)).collect();
    let minus = |text: &str| amount(text).negated();
    assert_eq!(
        said,
        [
            (credit, amount("5"), None, None),
            (refused, minus("71"), None, Some(Rejection::InsufficientFunds)),
            (debit, minus("30"), Some(HOME.offset(first)), None),
        ]
    );
    let explained = explain(&reader, &user("u"), Asset::USD, None).unwrap();
    let reasons: Vec<&str> = explained.adjustments.iter().map(|row| row.reason.as_str()).collect();
    assert_eq!(reasons, ["because of 30", "because of 5"]);
    let before = crate::settlement::queries::Past::After(refused);
    assert_eq!(explain(&reader, &user("u"), Asset::USD, Some(before)).unwrap().adjustments.len(), 1);
}

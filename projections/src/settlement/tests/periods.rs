//! Statements of any stretch add up, and days begin and end where sessions closed.

use orderledger_domain::event::SessionClose;
use orderledger_domain::timestamp::Day;
use orderledger_store::views::Direction;

use super::history::busy;
use super::*;
use crate::settlement::queries::{
    Page, Period, balances_as_of, day_begin, day_end, period_postings, postings, sessions, statement,
};

#[test]
fn a_statement_of_any_stretch_adds_up_and_holds_its_postings() {
    let log = busy();
    let reader = log.look();
    let end = log.records.last().unwrap().position.offset + 1;
    let all = postings(&reader, &user("u"), None, &Page { direction: Direction::Ascending, ..Page::newest(10_000) });
    let all = all.unwrap().rows;
    for from in (0..=end).step_by(37) {
        for end in [from, from + 1, from + 40, end, end + 9] {
            let period = Period { from, end };
            let made = statement(&reader, &user("u"), period).unwrap();
            assert!(made.adds_up(), "{period:?}: {made:?}");
            for (asset, of) in &made.assets {
                let then = |end: u64| {
                    let account = end.checked_sub(1).map(|last| balances_as_of(&reader, &user("u"), last).unwrap());
                    account.map(|balances| balances.unwrap().account.balance(*asset)).unwrap_or_default()
                };
                assert_eq!((of.opening, of.closing), (then(from), then(period.end)), "{period:?} {asset}");
                let total = of.opening.total().plus(of.credit).plus(of.debit.negated());
                assert_eq!(total, of.closing.total(), "{period:?} {asset}");
            }
            let due: Vec<_> = all.iter().filter(|row| (from..period.end).contains(&row.position.offset)).collect();
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = period_postings(&reader, &user("u"), period, after, 7).unwrap();
                found.extend(page.rows);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), due, "{period:?}");
        }
    }
    assert_eq!(statement(&reader, &user("nobody"), Period { from: 0, end }).unwrap().assets.len(), 0);
}

fn close(log: &mut Log, symbols: Option<Vec<Symbol>>) -> (u64, u64) {
    let close = SessionClose { symbols };
    let asked = Event::SessionCloseRequested(close.clone());
    let event_id = Uuid::from_u128(u128::from(log.offset) + 1);
    let asked = log.ask_raw("_control", envelope::write_outside(event_id, log.time(), &asked, "test"));
    (asked, log.answer(Event::SessionClosed(close)))
}

#[test]
fn closes_are_listed_and_those_of_all_symbols_end_days() {
    const DAY_SECONDS: u64 = 86_400;
    let mut log = Log::default();
    // 2025-01-15, half past ten: the log's clock goes on by a second an offset.
    log.fund("u", "USD", "100");
    let first = close(&mut log, None);
    let of_one = close(&mut log, Some(vec![symbol()]));
    let again = close(&mut log, None);
    log.offset += 2 * DAY_SECONDS;
    log.fund("u", "USD", "1");
    let last = close(&mut log, None);
    let reader = log.look();
    let list = |page: &Page<u64>| {
        let listing = sessions(&reader, page).unwrap();
        let rows = listing.rows.into_iter();
        let row = |row: crate::settlement::queries::Session| {
            let at: Vec<String> = row.positions().map(|position| position.to_string()).collect();
            let day = row.day().map_or_else(|| "-".to_owned(), |day| day.to_string());
            (row.asked, at.join(","), day, row.symbols)
        };
        (rows.map(row).collect::<Vec<_>>(), listing.next)
    };
    let row = |(asked, at): (u64, u64), day: &str, symbols: Option<Vec<Symbol>>| {
        (asked, HOME.offset(at).to_string(), day.to_owned(), symbols)
    };
    let all = [
        row(last, "2025-01-17", None),
        row(again, "2025-01-15", None),
        row(of_one, "-", Some(vec![symbol()])),
        row(first, "2025-01-15", None),
    ];
    assert_eq!(list(&Page::newest(10)), (all.to_vec(), None));
    assert_eq!(list(&Page::newest(2)), (all[..2].to_vec(), Some(again.0)));
    let rest = Page { after: Some(again.0), ..Page::newest(2) };
    assert_eq!(list(&rest).0, all[2..]);
    let ascending = Page { direction: Direction::Ascending, after: Some(first.0), limit: 1 };
    assert_eq!(list(&ascending), (vec![all[2].clone()], Some(of_one.0)));
    for (day, begin, end) in [
        ("2025-01-14", None, None),
        ("2025-01-15", None, Some(again.1)),
        ("2025-01-16", Some(again.1), None),
        ("2025-01-17", Some(again.1), Some(last.1)),
        ("2025-01-18", Some(last.1), None),
    ] {
        let named = Day::parse(day).unwrap();
        assert_eq!(day_begin(&reader, 0, named).unwrap(), begin, "{day}");
        assert_eq!(day_end(&reader, 0, named).unwrap(), end, "{day}");
        assert_eq!(day_end(&reader, 1, named).unwrap(), None, "{day}");
    }
}

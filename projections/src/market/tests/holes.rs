//! What a discarded record leaves of a symbol's numbers.

use bytes::Bytes;
use orderledger_domain::entity::EntityKind;
use orderledger_domain::timestamp::Timestamp;
use orderledger_store::views::View;

use super::{Given, Log, SCHEMA, symbol};
use crate::market::Market;
use crate::worker::fold::Fold;
use crate::worker::partition::PartitionState;

#[test]
fn a_discarded_record_uses_up_the_numbers_that_it_stands_for() {
    let of = |symbol, book_seq| Some(Given(symbol, 1, 1, 2).event(book_seq));
    // After two trades of AAPL: the record that is discarded (none: the log lost it), and the number of the next trade.
    let table = [
        (of("AAPL", 3), 4),
        (of("AAPL", 2), 3),
        (of("AAPL", 5), 6),
        (of("AAPL", 1 << 40), 3),
        (of("MSFT", 3), 3),
        (None, 4),
    ];
    for (discarded, next) in table {
        let mut log = Log::of(&[Given("AAPL", 1, 1, 0), Given("AAPL", 1, 1, 1)]);
        let trade = discarded.clone().unwrap_or_else(|| Given("AAPL", 1, 1, 2).event(3));
        log.push_keyed(Bytes::from_static(b"AAPL"), trade, Timestamp::from_micros(2));
        let view = View::in_memory(SCHEMA);
        let (mut market, mut state) = (Market::load(&view, 1).unwrap(), PartitionState::default());
        let last = log.reads.pop().unwrap();
        for read in &log.reads {
            let arrived = state.take(read).unwrap();
            market.apply(&view, read, arrived).unwrap();
        }
        let arrived = state.take(&last).unwrap();
        let entity = EntityKind::Symbol.named("AAPL").unwrap();
        market.pass_over(&entity, last.position, arrived, discarded.is_some().then_some(&last));
        assert_eq!(market.tapes[&symbol()].last_book_seq() + 1, next, "{discarded:?}");
    }
}

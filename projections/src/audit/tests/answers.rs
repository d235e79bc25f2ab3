//! Random logs: every answer equals what a plain search through all records gives.

use orderledger_domain::event::EventType;
use orderledger_domain::position::Position;
use orderledger_store::views::Direction;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::super::StoredRecord;
use super::super::queries::{
    EventsQuery, HistoryQuery, Recent, SymbolQuery, chain_heads, events, history, record, records, visit_symbol,
};
use super::super::rows::TypeSet;
use super::*;

/// One step of a random log.
#[derive(Clone, Debug)]
enum Step {
    Deposit { user: u8, at_home: bool },
    CancelRequest { user: u8, order: u8, of_other: bool },
    Canceled { user: u8, order: u8, symbol: u8 },
    Trade { symbol: u8 },
    Control,
    Repeat { topic: usize, partition: u32 },
    Raw { topic: usize, partition: u32, key: Option<Vec<u8>>, value: Option<Vec<u8>>, header: bool },
    Skip { topic: usize, partition: u32, offsets: u64 },
    Time { ms: i64 },
}

pub(super) fn scripts(steps: usize) -> impl Strategy<Value = Script> {
    let (user, order, symbol, topic, partition) = (1_u8..4, 1_u8..4, 1_u8..3, 0_usize..4, 0..PARTITIONS);
    let key = prop_oneof![Just(None), Just(Some(b"u1".to_vec())), any::<Option<Vec<u8>>>()];
    let step = prop_oneof![
        4 => (user.clone(), prop::bool::weighted(0.8)).prop_map(|(user, at_home)| Step::Deposit { user, at_home }),
        4 => (user.clone(), order.clone(), prop::bool::weighted(0.2))
            .prop_map(|(user, order, of_other)| Step::CancelRequest { user, order, of_other }),
        4 => (user, order, symbol.clone()).prop_map(|(user, order, symbol)| Step::Canceled { user, order, symbol }),
        3 => symbol.prop_map(|symbol| Step::Trade { symbol }),
        1 => Just(Step::Control),
        2 => (topic.clone(), partition.clone()).prop_map(|(topic, partition)| Step::Repeat { topic, partition }),
        2 => (topic.clone(), partition.clone(), key, any::<Option<Vec<u8>>>(), any::<bool>())
            .prop_map(|(topic, partition, key, value, header)| Step::Raw { topic, partition, key, value, header }),
        1 => (topic, partition, 1_u64..50)
            .prop_map(|(topic, partition, offsets)| Step::Skip { topic, partition, offsets }),
        2 => (-20_i64..60).prop_map(|ms| Step::Time { ms }),
    ];
    prop::collection::vec(step, 1..steps).prop_map(script)
}

fn script(steps: Vec<Step>) -> Script {
    let mut script = Script { now_ms: 1_000, ..Script::default() };
    let at = |topic: usize, partition| Topic::ALL[topic].at(partition);
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Deposit { user: name, at_home } => {
                let (user, home) = (user(name), home(&user(name)));
                let to = if at_home { home } else { Topic::Orders.at(1 - home.partition) };
                script.outside(to, user.as_str(), &deposit(&user));
            }
            Step::CancelRequest { user: name, order: id, of_other } => {
                let named = if of_other { user(9) } else { user(name) };
                script.outside(home(&user(name)), user(name).as_str(), &cancel_request(&named, order(id)));
            }
            Step::Canceled { user: name, order: id, symbol: of } => {
                let (user, books) = (user(name), Topic::Books.at(u32::from(of) % PARTITIONS));
                script.derived(books, home(&user), user.as_str(), &canceled(&user, order(id), symbol(of)));
            }
            Step::Trade { symbol: of } => {
                let partition = u32::from(of) % PARTITIONS;
                let (from, to) = (Topic::Books.at(partition), Topic::Trades.at(partition));
                script.derived(from, to, symbol(of).as_str(), &trade(symbol(of), number as u64));
            }
            Step::Control => script.outside(Topic::Orders.at(0), "_control", &fees_requested()),
            Step::Repeat { topic, partition } => script.repeat(at(topic, partition)),
            Step::Raw { topic, partition, key, value, header } => {
                let header = header.then(|| ("trace".to_owned(), Bytes::from_static(&[0xff, 0])));
                script.append(at(topic, partition), key.as_deref(), value.as_deref(), header.into_iter().collect());
            }
            Step::Skip { topic, partition, offsets } => script.skip(at(topic, partition), offsets),
            Step::Time { ms } => script.now_ms += ms,
        }
    }
    script
}

/// All records with how they arrived, and the running maximum of the append time.
fn expected(reads: &[Read], arrivals: &[Arrived]) -> Vec<(StoredRecord, Read, Arrived)> {
    let mut newest = BTreeMap::new();
    let stored = reads.iter().zip(arrivals).map(|(read, arrived)| {
        let recorded_max = newest.entry(read.position.topic_partition()).or_insert(read.recorded_at);
        *recorded_max = read.recorded_at.max(*recorded_max);
        let stored = StoredRecord {
            position: read.position,
            recorded_at: read.recorded_at,
            recorded_max: *recorded_max,
            event_type: read.envelope.as_ref().ok().map(|envelope| envelope.event_type),
            key: read.key.clone(),
            value: read.value.clone(),
            headers: read.headers.clone(),
        };
        (stored, read.clone(), *arrived)
    });
    let mut stored: Vec<_> = stored.collect();
    stored.sort_by_key(|(stored, ..)| stored.position);
    stored
}

fn all_history(reader: &ViewReader, mut query: HistoryQuery<'_>) -> Vec<Position> {
    let mut positions = Vec::new();
    loop {
        let page = history(reader, &query).unwrap();
        assert!(page.records.len() <= query.limit);
        for there in page.records {
            positions.push(there.position);
            assert_eq!(record(reader, there.position).unwrap(), Some(there));
        }
        match page.next {
            Some(_) => query.after = page.next,
            None => return positions,
        }
    }
}

fn all_events(reader: &ViewReader, mut query: EventsQuery) -> Vec<StoredRecord> {
    let mut all = Vec::new();
    loop {
        let page = events(reader, &query).unwrap();
        assert!(page.records.len() <= query.limit);
        all.extend(page.records);
        match page.next {
            Some(_) => query.after = page.next,
            None => return all,
        }
    }
}

fn all_of_symbol(reader: &ViewReader, mut query: SymbolQuery) -> Vec<StoredRecord> {
    let mut all = Vec::new();
    loop {
        let before = all.len();
        query.after = visit_symbol(reader, &query, 1000, |_| u64::MAX, |record| all.push(record.clone())).unwrap();
        assert!(all.len() - before <= query.limit);
        if query.after.is_none() {
            return all;
        }
    }
}

fn names(read: &Read, symbol: Symbol) -> bool {
    let event = read.envelope.as_ref().ok().and_then(|envelope| envelope.event.as_ref().ok());
    event.is_some_and(|event| event.symbol() == Some(symbol))
}

fn check(script: &Script, limit: usize, window: (i64, i64)) {
    let reads = script.reads();
    let trail = Trail::of(&reads);
    let (reader, expected) = (trail.reader(), expected(&reads, &trail.arrivals));
    let (from, to) = (Timestamp::from_millis(window.0), Timestamp::from_millis(window.1));
    let in_window = |record: &StoredRecord| record.recorded_max >= from && record.recorded_max < to;
    let types: TypeSet = [EventType::DepositMade, EventType::OrderCanceled].into_iter().collect();
    let typed =
        |record: &StoredRecord| matches!(record.event_type, Some(EventType::DepositMade | EventType::OrderCanceled));

    // Room for a few records: others come and go.
    let recent = Recent::new(2048);
    for number in 1..4 {
        let user = user(number);
        let mine = |(stored, read, arrived): &&(StoredRecord, Read, Arrived)| {
            stored.position.topic_partition() == home(&user)
                && read.key.as_deref() == Some(user.as_str().as_bytes())
                && !matches!(arrived, Arrived::Repeat { .. })
        };
        let mine: Vec<_> = expected.iter().filter(mine).collect();
        let positions = |wanted: &dyn Fn(&StoredRecord, &Read) -> bool| -> Vec<Position> {
            mine.iter().filter(|(stored, read, _)| wanted(stored, read)).map(|(stored, ..)| stored.position).collect()
        };
        let everything = HistoryQuery {
            direction: Direction::Ascending,
            recent: (number < 3).then_some(&recent),
            ..HistoryQuery::of_user(&user, PARTITIONS, limit)
        };
        assert_eq!(all_history(&reader, everything), positions(&|_, _| true));
        let newest_first = HistoryQuery { direction: Direction::Descending, ..everything };
        let mut backwards = positions(&|_, _| true);
        backwards.reverse();
        assert_eq!(all_history(&reader, newest_first), backwards);
        let filtered = HistoryQuery { from: Some(from), to: Some(to), types, ..everything };
        assert_eq!(all_history(&reader, filtered), positions(&|stored, _| typed(stored) && in_window(stored)));
        let id = order(1);
        let names_it = |read: &Read| {
            let event = read.envelope.as_ref().ok().and_then(|envelope| envelope.event.as_ref().ok());
            event.is_some_and(|event| event.order_id() == Some(&id) && event.user_id() == Some(&user))
        };
        let of_order = HistoryQuery { order: Some(&id), ..everything };
        assert_eq!(all_history(&reader, of_order), positions(&|_, read| names_it(read)));
        let of_symbol = HistoryQuery { symbol: Some(symbol(1)), below: 40, ..everything };
        let due = positions(&|stored, read| stored.position.offset < 40 && names(read, symbol(1)));
        assert_eq!(all_history(&reader, of_symbol), due);
        let newest_first = HistoryQuery { direction: Direction::Descending, ..of_symbol };
        assert_eq!(all_history(&reader, newest_first), due.into_iter().rev().collect::<Vec<_>>());
    }

    let stored = |wanted: &dyn Fn(&StoredRecord, &Read) -> bool| -> Vec<StoredRecord> {
        let wanted = expected.iter().filter(|(stored, read, _)| wanted(stored, read));
        wanted.map(|(stored, ..)| stored.clone()).collect()
    };
    assert_eq!(all_events(&reader, EventsQuery::all(limit)), stored(&|_, _| true));
    let of_log = named(&["DepositMade", "OrderCanceled"]);
    let filtered = EventsQuery { types: of_log, since: Some(from), until: Some(to), ..EventsQuery::all(limit) };
    assert_eq!(all_events(&reader, filtered), stored(&|record, _| typed(record) && in_window(record)));
    let filtered = EventsQuery { symbol: Some(symbol(1)), ..EventsQuery::all(limit) };
    assert_eq!(all_events(&reader, filtered), stored(&|_, read| names(read, symbol(1))));
    for direction in [Direction::Ascending, Direction::Descending] {
        let (symbol, after) = (symbol(1), None);
        let query = SymbolQuery { symbol, from: Some(from), to: Some(to), types, direction, after, limit };
        let mut due = stored(&|record, read| names(read, symbol) && typed(record) && in_window(record));
        if direction == Direction::Descending {
            due.reverse();
        }
        assert_eq!(all_of_symbol(&reader, query), due, "{direction:?}");
    }
    let place = Topic::Orders.at(1);
    let filtered = EventsQuery { topic: Some(place.topic), partition: Some(1), from: 3, ..EventsQuery::all(limit) };
    let there = |record: &StoredRecord| record.position.topic_partition() == place && record.position.offset >= 3;
    assert_eq!(all_events(&reader, filtered), stored(&|record, _| there(record)));

    let sequential: Vec<_> = records(&reader, place, 3).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(sequential, stored(&|record, _| there(record)));
    for (stored, ..) in &expected {
        assert_eq!(record(&reader, stored.position).unwrap().as_ref(), Some(stored));
        let next = stored.position.topic_partition().offset(stored.position.offset + 1);
        let found = expected.iter().find(|(other, ..)| other.position == next).map(|(other, ..)| other.clone());
        assert_eq!(record(&reader, next).unwrap(), found);
    }
    check_chains(&reader, &expected);
}

fn check_chains(reader: &ViewReader, expected: &[(StoredRecord, Read, Arrived)]) {
    for head in chain_heads(reader).unwrap() {
        let records = expected.iter().map(|(stored, ..)| stored).filter(|it| it.position.topic_partition() == head.of);
        let (mut count, mut last, mut link) = (0, 0, [0_u8; 32]);
        for record in records {
            let mut bytes = link.to_vec();
            for part in [&record.key, &record.value] {
                match part {
                    None => bytes.extend([0xff; 4]),
                    Some(part) => {
                        bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
                        bytes.extend(part);
                    }
                }
            }
            (count, last, link) = (count + 1, record.position.offset, Sha256::digest(&bytes).into());
        }
        assert_eq!((head.count, head.last_offset, head.sha256), (count, last, link), "{}", head.of);
    }
    let partitions: std::collections::BTreeSet<_> =
        expected.iter().map(|(it, ..)| it.position.topic_partition()).collect();
    assert_eq!(chain_heads(reader).unwrap().len(), partitions.len());
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.records).finish()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn answers_are_those_of_a_plain_search(script in scripts(120), limit in 1_usize..9, from in 900_i64..1_500, ms in 0_i64..800) {
        check(&script, limit, (from, from + ms));
    }
}

#[test]
fn long_lists_and_many_blocks_answer_the_same() {
    let mut script = Script { now_ms: 1_000, ..Script::default() };
    for number in 0..1_700_u32 {
        // The third user's records are far from each other.
        let of_third = 2 * u8::from(number % 61 == 0);
        let (user, of) = (user((u8::from(number % 5 == 0) + 1).max(of_third + 1)), symbol(1));
        script.derived(
            Topic::Books.at(1),
            home(&user),
            user.as_str(),
            &canceled(&user, order((number % 2) as u8 + 1), of),
        );
        script.now_ms += i64::from(number % 7) - 2;
    }
    check(&script, 300, (1_200, 2_300));
    check(&script, 7, (1_000, 1_001));
    check_bounds(&script);
}

/// Three blocks of a list that have nothing of what is wanted are more than a page looks at.
fn check_bounds(script: &Script) {
    let reader = Trail::of(&script.reads()).reader();
    let (types, user, symbol) = ([EventType::TradeExecuted].into_iter().collect(), user(1), symbol(1));
    for direction in [Direction::Ascending, Direction::Descending] {
        let of_user = HistoryQuery { types, direction, ..HistoryQuery::of_user(&user, PARTITIONS, 9) };
        let page = history(&reader, &of_user).unwrap();
        assert!(page.records.is_empty() && page.next.is_some(), "{direction:?}: {page:?}");
        assert_eq!(all_history(&reader, of_user), []);
        let of_symbol = SymbolQuery { symbol, from: None, to: None, types, direction, after: None, limit: 9 };
        assert!(visit_symbol(&reader, &of_symbol, 1000, |_| u64::MAX, |_| {}).unwrap().is_some(), "{direction:?}");
        assert_eq!(all_of_symbol(&reader, of_symbol), []);
    }
    let of_log = EventsQuery { types: named(&["TradeExecuted"]), symbol: Some(symbol), ..EventsQuery::all(9) };
    let page = events(&reader, &of_log).unwrap();
    assert!(page.records.is_empty() && page.next.is_some(), "{page:?}");
    assert_eq!(all_events(&reader, of_log), []);
}

//! Small files, and the real ones where they are.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::BufReader;

use orderledger_domain::ids::Symbol;
use orderledger_domain::terms::Side;
use orderledger_domain::timestamp::Timestamp;

use super::super::step::{Ask, Orders, Step};
use super::super::trial::{Trial, shared_data};
use super::message::{self, Message};
use super::report::{Executions, Levels};
use super::rows::{self, Row};
use super::{Plan, Replay, Report};

const REAL: &str = "lobster_aapl_1000_l10/AAPL_2012-06-21_34200000_57600000";

fn symbol() -> Symbol {
    Symbol::new("AAPL").unwrap()
}

fn messages(text: &str) -> Vec<Option<Message>> {
    message::read(text.as_bytes(), Timestamp::default()).unwrap()
}

fn line(orders: &Orders, step: &Step) -> String {
    let order = orders.get(step.order).unwrap();
    match step.ask {
        Ask::Place => {
            let tif = order.time_in_force;
            format!("{} {} {} at {} {tif}", order.id, order.side, order.quantity, order.price)
        }
        Ask::Amend(total) => format!("{} now {total}", order.id),
        Ask::Cancel => format!("{} canceled", order.id),
    }
}

/// What a message file asks of the ledger, and what comes of it.
fn check(text: &str, whole_day: bool, expected: &[&str], report: Report) {
    let plan = Plan::new(&messages(text), symbol(), 2, whole_day).unwrap();
    let lines: Vec<String> = plan.steps.iter().map(|step| line(&plan.orders, step)).collect();
    assert_eq!(lines, expected);
    let mut trial = Trial::default();
    trial.take(&plan.orders, &plan.steps);
    assert_eq!(plan.report(&trial.outcome), report);
}

#[test]
fn every_type_of_message_is_its_step() {
    check(
        "Time,Type,Order ID,Size,Price,Direction\n\
         1.5,1,11,10,100000,-1\n\
         2.5,2,11,4,100000,-1\n\
         3.5,4,11,2,100000,-1\n\
         4.5,2,11,3,100000,-1\n\
         5,3,11,1,100000,-1\n\
         6,5,0,5,100000,1\n\
         7,7,0,0,-1,-1\n",
        false,
        &["11 sell 10 at 10 gtc", "11 now 6", "x4 buy 2 at 10 ioc", "11 now 3", "11 canceled"],
        Report {
            messages: 7,
            orders: 1,
            cancels: 1,
            reductions: 2,
            skipped: 2,
            trades: 1,
            executions: Executions { in_file: 1, reproduced: 1, at_named_order: 1 },
            levels: Levels::default(),
        },
    );
}

#[test]
fn an_order_from_outside_the_window_comes_with_all_that_is_taken_from_it() {
    // 5 is older than the first submit, 15 older than 20; 12 acts before any younger submit.
    check(
        "1,3,12,7,100000,1\n\
         2,1,10,1,99000,1\n\
         3,1,20,1,98000,1\n\
         4,4,5,2,100000,1\n\
         5,2,5,1,100000,1\n\
         6,2,15,1,97000,1\n\
         7,2,15,2,97000,1\n",
        false,
        &[
            "12 buy 7 at 10 gtc",
            "12 canceled",
            "5 buy 3 at 10 gtc",
            "10 buy 1 at 9.9 gtc",
            "15 buy 3 at 9.7 gtc",
            "20 buy 1 at 9.8 gtc",
            "x4 sell 2 at 10 ioc",
            "5 canceled",
            "15 now 2",
            "15 canceled",
        ],
        Report {
            messages: 7,
            orders: 5,
            cancels: 1,
            reductions: 3,
            skipped: 0,
            trades: 1,
            executions: Executions { in_file: 1, reproduced: 1, at_named_order: 1 },
            levels: Levels::default(),
        },
    );
}

#[test]
fn on_a_whole_day_an_order_is_as_large_as_what_is_taken_from_it() {
    check(
        "1,1,1,100,100000,1\n\
         2,1,2,100,100000,1\n\
         3,4,2,30,100000,1\n\
         4,2,2,20,100000,1\n",
        true,
        &["2 buy 50 at 10 gtc", "x3 sell 30 at 10 ioc", "2 canceled"],
        Report {
            messages: 4,
            orders: 1,
            cancels: 0,
            reductions: 1,
            skipped: 1,
            trades: 1,
            executions: Executions { in_file: 1, reproduced: 1, at_named_order: 1 },
            levels: Levels::default(),
        },
    );
}

#[test]
fn an_execution_elsewhere_or_in_part_is_not_reproduced() {
    let executions = |text: &str| {
        let plan = Plan::new(&messages(text), symbol(), 2, false).unwrap();
        let mut trial = Trial::default();
        trial.take(&plan.orders, &plan.steps);
        let Executions { in_file, reproduced, at_named_order } = plan.report(&trial.outcome).executions;
        (in_file, reproduced, at_named_order)
    };
    // The file names the later of two; a better price stands before it; it has less than that.
    assert_eq!(executions("1,1,1,5,100000,1\n2,1,2,5,100000,1\n3,4,2,5,100000,1\n"), (1, 1, 0));
    assert_eq!(executions("1,1,1,5,100100,1\n2,1,2,5,100000,1\n3,4,2,5,100000,1\n"), (1, 0, 0));
    assert_eq!(executions("1,1,1,5,100000,1\n2,4,1,6,100000,1\n"), (1, 0, 0));
}

/// Replays files over a bare book; gives the report and, for each message, what was asked and how it was corrected.
fn replay(messages: &[Option<Message>], rows: &[Row]) -> (Report, Vec<String>) {
    let mut replay = Replay::new(messages, rows, symbol(), 2).unwrap();
    let (mut trial, mut lines) = (Trial::default(), Vec::new());
    let joined = |replay: &Replay, steps: &[Step]| {
        steps.iter().map(|step| line(replay.orders(), step)).collect::<Vec<_>>().join(", ")
    };
    let seed = replay.seed().unwrap();
    lines.push(joined(&replay, &seed));
    trial.take(replay.orders(), &seed);
    while let Some(steps) = replay.next_message().unwrap() {
        let trades = trial.take(replay.orders(), &steps);
        let corrections = replay.compare(&trial.depth(Side::Buy), &trial.depth(Side::Sell), &trades).unwrap();
        assert_eq!(trial.take(replay.orders(), &corrections), []);
        lines.push(format!("{} | {}", joined(&replay, &steps), joined(&replay, &corrections)));
    }
    for need in replay.funding().needs() {
        let of = replay.orders().iter().filter(|order| order.side == need.side && order.owner == need.owner);
        let used: i128 = match need.side {
            Side::Buy => of.map(|order| order.price.times(order.quantity).units()).sum(),
            Side::Sell => of.map(|order| order.quantity.amount().units()).sum(),
        };
        assert!(used <= need.amount.units());
    }
    (replay.report(), lines)
}

#[test]
fn the_book_is_compared_with_each_row_and_corrected_to_it() {
    let messages = messages(
        "1,1,1,9,1,1\n\
         2,1,2,5,100100,1\n\
         3,4,2,3,100100,1\n\
         4,2,1,4,100000,1\n\
         5,3,2,2,100100,1\n\
         6,5,0,1,1,1\n",
    );
    let rows = rows::read(
        "ask1,size,bid1,size,ask2,size,bid2,size\n\
         110000,7,100000,9,9999999999,0,99000,8\n\
         110000,7,100100,5,9999999999,0,100000,9\n\
         110000,7,100100,2,9999999999,0,100000,9\n\
         110000,7,100100,2,9999999999,0,100000,5\n\
         110000,6,100000,5,9999999999,0,98000,1\n\
         110000,6,100000,5,9999999999,0,98000,1\n"
            .as_bytes(),
    )
    .unwrap();
    let (report, lines) = replay(&messages, &rows);
    assert_eq!(
        lines,
        [
            "s0 buy 9 at 10 gtc, s1 buy 8 at 9.9 gtc, s2 sell 7 at 11 gtc",
            "2 buy 5 at 10.01 gtc | ",
            "x3 sell 3 at 10.01 ioc | ",
            "s0 now 5 | ",
            "2 canceled | s1 canceled, s2 now 6, s5 buy 1 at 9.8 gtc",
            " | ",
        ]
    );
    let levels = Levels { rows: 5, equal: [4, 4, 0, 0, 0, 0, 0, 0, 0, 0] };
    let executions = Executions { in_file: 1, reproduced: 1, at_named_order: 1 };
    let expected =
        Report { messages: 6, orders: 1, cancels: 1, reductions: 1, skipped: 1, trades: 1, executions, levels };
    assert_eq!(report, expected);
}

#[test]
fn a_bad_line_is_named_with_what_to_do() {
    let good = "1,1,1,5,100000,1\n";
    for (line, expected) in [
        ("1,1,1,5,100000", "line 2: has less than time,type,order id,size,price,direction; correct or remove the line"),
        ("1,8,1,5,100000,1", "line 2: its type is none of 1 to 7; correct or remove the line"),
        ("x,1,1,5,100000,1", "line 2: its time is no number of seconds after midnight; correct or remove the line"),
        ("1,1,x,5,100000,1", "line 2: its order id is no whole number; correct or remove the line"),
        ("1,1,1,0,100000,1", "line 2: its size is not between 1 and 100000000000 shares; correct or remove the line"),
        (
            "1,1,1,5,0,1",
            "line 2: its price is not between 1 and 10000000000 (1/10000 dollars); correct or remove the line",
        ),
        ("1,1,1,5,100000,2", "line 2: its direction is neither 1 nor -1; correct or remove the line"),
    ] {
        let read = message::read(format!("{good}{line}\n").as_bytes(), Timestamp::default());
        assert_eq!(read.unwrap_err().to_string(), expected, "{line}");
    }
    let twice = Plan::new(&messages(&good.repeat(2)), symbol(), 2, false);
    assert_eq!(twice.unwrap_err().to_string(), "line 2: order 1 is submitted twice; is it the file of one day?");
    for (row, expected) in [
        ("1,2,3", "line 1: has not ask price,ask size,bid price,bid size for every level; correct the line"),
        ("2,1,1,1.5", "line 1: has a field that is no whole number; correct the line"),
        ("2,1,-1,1", "line 1: has a price out of bounds; correct the line"),
        ("2,-1,1,1", "line 1: has a size out of bounds; correct the line"),
        ("2,1,2,1", "line 1: is not the book of one moment, best level first; correct the line"),
    ] {
        assert_eq!(rows::read(row.as_bytes()).unwrap_err().to_string(), expected, "{row}");
    }
    let one = messages(good);
    let other = Replay::new(&one, &[], symbol(), 2);
    let expected = "the order book file has 0 rows for 1 messages; name the two files of the same day and level";
    assert_eq!(other.unwrap_err().to_string(), expected);
}

#[test]
fn the_day_stands_in_the_file_s_name() {
    let day = Timestamp::parse("2012-06-21T00:00:00Z");
    assert_eq!(message::midnight_of("AAPL_2012-06-21_34200000_57600000_message_10.csv"), day);
    assert_eq!(message::midnight_of("messages.csv"), None);
    let read = message::read("34200.004241176,1,1,5,100000,1".as_bytes(), day.unwrap()).unwrap();
    let time = read.first().copied().flatten().unwrap().time;
    assert_eq!(time.to_string(), "2012-06-21T09:30:00.004241Z");
}

fn real(part: &str) -> Option<BufReader<File>> {
    shared_data(&format!("{REAL}_{part}_10.csv")).map(|path| BufReader::new(File::open(path).unwrap()))
}

#[test]
fn the_real_messages_give_the_real_executions() {
    let Some(text) = real("message") else { return };
    let messages = message::read(text, Timestamp::default()).unwrap();
    let plan = Plan::new(&messages, symbol(), 500, false).unwrap();
    let mut trial = Trial::default();
    trial.take(&plan.orders, &plan.steps);
    let report = plan.report(&trial.outcome);
    let expected = Report {
        messages: 999,
        orders: 480,
        cancels: 369,
        reductions: 0,
        skipped: 61,
        trades: 98,
        executions: Executions { in_file: 98, reproduced: 98, at_named_order: 98 },
        levels: Levels::default(),
    };
    assert_eq!(report, expected);
}

#[test]
fn the_real_rows_are_the_book() {
    let (Some(messages), Some(rows)) = (real("message"), real("orderbook")) else { return };
    let messages = message::read(messages, Timestamp::default()).unwrap();
    let (report, _) = replay(&messages, &rows::read(rows).unwrap());
    let equal = [998, 998, 998, 998, 998, 998, 998, 998, 998, 984];
    assert_eq!(report.levels, Levels { rows: 998, equal });
    assert_eq!(report.executions, Executions { in_file: 98, reproduced: 98, at_named_order: 98 });
}

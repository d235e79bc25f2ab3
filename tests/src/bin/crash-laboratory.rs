//! The crash laboratory as a command: `crash-laboratory --seed N --kills N --log embedded|kafka`.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use orderledger_tests::kafka;
use orderledger_tests::laboratory::{LogKind, Setup, run};

const USAGE: &str = "crash-laboratory --seed N --kills N --log embedded|kafka [--audit-every N] [--fresh-every N] [--planted BUG]\n\
                     Kafka's address is in ORDERLEDGER_KAFKA. `orderledger-faults` is taken from beside this program.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Ok(setup) = setup(&arguments).map_err(|what| said(&format!("{what}\n{USAGE}"))) else {
        return ExitCode::from(2);
    };
    let begun = std::time::Instant::now();
    match run(&setup) {
        Ok(report) => {
            // Nobody reads it if stdout is gone.
            let _ = writeln!(
                stdout(),
                "seed {} on {:?} in {} s\n{report}",
                setup.seed,
                setup.log,
                begun.elapsed().as_secs()
            );
            ExitCode::SUCCESS
        }
        Err(failure) => {
            said(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn said(what: &str) {
    // Nobody reads it if stderr is gone.
    let _ = writeln!(stderr(), "{what}");
}

fn setup(arguments: &[String]) -> Result<Setup, String> {
    let beside = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = beside.with_file_name("orderledger-faults");
    if !program.is_file() {
        return Err(format!("{} is not there: build it first", program.display()));
    }
    let mut setup = Setup {
        seed: u64::from(std::process::id()),
        kills: 100,
        log: LogKind::Embedded,
        program,
        audit_every: 25,
        fresh_every: 2,
        planted: None,
        say: said,
    };
    let mut pairs = arguments.chunks_exact(2);
    for pair in &mut pairs {
        let [option, value] = pair else { continue };
        let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or(format!("{option} {value}"));
        match (option.as_str(), value.as_str()) {
            ("--seed", _) => setup.seed = value.parse().map_err(|_| format!("{option} {value}"))?,
            ("--kills", _) => setup.kills = number()?,
            ("--audit-every", _) => setup.audit_every = number()?,
            ("--fresh-every", _) => setup.fresh_every = number()?,
            ("--planted", _) => setup.planted = Some(value.clone()),
            ("--log", "embedded") => setup.log = LogKind::Embedded,
            ("--log", "kafka") => {
                let brokers = kafka::shared().ok_or("ORDERLEDGER_KAFKA is not set")?;
                setup.log = LogKind::Kafka { brokers };
            }
            _ => return Err(format!("{option} {value}")),
        }
    }
    if pairs.remainder().is_empty() { Ok(setup) } else { Err(format!("{:?} has no value", pairs.remainder())) }
}

//! The lives of the servers of one log, one after another, with an audit now and then.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use super::clients::Clients;
use super::damage::{Damage, copy_dir};
use super::flow::{SYMBOLS, USERS};
use super::ground::Ground;
use super::kills::{End, choose, is_of_a_rebuild};
use super::process::Process;
use super::{Report, Setup, checks};
use crate::auditor::Log;
use crate::client::Client;
use crate::dice::Dice;

const CLIENTS: usize = 6;
/// After kill -9 a server is ready within this.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// On Kafka the cluster has its say.
const READY_WITHIN_ON_KAFKA: Duration = Duration::from_secs(30);
/// How long a client waits for an answer of a server that may be stopped.
const ANSWERED_WITHIN: Duration = Duration::from_secs(8);
/// How long a life may go on beside a fail point that it doesn't pass.
const POINT_WITHIN: Duration = Duration::from_millis(1500);

/// One log, from its beginning to its last audit.
pub(super) fn live(
    setup: &Setup,
    kills: u64,
    ground: &Ground,
    dice: &mut Dice,
    report: &mut Report,
) -> Result<(), String> {
    let clients = Clients::default();
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            clients.fund();
        });
        for _ in 0..CLIENTS {
            let dice = dice.fork();
            scope.spawn(|| clients.work(dice));
        }
        let mut lives = Lives {
            setup,
            ground,
            clients: &clients,
            servers: if ground.has_log_file() { vec![None] } else { vec![None, None] },
            audited: Log::default(),
            kills: 0,
            kills_at_audit: 0,
            dice: dice.fork(),
            report,
        };
        let lived = lives.go_through(kills);
        clients.end();
        lived
    });
    let journal = clients.journal();
    report.count("requests", journal.len() as u64);
    report.count("answers", journal.iter().map(|asked| asked.answers.len() as u64).sum());
    run
}

struct Lives<'a> {
    setup: &'a Setup,
    ground: &'a Ground,
    clients: &'a Clients,
    /// The running servers; a second one only on Kafka.
    servers: Vec<Option<Process>>,
    /// The log at the last audit.
    audited: Log,
    kills: u64,
    kills_at_audit: u64,
    dice: Dice,
    report: &'a mut Report,
}

impl Lives<'_> {
    fn go_through(&mut self, kills: u64) -> Result<(), String> {
        while self.kills < kills {
            let server = if self.servers.len() > 1 && self.dice.percent(35) { 1 } else { 0 };
            self.one(server)?;
            self.clients.trouble()?;
            if self.kills >= self.kills_at_audit + self.setup.audit_every || self.kills >= kills {
                self.audit()?;
                self.kills_at_audit = self.kills;
            }
        }
        Ok(())
    }

    fn limit(&self) -> Duration {
        if self.ground.has_log_file() { READY_WITHIN } else { READY_WITHIN_ON_KAFKA }
    }

    fn show_clients(&self) {
        let client = |server: &Process| server.client(ANSWERED_WITHIN);
        self.clients.ask_at(self.servers.iter().flatten().map(client).collect());
    }

    /// One life of a server, to its end; another may go on beside it.
    fn one(&mut self, server: usize) -> Result<(), String> {
        // One that went on beside the others is killed where it is.
        if self.servers.get_mut(server).and_then(Option::take).is_some() {
            self.killed(None);
        }
        self.damage(server)?;
        let several = self.servers.iter().flatten().next().is_some();
        let end = choose(&mut self.dice, !self.ground.has_log_file(), several);
        let points = if let End::AtPoint(name, pass) = &end { format!("{name}={pass}") } else { String::new() };
        if let End::AtPoint(name, _) = &end {
            *self.report.armed.entry(name).or_default() += 1;
        }
        let mut process = self.ground.serve(server, &points)?;
        if let End::WhileStarting(after) = end {
            process.wait_for_end(after)?;
            process.kill();
            self.killed(None);
            return Ok(());
        }
        let Some(took) = process.wait_until_ready(self.limit())? else {
            self.killed(point_of(&end));
            return Ok(());
        };
        self.report.slowest_start = self.report.slowest_start.max(took);
        let client = process.client(ANSWERED_WITHIN);
        if let Some(slot) = self.servers.get_mut(server) {
            *slot = Some(process);
        }
        self.show_clients();
        checks::quick(&client)?;
        let is_wanted = point_of(&end).is_some_and(is_of_a_rebuild);
        if is_wanted || self.dice.percent(25) {
            self.rebuild(&client, is_wanted)?;
        }
        self.end(server, &end)
    }

    /// Asks for views to be made anew, or for the ones before, while everything goes on.
    fn rebuild(&mut self, client: &Client, wanted: bool) -> Result<(), String> {
        let calls = ["all/rebuild", "settlement/rebuild", "settlement/rollback", "audit/rollback"];
        let call = if wanted { "all/rebuild" } else { self.dice.pick(&calls) };
        // It may have been killed meanwhile.
        let asked = client.post(format!("/v1/projections/{call}"), &serde_json::json!({})).try_send();
        match asked.map(|answer| (answer.status, answer.body)) {
            Ok((202, _)) => self.report.count(format!("asked beside traffic: {call}"), 1),
            Ok((409, _)) | Err(_) => {}
            Ok((status, body)) => return Err(format!("{call} is answered {status}: {body}")),
        }
        Ok(())
    }

    fn end(&mut self, server: usize, end: &End) -> Result<(), String> {
        match end {
            End::AfterReady(after) => self.clients.wait_for_time(*after),
            End::AtPoint(..) => {
                let process = self.servers.get_mut(server).and_then(Option::as_mut);
                if process.map_or(Ok(false), |process| process.wait_for_end(POINT_WITHIN))? {
                    self.killed(point_of(end));
                    self.forget(server);
                    return Ok(());
                }
            }
            End::InOrder => {
                let process = self.servers.get_mut(server).and_then(Option::take);
                self.show_clients();
                self.report.count("ended by SIGTERM", 1);
                return process.map_or(Ok(()), |mut process| process.stop());
            }
            End::Zombie(stopped, after) => {
                self.signal(server, Signal::STOP)?;
                self.clients.wait_for_time(*stopped);
                self.signal(server, Signal::CONT)?;
                self.clients.wait_for_time(*after);
                self.report.count("stopped and continued", 1);
            }
            End::WhileStarting(_) => {}
        }
        // On Kafka a server may go on beside the next; not one that may still come to its fail point, in the middle of an audit.
        if self.servers.len() > 1 && !matches!(end, End::AtPoint(..)) && self.dice.percent(40) {
            return Ok(());
        }
        self.forget(server);
        self.killed(None);
        Ok(())
    }

    fn signal(&self, server: usize, signal: Signal) -> Result<(), String> {
        let process = self.servers.get(server).and_then(Option::as_ref);
        process.map_or(Ok(()), |process| process.signal(signal))
    }

    /// Kills a server, if it still runs.
    fn forget(&mut self, server: usize) {
        drop(self.servers.get_mut(server).and_then(Option::take));
        self.show_clients();
    }

    fn killed(&mut self, point: Option<&'static str>) {
        self.kills += 1;
        self.report.kills += 1;
        if let Some(point) = point {
            *self.report.at_points.entry(point).or_default() += 1;
        }
    }

    /// Now and then parts of a directory are lost, or come back from a backup, which is made now and then.
    fn damage(&mut self, server: usize) -> Result<(), String> {
        let (data, backup) = (self.ground.data(server), self.ground.beside(&format!("backup-{server}")));
        let failed = |error: std::io::Error| format!("{}: {error}", data.display());
        if !data.exists() {
            return Ok(());
        }
        if self.dice.percent(12) {
            let damage = Damage::choose(&mut self.dice);
            damage.inflict(&data, &backup, self.ground.has_log_file()).map_err(failed)?;
            self.report.count(format!("damaged: {damage:?}"), 1);
        }
        if self.dice.percent(10) && data.exists() {
            // The log is not part of it: it may not be lost.
            drop(fs::remove_dir_all(&backup));
            for part in ["stages", "views"].into_iter().filter(|part| data.join(part).is_dir()) {
                copy_dir(&data.join(part), &backup.join(part)).map_err(failed)?;
            }
            let ids = data.join("ids.redb");
            if ids.exists() {
                fs::create_dir_all(&backup).and_then(|()| fs::copy(ids, backup.join("ids.redb"))).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Everything at rest, audited.
    fn audit(&mut self) -> Result<(), String> {
        let mut asked: Vec<Client> = Vec::new();
        for server in 0..self.servers.len() {
            if self.servers.get(server).is_some_and(Option::is_none) {
                let mut process = self.ground.serve(server, "")?;
                let ready = process.wait_until_ready(self.limit())?;
                self.report.slowest_start = self.report.slowest_start.max(ready.unwrap_or_default());
                if let Some(slot) = self.servers.get_mut(server) {
                    *slot = Some(process);
                }
            }
            asked.extend(
                self.servers.get(server).and_then(Option::as_ref).map(|process| process.client(ANSWERED_WITHIN)),
            );
        }
        self.show_clients();
        self.clients.close()?;
        let mut shown = Vec::new();
        for _ in 0..2 {
            // What one of them still writes the other has to read.
            asked.iter().try_for_each(checks::settle)?;
        }
        for client in &asked {
            shown.push(checks::shown(client, &USERS, &SYMBOLS)?);
        }
        for server in 0..self.servers.len() {
            self.forget(server);
        }
        let log = self.ground.dump(0)?;
        checks::full(&log, &self.audited, self.clients, &shown, self.report)?;
        let (kills, records) = (self.report.kills, log.len());
        (self.setup.say)(&format!("{kills} of {} kills, {records} records audited", self.setup.kills));
        self.audited = log;
        for server in 0..self.servers.len() {
            checks::own(self.ground, server, &mut self.dice, self.report)?;
        }
        self.clients.open();
        Ok(())
    }
}

fn point_of(end: &End) -> Option<&'static str> {
    if let End::AtPoint(name, _) = end { Some(name) } else { None }
}

//! Waiting until nothing is on its way: every worker is past the end of every topic, and no topic grew meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use orderledger_domain::position::{Topic, TopicPartition};
use orderledger_projections::worker::progress::Progress;
use orderledger_store::Error;

use super::Ledger;

/// How long one wait lasts before the workers are looked at again.
const LOOK: Duration = Duration::from_millis(250);

impl Ledger {
    /// Waits until every worker has caught up with the log and the log stands still. Fails when a worker ended.
    pub async fn settled(&self, within: Duration) -> Result<(), Error> {
        let deadline = Instant::now() + within;
        // Projections that park read the decisions about it, too.
        let (of_settlement, of_market) = ([Topic::Orders, Topic::DeadLetters], [Topic::Trades, Topic::DeadLetters]);
        let of_notifications = [Topic::Orders, Topic::Notifications];
        let of_analytics = [Topic::Orders, Topic::Trades];
        loop {
            let ends = self.stages_settled(deadline).await?;
            self.reach(&self.settlement.live.load().progress, "settlement", &ends, &of_settlement, deadline).await?;
            self.reach(&self.market.live.load().progress, "market", &ends, &of_market, deadline).await?;
            self.reach(&self.audit.live.load().progress, "audit", &ends, &Topic::ALL, deadline).await?;
            let notifications = self.notifications.live.load().progress.clone();
            self.reach(&notifications, "notifications", &ends, &of_notifications, deadline).await?;
            self.reach(&self.analytics.live.load().progress, "analytics", &ends, &of_analytics, deadline).await?;
            if self.ends()? == ends {
                return Ok(());
            }
        }
    }

    /// Waits until the stages alone have caught up and the log stands still; where that is.
    pub async fn stages_settled(&self, deadline: Instant) -> Result<BTreeMap<TopicPartition, u64>, Error> {
        loop {
            let ends = self.ends()?;
            self.reach(&self.intake, "intake", &ends, &[Topic::Orders], deadline).await?;
            self.reach(&self.matching, "matching", &ends, &[Topic::Books], deadline).await?;
            if self.ends()? == ends {
                return Ok(ends);
            }
        }
    }

    /// Lets the projections rest for good: only the stages work. False if one of them didn't in time.
    pub fn rest_projections(&self, within: Duration) -> bool {
        self.views().iter().all(|handle| {
            let rest = handle.seat().rest.clone();
            rest.ask(within)
        })
    }

    /// The ends of all partitions.
    pub fn ends(&self) -> Result<BTreeMap<TopicPartition, u64>, Error> {
        let all = Topic::ALL.into_iter().flat_map(|topic| (0..self.partitions).map(move |p| topic.at(p)));
        all.map(|partition| Ok((partition, self.log.end_offset(partition)?))).collect()
    }

    async fn reach(
        &self,
        progress: &Progress,
        name: &str,
        ends: &BTreeMap<TopicPartition, u64>,
        topics: &[Topic],
        deadline: Instant,
    ) -> Result<(), Error> {
        let mut wanted = ends.iter().filter(|(partition, _)| topics.contains(&partition.topic));
        let reached = |standing: &orderledger_projections::worker::progress::Standing| {
            wanted.clone().all(|(partition, end)| standing.has_applied_below(*partition, *end))
        };
        loop {
            if progress.wait(LOOK, reached).await {
                return Ok(());
            }
            let standing = progress.standing();
            if standing.has_ended() {
                let what = format!("{name} ended before it had caught up: {:?}", standing.state);
                return Err(Error::closed(orderledger_store::At::Log, what));
            }
            if Instant::now() >= deadline {
                let behind = wanted.find(|(partition, end)| !standing.has_applied_below(**partition, **end));
                let what = format!("{name} did not catch up in time; it is behind at {behind:?}");
                return Err(Error::unavailable(orderledger_store::At::Log, what));
            }
        }
    }
}

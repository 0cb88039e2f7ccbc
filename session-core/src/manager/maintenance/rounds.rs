//! One node does each round of maintenance, and ends sessions only if its clock agrees with others.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::manager::manager::Inner;
use crate::store::{KEPT_ROUNDS, Round, StoreError};

/// By how much this node's clock may be ahead of that of another node, or of itself.
const MAX_AHEAD: Duration = Duration::from_secs(600);

/// After how many rounds of its own a node counts as the only one.
const ROUNDS_UNTIL_ALONE: u64 = KEPT_ROUNDS;

/// After how many rounds of its own a node leaves some to others, and how many: a node that is always
/// late would not be seen otherwise.
const ROUNDS_UNTIL_LEFT: u64 = 8;
const LEFT_ROUNDS: u32 = 2;

/// What a node knows of the rounds so far.
#[derive(Debug, Default)]
pub(super) struct RoundWatch {
    /// What was there at the last look.
    seen: Option<Look>,
    /// The last round that this node has claimed.
    claimed: Option<u64>,
    /// How many rounds it has claimed since it saw one of another node.
    own_rounds: u64,
    /// How many rounds it has left to others since its last one.
    left: u32,
    /// Whether the last round of another node that it saw agrees with its clock.
    is_confirmed: bool,
}

/// The latest round, and this node's clocks, when they were looked at.
#[derive(Debug, Clone, Copy)]
struct Look {
    latest: u64,
    wall: Timestamp,
    monotonic: Duration,
}

/// A round that this node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DueRound {
    /// Whether this node's clock is known to agree with others: one that is far ahead would end and
    /// delete everything.
    pub(super) is_trusted: bool,
}

impl RoundWatch {
    /// Claims a round, if no node has done one since the last look; `None` if one has.
    pub(super) async fn claim(&mut self, inner: &Inner) -> Result<Option<DueRound>, StoreError> {
        let (monotonic, wall) = (inner.clock.monotonic(), inner.now());
        let rounds = inner.bounded(inner.store.list_rounds(KEPT_ROUNDS)).await?;
        let latest = rounds.first().map_or(0, |round| round.number);
        let Some(seen) = self.seen.replace(Look { latest, wall, monotonic }) else {
            return Ok(None);
        };
        let passed = monotonic.saturating_sub(seen.monotonic);
        if wall.since(seen.wall).saturating_sub(passed) > MAX_AHEAD {
            tracing::warn!("this node's clock went ahead: others have to confirm it again");
            (self.is_confirmed, self.own_rounds) = (false, 0);
        }
        self.compare(inner, &rounds, seen.latest, passed);
        if latest != seen.latest || self.leaves_round() {
            return Ok(None);
        }
        let round = Round { number: latest + 1, at: inner.now() };
        if !inner.bounded(inner.store.claim_round(round)).await? {
            return Ok(None);
        }
        self.seen = Some(Look { latest: round.number, wall, monotonic });
        self.claimed = Some(round.number);
        self.own_rounds += 1;
        let is_alone = self.own_rounds > ROUNDS_UNTIL_ALONE;
        Ok(Some(DueRound { is_trusted: self.is_confirmed || is_alone }))
    }

    /// Returns whether this round is left to another node.
    const fn leaves_round(&mut self) -> bool {
        let is_due = self.own_rounds > 0 && self.own_rounds.is_multiple_of(ROUNDS_UNTIL_LEFT);
        self.left = if is_due && self.left < LEFT_ROUNDS { self.left + 1 } else { 0 };
        self.left > 0
    }

    /// Compares this node's clock with those of the nodes that claimed a round since the last look:
    /// they did so within the time that has passed since then.
    fn compare(&mut self, inner: &Inner, rounds: &[Round], seen: u64, passed: Duration) {
        let since = rounds.iter().filter(|round| round.number > seen);
        let Some(round) = since.max_by_key(|round| round.number) else { return };
        if self.claimed == Some(round.number) {
            return;
        }
        let ahead = inner.now().since(round.at).saturating_sub(passed);
        self.own_rounds = 0;
        self.is_confirmed = ahead <= MAX_AHEAD;
        if !self.is_confirmed {
            let seconds = ahead.as_secs();
            tracing::error!(
                seconds,
                "this node's clock is ahead of another's: it ends and deletes nothing"
            );
        }
    }
}

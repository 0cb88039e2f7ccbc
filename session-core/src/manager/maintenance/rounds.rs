//! One node does each round of maintenance, and ends sessions only if its clock agrees with others.

use std::time::Duration;

use crate::manager::manager::Inner;
use crate::store::{KEPT_ROUNDS, Round, StoreError};

/// By how much this node's clock may be ahead of that of another node.
const MAX_AHEAD: Duration = Duration::from_secs(600);

/// After how many rounds of its own a node counts as the only one.
const ROUNDS_UNTIL_ALONE: u64 = KEPT_ROUNDS;

/// What a node knows of the rounds so far.
#[derive(Debug, Default)]
pub(super) struct RoundWatch {
    /// The latest round at the last look, and the monotonic time of that look.
    seen: Option<(u64, Duration)>,
    /// The last round that this node has claimed.
    claimed: Option<u64>,
    /// How many rounds it has claimed since it saw one of another node.
    own_rounds: u64,
    /// Whether the last round of another node that it saw agrees with its clock.
    is_confirmed: bool,
}

/// A round that this node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DueRound {
    /// Whether it may end sessions by their timeouts: a clock that is far ahead would end all.
    pub(super) may_end: bool,
}

impl RoundWatch {
    /// Claims a round, if no node has done one since the last look; `None` if one has.
    pub(super) async fn claim(&mut self, inner: &Inner) -> Result<Option<DueRound>, StoreError> {
        let before = inner.clock.monotonic();
        let rounds = inner.bounded(inner.store.list_rounds(KEPT_ROUNDS)).await?;
        let latest = rounds.first().map_or(0, |round| round.number);
        let Some((seen, looked_at)) = self.seen.replace((latest, before)) else { return Ok(None) };
        self.compare(inner, &rounds, seen, before.saturating_sub(looked_at));
        if latest != seen {
            return Ok(None);
        }
        let round = Round { number: latest + 1, at: inner.now() };
        if !inner.bounded(inner.store.claim_round(round)).await? {
            return Ok(None);
        }
        self.seen = Some((round.number, before));
        self.claimed = Some(round.number);
        self.own_rounds += 1;
        let is_alone = self.own_rounds > ROUNDS_UNTIL_ALONE;
        Ok(Some(DueRound { may_end: self.is_confirmed || is_alone }))
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
            tracing::error!(seconds, "this node's clock is ahead of another's: it ends no session");
        }
    }
}

//! Ranks rows within their partitions.

use std::cmp::Ordering;

use session_core::policy::AdmittedSession;
use session_core::{EndReason, ProviderName, SessionId, Timestamp};
use uuid::Uuid;

use super::candidate::Candidate;
use super::settings::Cap;
use super::words::Count;

/// A row's rank in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rank {
    /// The place in the partition: 1 is the first to be kept.
    pub place: usize,
    /// The reason why the row leaves; `None` if it is kept.
    pub leaves: Option<EndReason>,
}

impl Rank {
    /// Returns whether the row is kept.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.leaves.is_none()
    }
}

/// Returns the rank of each row, in the order of `rows`, which must hold every row of each user and
/// provider among them.
///
/// Within a partition, usable rows come before the others unless [`Count::All`] is set; then newer
/// rows come before older ones; and of two rows with the same time, or with none, the one with the
/// higher key comes first. The order is total and does not depend on the order of `rows`. A row
/// whose provider is not a valid provider name has no limit.
#[must_use]
pub fn rank(cap: &Cap, rows: &[Candidate]) -> Vec<Rank> {
    let mut order: Vec<(usize, &Candidate)> = rows.iter().enumerate().collect();
    let count = cap.counted();
    order.sort_by(|(_, one), (_, other)| {
        partition(one).cmp(&partition(other)).then_with(|| age(one, other, count))
    });
    let mut ranks = vec![Rank { place: 0, leaves: None }; rows.len()];
    for members in order.chunk_by(|(_, one), (_, other)| partition(one) == partition(other)) {
        for (place, (at, _)) in members.iter().rev().enumerate() {
            if let Some(rank) = ranks.get_mut(*at) {
                rank.place = place + 1;
            }
        }
        for (at, reason) in leaving(cap, members) {
            if let Some(rank) = ranks.get_mut(at) {
                rank.leaves = Some(reason);
            }
        }
    }
    ranks
}

fn partition(row: &Candidate) -> (&str, &str, Option<&str>, Option<&str>) {
    (&row.user, &row.provider, row.account.as_deref(), row.client.as_deref())
}

/// Orders the rows of a partition: the oldest first.
fn age(one: &Candidate, other: &Candidate, count: Count) -> Ordering {
    let usable = match count {
        Count::Usable => one.is_usable.cmp(&other.is_usable),
        Count::All => Ordering::Equal,
    };
    // `None` sorts below every time.
    usable.then(one.newest.cmp(&other.newest)).then_with(|| one.key.cmp(&other.key))
}

/// Returns the rows that leave a partition, by the policy's own function; `members` are sorted, the
/// oldest first.
fn leaving(cap: &Cap, members: &[(usize, &Candidate)]) -> Vec<(usize, EndReason)> {
    let Some((_, first)) = members.first() else { return Vec::new() };
    let Ok(provider) = ProviderName::new(&first.provider) else { return Vec::new() };
    let admitted: Vec<AdmittedSession> =
        (0..).zip(members).map(|(place, _)| admitted_session(place)).collect();
    let evictions = cap.limit(&provider).excess(&admitted);
    evictions
        .into_iter()
        .filter_map(|eviction| {
            let place = usize::try_from(eviction.id.as_uuid().as_u128()).ok()?;
            Some((members.get(place)?.0, eviction.reason))
        })
        .collect()
}

/// Returns the member at a place; it has no id yet, so the place is used as the id.
const fn admitted_session(place: u64) -> AdmittedSession {
    let never = Timestamp::from_millis(0);
    let id = SessionId::from_uuid(Uuid::from_u128(place as u128));
    AdmittedSession { id, admission: place, last_seen_at: never, timeouts_from: never }
}

use std::cmp::Ordering;

use session_core::policy::AdmittedSession;
use session_core::{EndReason, ProviderName, SessionId, Timestamp};
use uuid::Uuid;

use super::candidate::Candidate;
use super::settings::Cap;
use super::words::Count;

/// Where a row stands in its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Its place, from 1 for the first that is kept.
    pub place: usize,
    /// Why it leaves, if it does.
    pub leaves: Option<EndReason>,
}

impl Standing {
    /// Whether the row is kept.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.leaves.is_none()
    }
}

/// Each row's standing, in the order of the rows, which are all rows of their pairs.
///
/// In a partition usable rows come before the others, unless all count alike; then the newer comes
/// first, and of two of one moment, or of none, the one with the higher key. So the order is total,
/// whatever order the rows come in. Rows whose provider cannot be a provider's name have no limit.
#[must_use]
pub fn standings(cap: &Cap, rows: &[Candidate]) -> Vec<Standing> {
    let mut order: Vec<(usize, &Candidate)> = rows.iter().enumerate().collect();
    let count = cap.counted();
    order.sort_by(|(_, one), (_, other)| {
        partition(one).cmp(&partition(other)).then_with(|| age(one, other, count))
    });
    let mut standings = vec![Standing { place: 0, leaves: None }; rows.len()];
    for members in order.chunk_by(|(_, one), (_, other)| partition(one) == partition(other)) {
        for (place, (at, _)) in members.iter().rev().enumerate() {
            if let Some(standing) = standings.get_mut(*at) {
                standing.place = place + 1;
            }
        }
        for (at, reason) in leaving(cap, members) {
            if let Some(standing) = standings.get_mut(at) {
                standing.leaves = Some(reason);
            }
        }
    }
    standings
}

fn partition(row: &Candidate) -> (&str, &str, Option<&str>) {
    (&row.user, &row.provider, row.account.as_deref())
}

/// The older first.
fn age(one: &Candidate, other: &Candidate, count: Count) -> Ordering {
    let usable = match count {
        Count::Usable => one.is_usable.cmp(&other.is_usable),
        Count::All => Ordering::Equal,
    };
    // `None` is below every moment.
    usable.then(one.newest.cmp(&other.newest)).then_with(|| one.key.cmp(&other.key))
}

/// Who leaves a partition, by the policy's own function; its members come the oldest first.
fn leaving(cap: &Cap, members: &[(usize, &Candidate)]) -> Vec<(usize, EndReason)> {
    let Some((_, first)) = members.first() else { return Vec::new() };
    let Ok(provider) = ProviderName::new(&first.provider) else { return Vec::new() };
    let occupants: Vec<AdmittedSession> =
        (0..).zip(members).map(|(place, _)| occupant(place)).collect();
    let departures = cap.limit(&provider).excess(&occupants);
    departures
        .into_iter()
        .filter_map(|departure| {
            let place = usize::try_from(departure.id.as_uuid().as_u128()).ok()?;
            Some((members.get(place)?.0, departure.reason))
        })
        .collect()
}

/// The member at a place, told apart by nothing else: it has no id yet.
const fn occupant(place: u64) -> AdmittedSession {
    let never = Timestamp::from_millis(0);
    let id = SessionId::from_uuid(Uuid::from_u128(place as u128));
    AdmittedSession { id, admission: place, last_seen_at: never, timeouts_from: never }
}

//! The rows of pairs that have many.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::TryStreamExt as _;
use sea_orm_migration::sea_orm::{DatabaseConnection, StreamTrait as _};
use sha2::{Digest as _, Sha256};

use super::pair::{PairCursor, PairSql};
use super::{decode, page};
use crate::source::SourceError;
use crate::source::bind::{Bound, ProviderSlot};
use crate::source::row::SourceRow;
use crate::sql::Query;

/// How many pairs a page has at most: each is a parameter.
const PAIRS: u64 = 5_000;

/// The pairs of user and provider that have more rows than was asked for.
#[derive(Clone, Default)]
pub struct CrowdedPairs(Vec<u128>);

impl CrowdedPairs {
    /// Whether this pair is one of them.
    #[must_use]
    pub fn contains(&self, user: &str, provider: &str) -> bool {
        self.0.binary_search(&hash(user.as_bytes(), provider.as_bytes())).is_ok()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for CrowdedPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrowdedPairs({})", self.0.len())
    }
}

/// Half of a digest: no two pairs of one database share it.
fn hash(user: &[u8], provider: &[u8]) -> u128 {
    let mut digest = Sha256::new();
    digest.update((user.len() as u64).to_be_bytes());
    digest.update(user);
    digest.update(provider);
    let half = digest.finalize().into_iter().take(16);
    half.fold(0, |hash, byte| hash << 8 | u128::from(byte))
}

/// Selects the crowded pairs, each with the number of its rows.
fn crowded(bound: &Bound, pair: &PairSql<'_>, more_than: u32, after: Option<&PairCursor>) -> Query {
    let mut query = Query::new(bound.dialect, "SELECT ");
    query.push(&pair.expressions()).push(", COUNT(*) FROM ").push(&bound.from);
    bound.push_filter(&mut query);
    pair.push_is_pair(&mut query);
    if let Some(after) = after {
        pair.push_after(&mut query, after);
    }
    query.push(&format!(" GROUP BY {} HAVING COUNT(*) > {more_than}", pair.ordinals()));
    query
}

pub(super) async fn pairs(
    bound: &Bound,
    connection: &DatabaseConnection,
    more_than: u32,
) -> Result<CrowdedPairs, SourceError> {
    let pair = PairSql::new(bound)?;
    let constant = match &bound.provider {
        ProviderSlot::Constant(name) => Some(name.as_bytes()),
        ProviderSlot::Column(_) => None,
    };
    let query = crowded(bound, &pair, more_than, None);
    let mut rows = connection.stream_raw(query.statement()).await?;
    let mut hashes = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let (found, _) = pair.counted(&row)?;
        hashes.push(hash(&found.user, constant.unwrap_or(&found.provider)));
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes.shrink_to_fit();
    Ok(CrowdedPairs(hashes))
}

pub(super) async fn page(
    bound: &Bound,
    connection: &DatabaseConnection,
    more_than: u32,
    after: Option<&PairCursor>,
    limit_rows: u32,
) -> Result<(Vec<SourceRow>, Option<PairCursor>), SourceError> {
    let pair = PairSql::new(bound)?;
    let most = (u64::from(limit_rows) / (u64::from(more_than) + 1)).clamp(1, PAIRS);
    let mut query = crowded(bound, &pair, more_than, after);
    query.push(&format!(" ORDER BY {} LIMIT {most}", pair.ordinals()));
    let rows = query.rows(connection).await?;
    let (mut chosen, mut sum) = (BTreeSet::new(), 0);
    for row in &rows {
        let (found, count) = pair.counted(row)?;
        if !chosen.is_empty() && sum + count > u64::from(limit_rows) {
            break;
        }
        sum += count;
        chosen.insert(found);
    }
    let is_last = chosen.len() == rows.len() && u64::try_from(rows.len()).is_ok_and(|n| n < most);
    let found = rows_of(bound, connection, &pair, &chosen).await?;
    Ok((found, chosen.pop_last().filter(|_| !is_last)))
}

/// All rows of these pairs.
async fn rows_of(
    bound: &Bound,
    connection: &DatabaseConnection,
    pair: &PairSql<'_>,
    chosen: &BTreeSet<PairCursor>,
) -> Result<Vec<SourceRow>, SourceError> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = page::select(bound, &pair.expressions());
    query.push(" FROM ").push(&bound.from);
    bound.push_filter(&mut query);
    let users: BTreeSet<&[u8]> = chosen.iter().map(|pair| pair.user.as_slice()).collect();
    pair.push_user_in(&mut query, &users.into_iter().collect::<Vec<_>>());
    let mut found = Vec::new();
    for row in query.rows(connection).await? {
        let (cells, is_orphan, mut reader) = page::cells(bound, &row)?;
        let of = pair.read(&mut reader)?;
        if chosen.contains(&of) {
            let row = decode::row(bound, cells, is_orphan);
            found.push((of, row.key.canonical(), row));
        }
    }
    found.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    Ok(found.into_iter().map(|(_, _, row)| row).collect())
}

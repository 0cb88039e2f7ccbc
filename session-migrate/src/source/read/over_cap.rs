//! The rows of over-cap partitions: users and providers with more rows than a number.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use futures_util::TryStreamExt as _;
use sea_orm_migration::sea_orm::{DatabaseConnection, StreamTrait as _};
use sha2::{Digest as _, Sha256};

use super::partition::{PartitionCursor, PartitionSql};
use super::{decode, page};
use crate::source::SourceError;
use crate::source::bind::{Bound, ProviderSlot};
use crate::source::row::SourceRow;
use crate::sql::Query;

/// How many partitions a page has at most: each is a parameter.
const MAX_PARTITIONS: u64 = 5_000;
const MAX_CHOSEN: usize = 5_000;

/// How many partitions are listed at once, and held in memory.
const MAX_LISTED: u64 = 50_000;

/// The partitions, of user and provider, that have more rows than a number.
#[derive(Clone, Default)]
pub struct OverCapPartitions(Vec<u128>);

impl OverCapPartitions {
    /// Returns whether this user and provider are one of them.
    #[must_use]
    pub fn contains(&self, user: &str, provider: &str) -> bool {
        self.0.binary_search(&hash(user.as_bytes(), provider.as_bytes())).is_ok()
    }

    /// Returns how many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for OverCapPartitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OverCapPartitions({})", self.0.len())
    }
}

/// Returns half of a digest, which no two partitions of a database share.
fn hash(user: &[u8], provider: &[u8]) -> u128 {
    let mut digest = Sha256::new();
    digest.update((user.len() as u64).to_be_bytes());
    digest.update(user);
    digest.update(provider);
    let half = digest.finalize().into_iter().take(16);
    half.fold(0, |hash, byte| hash << 8 | u128::from(byte))
}

/// Selects the over-cap partitions, each with the number of its rows.
fn over_cap(
    bound: &Bound,
    partition: &PartitionSql<'_>,
    more_than: u32,
    after: Option<&PartitionCursor>,
) -> Query {
    let mut query = Query::new(bound.dialect, "SELECT ");
    query.push(&partition.expressions()).push(", COUNT(*) FROM ").push(&bound.from);
    bound.push_filter(&mut query);
    partition.push_has_partition(&mut query);
    if let Some(after) = after {
        partition.push_after(&mut query, after);
    }
    query.push(&format!(" GROUP BY {} HAVING COUNT(*) > {more_than}", partition.ordinals()));
    query
}

pub(super) async fn partitions(
    bound: &Bound,
    connection: &DatabaseConnection,
    more_than: u32,
) -> Result<OverCapPartitions, SourceError> {
    let partition = PartitionSql::new(bound)?;
    let constant = match &bound.provider {
        ProviderSlot::Constant(name) => Some(name.as_bytes()),
        ProviderSlot::Column(_) => None,
    };
    let query = over_cap(bound, &partition, more_than, None);
    let mut rows = connection.stream_raw(query.statement()).await?;
    let mut hashes = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let (found, _) = partition.counted(&row)?;
        hashes.push(hash(&found.user, constant.unwrap_or(&found.provider)));
    }
    hashes.sort_unstable();
    hashes.dedup();
    hashes.shrink_to_fit();
    Ok(OverCapPartitions(hashes))
}

pub(super) async fn rows(
    bound: &Bound,
    connection: &DatabaseConnection,
    more_than: u32,
    after: Option<&PartitionCursor>,
    limit_rows: u32,
) -> Result<(Vec<SourceRow>, Option<PartitionCursor>), SourceError> {
    let most = (u64::from(limit_rows) / (u64::from(more_than) + 1)).clamp(1, MAX_PARTITIONS);
    let reader = OverCapReader { most, ..OverCapReader::new(more_than) };
    let mut reader = reader.from(after.cloned());
    let found = reader.next(bound, connection, limit_rows, |row| row).await?.unwrap_or_default();
    let next = reader.position().cloned();
    Ok((found, next))
}

/// Reads over-cap partitions page by page, and lists those of many pages at once: each listing reads
/// the whole table.
#[derive(Debug)]
pub(crate) struct OverCapReader {
    more_than: u32,
    /// How many partitions one statement lists.
    most: u64,
    /// The partitions that are listed and not read yet, with the numbers of their rows.
    listed: VecDeque<(PartitionCursor, u64)>,
    /// The last partition that was listed.
    after: Option<PartitionCursor>,
    /// The last partition that was read.
    last: Option<PartitionCursor>,
    /// Whether there are none after those that are listed.
    is_at_end: bool,
}

impl OverCapReader {
    /// Creates a reader of the partitions that have more rows than a number.
    pub(crate) const fn new(more_than: u32) -> Self {
        let listed = VecDeque::new();
        Self { more_than, most: MAX_LISTED, listed, after: None, last: None, is_at_end: false }
    }

    /// Returns this reader at a position that an earlier one returned.
    pub(crate) fn from(mut self, position: Option<PartitionCursor>) -> Self {
        self.after = position;
        self
    }

    /// Returns the position after the last partition that was read; `None` at the end.
    pub(crate) fn position(&self) -> Option<&PartitionCursor> {
        self.last.as_ref().filter(|_| !(self.is_at_end && self.listed.is_empty()))
    }

    /// Reads whole partitions with about `limit_rows` rows, at least one, in their order; the rows of
    /// each in the order of the key, each passed to `work`. Returns `None` at the end.
    pub(super) async fn next<T>(
        &mut self,
        bound: &Bound,
        connection: &DatabaseConnection,
        limit_rows: u32,
        work: impl Fn(SourceRow) -> T + Send,
    ) -> Result<Option<Vec<T>>, SourceError> {
        let partition = PartitionSql::new(bound)?;
        if self.listed.is_empty() {
            self.list(bound, connection, &partition).await?;
        }
        let (mut chosen, mut sum) = (BTreeSet::new(), 0);
        while let Some((_, count)) = self.listed.front() {
            let is_full = sum + count > u64::from(limit_rows) || chosen.len() >= MAX_CHOSEN;
            if !chosen.is_empty() && is_full {
                break;
            }
            sum += count;
            chosen.extend(self.listed.pop_front().map(|(found, _)| found));
        }
        let Some(last) = chosen.last() else { return Ok(None) };
        self.last = Some(last.clone());
        rows_of(bound, connection, &partition, &chosen, work).await.map(Some)
    }

    async fn list(
        &mut self,
        bound: &Bound,
        connection: &DatabaseConnection,
        partition: &PartitionSql<'_>,
    ) -> Result<(), SourceError> {
        if self.is_at_end {
            return Ok(());
        }
        let mut query = over_cap(bound, partition, self.more_than, self.after.as_ref());
        query.push(&format!(" ORDER BY {} LIMIT {}", partition.ordinals(), self.most));
        for row in query.rows(connection).await? {
            self.listed.push_back(partition.counted(&row)?);
        }
        self.is_at_end = u64::try_from(self.listed.len()).is_ok_and(|listed| listed < self.most);
        self.after = self.listed.back().map(|(last, _)| last.clone());
        Ok(())
    }
}

/// Reads all rows of these partitions, and passes each to `work`.
async fn rows_of<T>(
    bound: &Bound,
    connection: &DatabaseConnection,
    partition: &PartitionSql<'_>,
    chosen: &BTreeSet<PartitionCursor>,
    work: impl Fn(SourceRow) -> T + Send,
) -> Result<Vec<T>, SourceError> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = page::select(bound, &partition.expressions());
    query.push(" FROM ").push(&bound.from);
    bound.push_filter(&mut query);
    let users: BTreeSet<&[u8]> = chosen.iter().map(|partition| partition.user.as_slice()).collect();
    partition.push_user_in(&mut query, &users.into_iter().collect::<Vec<_>>());
    let mut found = Vec::new();
    for row in query.rows(connection).await? {
        let (cells, is_orphan, mut reader) = page::cells(bound, &row)?;
        let of = partition.read(&mut reader)?;
        if chosen.contains(&of) {
            let row = decode::row(bound, cells, is_orphan);
            let key = row.key.canonical();
            found.push((of, key, work(row)));
        }
    }
    found.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    Ok(found.into_iter().map(|(_, _, row)| row).collect())
}

//! A prune from its settings to its report.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use session_core::clock::{Clock, SystemClock};
use uuid::Uuid;

use super::archive::Archive;
use super::error::{PruneError, PruneErrorKind};
use super::policy_rank;
use super::referrers::require_none;
use super::remove::{Remover, VictimBatch};
use super::report::{
    ProviderPrune, PrunePlan, PruneProgress, PruneReport, PruneVictim, ReferringRows,
};
use super::sql_rank::SqlRank;
use super::survey::Survey;
use super::table::{PrunableTable, check};
use super::victims::VictimTable;
use crate::cap::Cap;
use crate::options::Layout;
use crate::source::{Codecs, Mapping, SourceKey};
use crate::sql::{Cell, CellReader, ColumnKind, Query, Schema, connect_read_only};

/// How long a batch may block other writers. Much shorter batches cost more than they save, because
/// each writes the same pages of the indexes again.
const MAX_BATCH_TIME: Duration = Duration::from_secs(2);

/// How often rows that other connections change during the run are ranked again.
const MAX_ROUNDS: u32 = 10;

/// Enforces a cap in place on one mapped table.
#[derive(Debug, Clone)]
#[must_use]
pub struct Prune {
    url: String,
    mapping: Mapping,
    codecs: Codecs,
    cap: Cap,
    batch: NonZeroU32,
    listed: u32,
    is_in_process: bool,
    clock: Arc<dyn Clock>,
}

/// The victims that were found and noted.
pub(super) struct Ranking {
    survey: Survey,
    per_provider: Vec<(Vec<u8>, u64)>,
    victims: u64,
    pub(super) partitions: u64,
    /// The number of the last victim in their table.
    last: u64,
    pub(super) is_set_based: bool,
}

/// The totals of a run so far.
#[derive(Default)]
struct RunTotals {
    pruned: u64,
    changed: u64,
    is_stopped: bool,
}

impl Prune {
    /// Creates a prune of a mapped table in the database at this address.
    pub fn new(url: impl Into<String>, mapping: Mapping, codecs: Codecs, cap: Cap) -> Self {
        Self {
            url: url.into(),
            mapping,
            codecs,
            cap,
            batch: NonZeroU32::MIN.saturating_add(19_999),
            listed: 100,
            is_in_process: false,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Creates a prune for each mapping of a layout, after checking all of them against the
    /// database. Writes nothing.
    ///
    /// # Errors
    ///
    /// Returns a [`PruneError`] if the preset or a mapping does not match the database, if a table
    /// cannot be pruned, if no row of a table can be decrypted although usable rows rank first, or
    /// if a statement fails.
    pub async fn of_layout(
        url: &str,
        layout: &Layout,
        codecs: &Codecs,
        cap: &Cap,
    ) -> Result<Vec<Self>, PruneError> {
        let connection = connect_read_only(url).await?;
        let schema = Schema::read(&connection).await?;
        let mappings = layout
            .mappings(&schema)
            .map_err(|missing| PruneError::because(PruneErrorKind::Layout, missing))?;
        let mut prunes = Vec::new();
        for mapping in mappings.mapping {
            check(&connection, &schema, &mapping, codecs, cap).await?;
            prunes.push(Self::new(url, mapping, codecs.clone(), cap.clone()));
        }
        // The connection was only read from: a failed close loses nothing.
        let _ = connection.close().await;
        Ok(prunes)
    }

    /// Sets the maximum number of rows that one transaction deletes (default 20,000). A
    /// transaction deletes fewer if that would take more than about two seconds.
    pub const fn batch(mut self, rows: NonZeroU32) -> Self {
        self.batch = rows;
        self
    }

    /// Sets the maximum number of rows that a plan lists (default 100).
    pub const fn list(mut self, victims: u32) -> Self {
        self.listed = victims;
        self
    }

    /// Ranks the rows in this process, even where the database could rank them.
    pub const fn in_process(mut self) -> Self {
        self.is_in_process = true;
        self
    }

    /// Sets the clock for the times at which rows are archived.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Returns what would be pruned. Writes nothing but a temporary table.
    ///
    /// # Errors
    ///
    /// Returns a [`PruneError`] if the mapping does not match the database, if the table cannot be
    /// pruned, if no row can be decrypted although usable rows rank first, or if a statement fails.
    pub async fn plan(&self) -> Result<PrunePlan, PruneError> {
        let (table, victims) = self.open().await?;
        let ranking = self.rank(&table, &victims).await?;
        let listed = self.list_victims(&table, &victims).await?;
        let referring = referring_rows(&table, &victims).await?;
        victims.drop_if_exists(&table).await?;
        table.close().await;
        Ok(PrunePlan {
            schema: "session-migrate/prune-plan/1",
            mapping: self.mapping.name().to_owned(),
            rows: ranking.survey.rows(),
            pruned: ranking.victims,
            partitions: ranking.partitions,
            partition: self.cap.partition_by(),
            count: self.cap.counted(),
            providers: ranking.providers(),
            is_set_based: ranking.is_set_based,
            referring,
            victims: listed,
        })
    }

    /// Archives and deletes the rows over the cap. Reports the progress after each batch, and stops
    /// before the next batch once `stop` is set.
    ///
    /// The process can be killed at any time, and the prune run again: the result is the same.
    ///
    /// # Errors
    ///
    /// Returns a [`PruneError`] as [`plan`](Self::plan) does, and if rows cannot be deleted, for
    /// example because a foreign key refers to them. Earlier batches stay archived. Rows of other
    /// tables that would be deleted or changed with a row are an error, too.
    pub async fn apply(
        &self,
        mut progress: impl FnMut(PruneProgress) + Send,
        stop: &AtomicBool,
    ) -> Result<PruneReport, PruneError> {
        let (table, victims) = self.open().await?;
        let (archive, run) = (Archive::of(&table), self.run_id());
        let mut totals = RunTotals::default();
        let first = self.rank(&table, &victims).await?;
        require_none(&referring_rows(&table, &victims).await?)?;
        if first.victims > 0 {
            archive.create(&table).await?;
        }
        let remover = Remover {
            table: &table,
            victims: &victims,
            archive: &archive,
            run: &run,
            clock: &*self.clock,
        };
        self.remove_all(&remover, &first, &mut totals, &mut progress, stop).await?;
        let mut changed = 0;
        for _ in 1..MAX_ROUNDS {
            if totals.changed == changed || totals.is_stopped {
                break;
            }
            changed = totals.changed;
            let again = self.rank(&table, &victims).await?;
            require_none(&referring_rows(&table, &victims).await?)?;
            self.remove_all(&remover, &again, &mut totals, &mut progress, stop).await?;
        }
        victims.drop_if_exists(&table).await?;
        table.close().await;
        Ok(self.report(&first, &archive, run, &totals))
    }

    async fn open(&self) -> Result<(PrunableTable, VictimTable), PruneError> {
        let newest = self.cap.moment(&self.mapping)?;
        let (mapping, codecs) = (&self.mapping, &self.codecs);
        let table = PrunableTable::connect(&self.url, mapping, codecs, &self.cap).await?;
        let victims = VictimTable::new(&table, newest)?;
        Ok((table, victims))
    }

    /// Notes the victims in a new temporary table.
    pub(super) async fn rank(
        &self,
        table: &PrunableTable,
        victims: &VictimTable,
    ) -> Result<Ranking, PruneError> {
        let newest = self.cap.moment(&self.mapping)?;
        let sql = SqlRank::new(table.bound(), &self.cap, newest);
        let sql = sql.filter(|_| !self.is_in_process);
        let push_doubt = |query: &mut Query| match &sql {
            Some(sql) => sql.push_doubt(query, table.dialect()),
            None => drop(query.push("NULL")),
        };
        let survey = Survey::take(table, &self.cap, push_doubt).await?;
        let sql = match sql {
            Some(sql) if survey.doubtful == 0 && SqlRank::can_name(&self.cap, &survey) => {
                (!sql.has_malformed_text(table).await?).then_some(sql)
            }
            _ => None,
        };
        victims.create(table).await?;
        match (survey.lowest_limit(), &sql) {
            (None, _) => {}
            (Some(_), Some(sql)) => sql.note_victims(table, victims, &self.cap, &survey).await?,
            (Some(lowest), None) => {
                policy_rank::note_victims(table, victims, &self.cap, lowest).await?;
            }
        }
        victims.analyze(table).await?;
        let [count, partitions, last] = victims.totals(table).await?;
        let per_provider = victims.per_provider(table).await?;
        let is_set_based = sql.is_some();
        Ok(Ranking { survey, per_provider, victims: count, partitions, last, is_set_based })
    }

    async fn remove_all(
        &self,
        remover: &Remover<'_>,
        ranking: &Ranking,
        totals: &mut RunTotals,
        progress: &mut (impl FnMut(PruneProgress) + Send),
        stop: &AtomicBool,
    ) -> Result<(), PruneError> {
        let max = u64::from(self.batch.get());
        let (mut size, mut after) = (max, 0);
        let total = totals.pruned + ranking.victims;
        while after < ranking.last {
            if stop.load(Ordering::Relaxed) {
                totals.is_stopped = true;
                return Ok(());
            }
            let last = (after + size).min(ranking.last);
            let batch = VictimBatch { after, last };
            let started = self.clock.monotonic();
            totals.pruned += remover.remove(batch).await?;
            let took = self.clock.monotonic().saturating_sub(started);
            after = last;
            size = next_size(size, took).clamp(1, max);
            progress(PruneProgress { pruned: totals.pruned, total, changed: totals.changed });
        }
        totals.changed += total - totals.pruned;
        Ok(())
    }

    /// Returns the first victims, in the order in which they would be deleted.
    pub(super) async fn list_victims(
        &self,
        table: &PrunableTable,
        victims: &VictimTable,
    ) -> Result<Vec<PruneVictim>, PruneError> {
        let dialect = victims.dialect;
        let mut query = Query::new(dialect, "SELECT ");
        for (at, slot) in victims.key.iter().enumerate() {
            query.push(&dialect.fetch(&format!("k{at}"), slot.column.kind)).push(", ");
        }
        query.push(&format!("reason FROM {} ORDER BY seq LIMIT {}", victims.name(), self.listed));
        let mut listed = Vec::new();
        for row in query.rows(&table.connection).await? {
            let mut reader = CellReader::new(dialect, &row);
            let cells = victims.key.iter().map(|slot| reader.cell(slot.column.kind));
            let cells: Vec<Cell> = cells.collect::<Result<_, _>>()?;
            let reason = reader.expression(ColumnKind::Text)?;
            let reason = reason.as_text().unwrap_or_default().into_owned();
            listed.push(PruneVictim { key: SourceKey::new(cells).to_string(), reason });
        }
        Ok(listed)
    }

    fn report(
        &self,
        first: &Ranking,
        archive: &Archive,
        run: String,
        totals: &RunTotals,
    ) -> PruneReport {
        let is_archived = totals.pruned > 0;
        PruneReport {
            schema: "session-migrate/prune/1",
            mapping: self.mapping.name().to_owned(),
            rows: first.survey.rows(),
            pruned: totals.pruned,
            partitions: first.partitions,
            changed: totals.changed,
            providers: first.providers(),
            is_set_based: first.is_set_based,
            is_stopped: totals.is_stopped,
            archive: is_archived.then(|| archive.name.clone()),
            undo: if is_archived { archive.undo(&run) } else { Vec::new() },
            run,
        }
    }

    fn run_id(&self) -> String {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let (seconds, rest) = (millis / 1000, u32::try_from(millis % 1000).unwrap_or(0));
        let at = uuid::Timestamp::from_unix(uuid::NoContext, seconds, rest * 1_000_000);
        Uuid::new_v7(at).to_string()
    }
}

impl Ranking {
    fn providers(&self) -> Vec<ProviderPrune> {
        let pruned = |name: &[u8]| {
            let mut named = self.per_provider.iter();
            named.find(|(known, _)| known == name).map(|(_, pruned)| *pruned)
        };
        let providers = self.survey.providers.iter().map(|it| ProviderPrune {
            provider: String::from_utf8_lossy(&it.name).into_owned(),
            max: it.limit.map(|limit| limit.max),
            rows: it.rows,
            // A provider that the mapping names has all victims.
            pruned: match self.per_provider.is_empty() {
                true => self.victims,
                false => pruned(&it.name).unwrap_or(0),
            },
        });
        providers.collect()
    }
}

/// Counts the rows of other tables that would be deleted or changed with the victims.
async fn referring_rows(
    table: &PrunableTable,
    victims: &VictimTable,
) -> Result<Vec<ReferringRows>, PruneError> {
    let (row, is_row) = ("victim_row", victims.is_key("victim_row", "w"));
    let from = format!("{} AS w JOIN {} AS {row} ON {is_row}", victims.name(), table.table_sql());
    table.referrers.count(&table.connection, &from, row).await
}

/// Doubles the size of a batch that took little time, and halves that of one that took too long.
fn next_size(size: u64, took: Duration) -> u64 {
    if took * 2 < MAX_BATCH_TIME {
        size.saturating_mul(2)
    } else if took > MAX_BATCH_TIME {
        size / 2
    } else {
        size
    }
}

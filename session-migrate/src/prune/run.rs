//! A prune from its words to its report.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use session_core::{Clock, SystemClock};
use uuid::Uuid;

use super::archive::Archive;
use super::crowds;
use super::error::PruneError;
use super::ranked::Ranked;
use super::remove::{Batch, Remover};
use super::report::{PlannedVictim, ProviderPrune, PrunePlan, PruneProgress, PruneReport};
use super::session::Session;
use super::survey::Survey;
use super::work::Work;
use crate::cap::Cap;
use crate::source::{Codecs, Mapping, SourceKey};
use crate::sql::{Cell, CellReader, Query};

/// For how long a batch may keep others waiting. Much shorter ones cost more than they spare: each
/// writes the same pages of the indexes again.
const BATCH_TIME: Duration = Duration::from_secs(2);

/// How often what others changed meanwhile is ranked again.
const ROUNDS: u32 = 10;

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

/// What was found.
struct Found {
    survey: Survey,
    per_provider: Vec<(Vec<u8>, u64)>,
    victims: u64,
    partitions: u64,
    /// The number of the last victim.
    last: u64,
    is_set_based: bool,
}

/// What is to be worked off.
#[derive(Clone, Copy)]
struct Load {
    victims: u64,
    /// The number of the last one.
    last: u64,
    /// Whether it was noted where they lie.
    is_placed: bool,
}

/// How far a run is.
#[derive(Default)]
struct Done {
    pruned: u64,
    changed: u64,
    is_stopped: bool,
}

impl Prune {
    /// A prune of the table that a mapping is of, in the database at this address.
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

    /// How many rows one transaction deletes at most (20,000); fewer where that takes long.
    pub const fn batch(mut self, rows: NonZeroU32) -> Self {
        self.batch = rows;
        self
    }

    /// How many of the victims a plan lists (100).
    pub const fn list(mut self, victims: u32) -> Self {
        self.listed = victims;
        self
    }

    /// Reads and ranks the rows here, even where the database could do it.
    pub const fn in_process(mut self) -> Self {
        self.is_in_process = true;
        self
    }

    /// The clock that says when a row was pruned.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What would go. Writes nothing but a temporary table.
    ///
    /// # Errors
    ///
    /// [`PruneError`] if the mapping does not fit, the table cannot be pruned, or a statement
    /// fails.
    pub async fn plan(&self) -> Result<PrunePlan, PruneError> {
        let (session, work) = self.open().await?;
        let found = self.find(&session, &work).await?;
        let victims = self.listed(&session, &work).await?;
        work.discard(&session).await?;
        let providers = found.providers();
        session.close().await;
        Ok(PrunePlan {
            schema: "session-migrate/prune-plan/1",
            mapping: self.mapping.name().to_owned(),
            rows: found.survey.rows(),
            pruned: found.victims,
            partitions: found.partitions,
            partition: self.cap.partition_by(),
            count: self.cap.counted(),
            providers,
            is_set_based: found.is_set_based,
            victims,
        })
    }

    /// Archives and deletes what is too many; tells the progress after each batch, and stops
    /// before the next one once `stop` is set.
    ///
    /// It may be killed at any moment and run again: the end is the same.
    ///
    /// # Errors
    ///
    /// [`PruneError`] as for [`plan`](Self::plan), and if rows cannot be deleted: a foreign key
    /// that points at them, say. Batches before that one stay archived.
    pub async fn apply(
        &self,
        mut progress: impl FnMut(PruneProgress) + Send,
        stop: &AtomicBool,
    ) -> Result<PruneReport, PruneError> {
        let (session, work) = self.open().await?;
        let (archive, run) = (Archive::of(&session), self.run_id());
        let mut done = Done::default();
        let first = self.find(&session, &work).await?;
        let mut load = first.load();
        if load.victims > 0 {
            archive.create(&session).await?;
        }
        let remover = Remover {
            session: &session,
            work: &work,
            archive: &archive,
            run: &run,
            clock: &*self.clock,
        };
        for _ in 0..ROUNDS {
            let changed = done.changed;
            self.work_off(&remover, load, &mut done, &mut progress, stop).await?;
            if done.changed == changed || done.is_stopped {
                break;
            }
            work.discard(&session).await?;
            load = self.find(&session, &work).await?.load();
        }
        work.discard(&session).await?;
        session.close().await;
        Ok(self.report(&first, &archive, run, &done))
    }

    async fn open(&self) -> Result<(Session, Work), PruneError> {
        let newest = self.cap.moment(&self.mapping)?;
        let session = Session::open(&self.url, &self.mapping, &self.codecs).await?;
        let work = Work::new(&session, newest)?;
        Ok((session, work))
    }

    /// Notes what is to go in the temporary table.
    async fn find(&self, session: &Session, work: &Work) -> Result<Found, PruneError> {
        let newest = self.cap.moment(&self.mapping)?;
        let ranked = Ranked::new(session.bound(), &self.cap, newest);
        let ranked = ranked.filter(|_| !self.is_in_process);
        let doubt = ranked.as_ref().and_then(|ranked| ranked.doubt.as_deref());
        let survey = Survey::take(session, &self.cap, doubt).await?;
        let is_sure = survey.doubtful == 0 && Ranked::fits(&self.cap, &survey);
        let ranked = ranked.filter(|_| is_sure);
        work.create(session).await?;
        match (survey.least(), &ranked) {
            (None, _) => {}
            (Some(_), Some(ranked)) => ranked.fill(session, work, &self.cap, &survey).await?,
            (Some(least), None) => crowds::fill(session, work, &self.cap, least).await?,
        }
        work.analyze(session).await?;
        let [victims, partitions, last] = work.totals(session).await?;
        let per_provider = work.per_provider(session).await?;
        let is_set_based = ranked.is_some();
        Ok(Found { survey, per_provider, victims, partitions, last, is_set_based })
    }

    async fn work_off(
        &self,
        remover: &Remover<'_>,
        Load { victims, last, is_placed }: Load,
        done: &mut Done,
        progress: &mut (impl FnMut(PruneProgress) + Send),
        stop: &AtomicBool,
    ) -> Result<(), PruneError> {
        let most = u64::from(self.batch.get());
        let mut size = most;
        let (mut after, before) = (0, done.pruned);
        let total = before + victims;
        while after < last {
            if stop.load(Ordering::Relaxed) {
                done.is_stopped = true;
                return Ok(());
            }
            let batch = Batch { after, last: (after + size).min(last), is_placed };
            let begun = self.clock.monotonic();
            let removed = remover.remove(batch).await?;
            let took = self.clock.monotonic().saturating_sub(begun);
            done.pruned += removed;
            after = batch.last;
            size = next_size(size, took).clamp(1, most);
            progress(PruneProgress { pruned: done.pruned, total, changed: done.changed });
        }
        done.changed += total - done.pruned;
        Ok(())
    }

    /// The first of the victims, by their keys.
    async fn listed(
        &self,
        session: &Session,
        work: &Work,
    ) -> Result<Vec<PlannedVictim>, PruneError> {
        let mut query = Query::new(work.dialect, "SELECT ");
        for (at, slot) in work.key.iter().enumerate() {
            query.push(&work.dialect.fetch(&format!("k{at}"), slot.column.kind)).push(", ");
        }
        query.push(&format!("reason FROM {} ORDER BY seq LIMIT {}", work.name(), self.listed));
        let mut victims = Vec::new();
        for row in query.rows(&session.connection).await? {
            let mut reader = CellReader::new(work.dialect, &row);
            let cells = work.key.iter().map(|slot| reader.cell(slot.column.kind));
            let cells: Vec<Cell> = cells.collect::<Result<_, _>>()?;
            let reason = reader.expression(crate::sql::ColumnKind::Text)?;
            let reason = reason.as_text().unwrap_or_default().into_owned();
            victims.push(PlannedVictim { key: SourceKey::new(cells).to_string(), reason });
        }
        Ok(victims)
    }

    fn report(&self, first: &Found, archive: &Archive, run: String, done: &Done) -> PruneReport {
        let is_archived = done.pruned > 0;
        PruneReport {
            schema: "session-migrate/prune/1",
            mapping: self.mapping.name().to_owned(),
            rows: first.survey.rows(),
            pruned: done.pruned,
            partitions: first.partitions,
            changed: done.changed,
            providers: first.providers(),
            is_set_based: first.is_set_based,
            is_stopped: done.is_stopped,
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

impl Found {
    const fn load(&self) -> Load {
        Load { victims: self.victims, last: self.last, is_placed: self.is_set_based }
    }

    fn providers(&self) -> Vec<ProviderPrune> {
        let pruned = |name: &[u8]| {
            let mut named = self.per_provider.iter();
            named.find(|(known, _)| known == name).map(|(_, pruned)| *pruned)
        };
        let providers = self.survey.providers.iter().map(|it| ProviderPrune {
            provider: String::from_utf8_lossy(&it.name).into_owned(),
            max: it.places.map(|places| places.max),
            rows: it.rows,
            // One that the mapping names has all.
            pruned: match self.per_provider.is_empty() {
                true => self.victims,
                false => pruned(&it.name).unwrap_or(0),
            },
        });
        providers.collect()
    }
}

/// Twice as many where there is time, half as many where it took too long.
fn next_size(size: u64, took: Duration) -> u64 {
    if took * 2 < BATCH_TIME {
        size.saturating_mul(2)
    } else if took > BATCH_TIME {
        size / 2
    } else {
        size
    }
}

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection};

use super::bar;
use super::entry::{self, ChangeId};
use super::log::{Entry, FIRST_RELATION, KEY, Log};
use super::log_triggers::{self, Noted};
use super::names::{Names, TableName};
use super::object::Object;
use super::patience::Patience;
use super::probe::There;
use super::script::{Script, Work};
use crate::source::SourceTable;
use crate::source::{Bound, Relation};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::Cell;
use crate::sql::{Column, Schema};

/// What watches a mapped table while others write it: a change log that triggers fill, and
/// triggers that refuse writes.
///
/// An entry says only which rows to look at; they are read again as they are now
/// ([`SourceTable::rows_by_keys`], [`SourceTable::rows_related`]). So it does no harm that one
/// comes twice, late, or in another order than the writes.
///
/// # What is noted
///
/// - The key of each row that is inserted, deleted, or updated in a column that the mapping reads;
///   where the key changes, both.
/// - What is referred to, where a row of a joined table changes in a column that the mapping reads,
///   or a parent comes, goes, or is renamed.
/// - `TRUNCATE` on PostgreSQL, as [`ChangedRows::All`].
///
/// Not noted, for the database fires no trigger for it: on MySQL and MariaDB, `TRUNCATE` and what a
/// foreign key cascades (the parent's own row is noted); anywhere, what changes behind a view.
/// That is why both tables are compared before the switch.
///
/// # Why nothing is lost between
///
/// On PostgreSQL and MySQL a trigger is made only when no transaction that wrote the table is open,
/// and every later writer sees it. So once [`start`](Self::start) has returned, what is committed
/// was either committed before, and a batch that begins now reads it, or is in the log. And once
/// [`bar`](Self::bar) has returned, no writer of the mapped table is under way: all that was ever
/// committed is in the log. On SQLite there is one writer at a time anyway.
///
/// # Security
///
/// The log holds keys as they are in the table, and a key can be a cookie. On PostgreSQL the
/// triggers write it with the rights of who made it, so the application's user needs none to it.
#[derive(Debug)]
pub struct Watch {
    log: Log,
    referrers: Vec<Referrer>,
    capture: Vec<Object>,
    bar: Vec<Object>,
}

/// The column that refers to what a relation's entries hold.
#[derive(Debug)]
struct Referrer {
    column: String,
    join: Option<String>,
}

/// An entry of the change log.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// Its own id, by which it is forgotten.
    pub id: ChangeId,
    /// The rows that may have changed.
    pub what: ChangedRows,
}

/// Rows that may have changed.
///
/// # Security
///
/// A key can be a cookie. `Debug` prints classes and sizes only.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChangedRows {
    /// Any.
    All,
    /// The one with this key.
    Key(Vec<Cell>),
    /// Those in which a column refers to this value.
    Related {
        /// The column that refers.
        column: String,
        /// The join whose table it belongs to; the mapped table's where there is none.
        join: Option<String>,
        /// What it refers to.
        value: Cell,
    },
}

/// Which parts of a watch are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// Whether every write is noted.
    pub is_watched: bool,
    /// Whether every write is refused.
    pub is_barred: bool,
    /// Whether nothing at all is there.
    pub is_clean: bool,
}

/// The statements of a watch, as they are run where nothing of them is done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchStatements {
    /// What [`Watch::start`] runs.
    pub start: Vec<String>,
    /// What [`Watch::bar`] runs.
    pub bar: Vec<String>,
    /// What [`Watch::unbar`] runs.
    pub unbar: Vec<String>,
    /// What [`Watch::stop`] runs where the table is not barred.
    pub stop: Vec<String>,
}

impl Watch {
    /// What the text says with which a barred table refuses a write.
    pub const BAR_TEXT: &'static str = bar::TEXT;

    /// The watch of a mapping's table. Does nothing yet.
    ///
    /// The number tells several mappings on one table apart; another process makes the same watch
    /// of the same number, mapping and schema.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the rows have no key, or the mapping is on a view.
    pub fn new(table: &SourceTable, number: usize) -> Result<Self, SourceError> {
        let bound = table.bound();
        let base = bound.slots.base();
        if bound.key.is_empty() {
            return Err(refused(&base.name, "it has no key"));
        }
        if base.is_view {
            return Err(refused(&base.name, "it is a view"));
        }
        let key: Vec<Column> = columns(bound, &bound.key)?;
        // Into a view nothing is written, and the tables behind it are not known.
        let is_table = |relation: &&Relation| !relation.table.is_view;
        let relations: Vec<&Relation> = bound.relations.iter().filter(is_table).collect();
        let name = TableName::of(bound.dialect, base);
        let names = Names::new(number, name.clone());
        let related = relations.iter().map(|relation| relation.column.clone()).collect();
        let log = Log::new(bound.dialect, &names, key, related);
        let capture = log_triggers::objects(&log, &names, &noted(bound, &log, &relations));
        let bar = bar::objects(bound.dialect, &names, &name);
        let referrers = relations.iter().map(|relation| referrer(bound, relation));
        Ok(Self { referrers: referrers.collect::<Result<_, _>>()?, log, capture, bar })
    }

    /// Makes the log and the triggers that fill it, waiting for the writers that are under way.
    ///
    /// What is there already stays, so it may be run again at any point.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if others hold a table for too long
    /// ([`Busy`](SourceErrorKind::Busy)), if the log that is there is another mapping's, or if a
    /// statement fails.
    pub async fn start(
        &self,
        connection: &DatabaseConnection,
        patience: &Patience,
    ) -> Result<(), SourceError> {
        self.require_own_log(connection).await?;
        self.making(&self.capture).run(connection, patience).await
    }

    /// Takes everything away, the bar too, and what the log holds: the triggers first, so that none
    /// is there without its log.
    ///
    /// What is gone already is no error, so it may be run again at any point.
    ///
    /// # Errors
    ///
    /// [`SourceError`] as for [`start`](Self::start).
    pub async fn stop(
        &self,
        connection: &DatabaseConnection,
        patience: &Patience,
    ) -> Result<(), SourceError> {
        let both: Vec<&Object> = self.capture.iter().chain(&self.bar).collect();
        self.dropping(both).run(connection, patience).await
    }

    /// Refuses every write of the mapped table from now on, having waited for those under way.
    ///
    /// # Errors
    ///
    /// [`SourceError`] as for [`start`](Self::start).
    pub async fn bar(
        &self,
        connection: &DatabaseConnection,
        patience: &Patience,
    ) -> Result<(), SourceError> {
        self.making(&self.bar).run(connection, patience).await
    }

    /// Lets writes through again.
    ///
    /// # Errors
    ///
    /// [`SourceError`] as for [`start`](Self::start).
    pub async fn unbar(
        &self,
        connection: &DatabaseConnection,
        patience: &Patience,
    ) -> Result<(), SourceError> {
        self.dropping(self.bar.iter().collect()).run(connection, patience).await
    }

    /// Which parts are there. Reads the catalog only; on MySQL and MariaDB, triggers are seen by
    /// users with the right `TRIGGER` on their table.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub async fn standing(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Standing, SourceError> {
        let there = There::of(self.log.dialect, connection).await?;
        let mut both = self.capture.iter().chain(&self.bar);
        Ok(Standing {
            is_watched: self.capture.iter().all(|object| there.has(object)),
            is_barred: self.bar.iter().all(|object| there.has(object)),
            is_clean: !both.any(|object| there.has(object)),
        })
    }

    /// At most `limit` entries of the log that are committed, in any order.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the log is not there, or a statement fails.
    pub async fn changes(
        &self,
        connection: &impl ConnectionTrait,
        limit: u32,
    ) -> Result<Vec<Change>, SourceError> {
        let stored = entry::read(&self.log, connection, limit).await?;
        Ok(stored.into_iter().map(|entry| self.change(entry)).collect())
    }

    /// Deletes exactly these entries. There is no "up to here": ids do not commit in order.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub async fn forget(
        &self,
        connection: &impl ConnectionTrait,
        changes: &[Change],
    ) -> Result<(), SourceError> {
        let ids: Vec<ChangeId> = changes.iter().map(|change| change.id).collect();
        entry::forget(&self.log, connection, &ids).await?;
        Ok(())
    }

    /// How many entries the log holds.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the log is not there, or a statement fails.
    pub async fn count(&self, connection: &impl ConnectionTrait) -> Result<u64, SourceError> {
        Ok(entry::count(&self.log, connection).await?)
    }

    /// The SQL of everything above that changes the schema, in the order in which it is run.
    #[must_use]
    pub fn statements(&self) -> WatchStatements {
        WatchStatements {
            start: self.making(&self.capture).statements(),
            bar: self.making(&self.bar).statements(),
            unbar: self.dropping(self.bar.iter().collect()).statements(),
            stop: self.dropping(self.capture.iter().collect()).statements(),
        }
    }

    fn making<'a>(&self, objects: &'a [Object]) -> Script<'a> {
        Script { dialect: self.log.dialect, work: Work::Make, objects: objects.iter().collect() }
    }

    /// The other way round: triggers, their functions, the log.
    fn dropping<'a>(&self, mut objects: Vec<&'a Object>) -> Script<'a> {
        objects.sort_by_key(|object| std::cmp::Reverse(object.sort));
        Script { dialect: self.log.dialect, work: Work::Drop, objects }
    }

    fn change(&self, entry: entry::Stored) -> Change {
        let relation = entry.what.checked_sub(FIRST_RELATION);
        let referrer = relation.and_then(|at| self.referrers.get(usize::try_from(at).ok()?));
        let what = match (entry.what, referrer, entry.cells.first()) {
            (KEY, ..) => ChangedRows::Key(entry.cells),
            (_, Some(referrer), Some(value)) => ChangedRows::Related {
                column: referrer.column.clone(),
                join: referrer.join.clone(),
                value: value.clone(),
            },
            // What is not understood may be anything.
            _ => ChangedRows::All,
        };
        Change { id: entry.id, what }
    }

    /// A log of another mapping, under the same number, would be filled by that one's triggers.
    async fn require_own_log(&self, connection: &DatabaseConnection) -> Result<(), SourceError> {
        let schema = Schema::read(connection).await?;
        let TableName { schema: qualifier, name } = &self.log.table;
        let Some(table) = schema.table(qualifier.as_deref(), name) else { return Ok(()) };
        let found = table.columns.iter().skip(2).map(|column| column.name.clone());
        if found.eq(self.log.columns().map(|(name, _)| name)) {
            return Ok(());
        }
        Err(SourceError::because(
            SourceErrorKind::Schema,
            format!("the change log {name:?} is of another mapping: roll that one back first"),
        ))
    }
}

fn refused(table: &str, why: &str) -> SourceError {
    SourceError::because(
        SourceErrorKind::Schema,
        format!("the table {table:?} cannot be moved while it is being written: {why}"),
    )
}

fn columns(bound: &Bound, slots: &[usize]) -> Result<Vec<Column>, SourceError> {
    slots.iter().map(|at| bound.slot(*at).map(|slot| slot.column.clone())).collect()
}

fn referrer(bound: &Bound, relation: &Relation) -> Result<Referrer, SourceError> {
    let slot = bound.slot(relation.child)?;
    Ok(Referrer { column: slot.column.name.clone(), join: slot.join.clone() })
}

/// The mapped table, and what its rows refer to.
fn noted<'a>(bound: &'a Bound, log: &Log, relations: &[&'a Relation]) -> Vec<Noted<'a>> {
    let own = bound.slots.iter().filter(|slot| slot.join.is_none());
    let mut noted = vec![Noted {
        prefix: String::new(),
        table: bound.slots.base(),
        entry: Entry::Key,
        columns: log.key.clone(),
        read: own.map(|slot| slot.column.clone()).collect(),
    }];
    noted.extend(relations.iter().enumerate().map(|(at, relation)| Noted {
        prefix: format!("r{at}_"),
        table: &relation.table,
        entry: Entry::Related(at),
        columns: vec![relation.column.clone()],
        read: relation.read.clone(),
    }));
    noted
}

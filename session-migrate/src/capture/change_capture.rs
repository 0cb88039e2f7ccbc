//! Capturing the changes of a mapped table, and blocking its writes.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};

use super::cascade;
use super::change::{self, Change, ChangeId, ChangedRows};
use super::log::{Entry, FIRST_RELATION, KEY, Log};
use super::log_triggers::{self, CapturedTable};
use super::objects::{InstalledObjects, Object, ObjectKind, ObjectNames, TableName};
use super::owner::CaptureOwner;
use super::retry_budget::RetryBudget;
use super::schema_change::{Action, SchemaChange};
use super::trigger;
use crate::source::{Bound, Relation, SourceError, SourceErrorKind, SourceTable};
use crate::sql::{Column, Dialect, Schema, SqlError};

/// Captures the changes to a mapped table while an application writes it: a change log that
/// triggers fill, and triggers that block writes.
///
/// An entry only says which rows to look at; they are read again in their current state
/// ([`SourceTable::rows_by_keys`], [`SourceTable::rows_related`]). So an entry may come
/// twice, late, or in another order than the writes.
///
/// # What is captured
///
/// - The key of each row that is inserted, deleted, or updated in a column that the mapping reads;
///   where the key changes, both.
/// - The value that is referred to, where a row of a joined table changes in a column that the
///   mapping reads, or where a parent row is inserted, deleted, or renamed.
/// - What the cascade of a foreign key does to those rows. On MySQL and MariaDB, where no trigger of
///   theirs fires for it, triggers of the ancestors log it, and block it.
/// - `TRUNCATE` on PostgreSQL, as [`ChangedRows::All`].
///
/// Not captured, because the database fires no trigger for it: on MySQL and MariaDB, `TRUNCATE`; on
/// all databases, changes behind a view. That is why both sides are compared before the cutover.
///
/// # Why no change is lost
///
/// On PostgreSQL and MySQL a trigger is created only while no transaction that wrote the table is
/// open, and every later writer sees it. So once [`start`](Self::start) has returned, a change was
/// either committed before, and a batch that begins now reads it, or it is in the log. Once
/// [`block`](Self::block) has returned, no transaction that writes the mapped table is open: every
/// committed change is in the log. SQLite has one writer at a time.
///
/// # Security
///
/// The log holds keys as they are in the table, and a key can be a cookie. On PostgreSQL the
/// triggers write it with the rights of the user that created it, so the application's user needs
/// no right to it.
#[derive(Debug)]
pub struct ChangeCapture {
    owner: CaptureOwner,
    log: Log,
    referrers: Vec<Referrer>,
    capture: Vec<Object>,
    block: Vec<Object>,
}

/// The column that refers to what a relation's entries hold.
#[derive(Debug)]
struct Referrer {
    column: String,
    join: Option<String>,
}

/// Which parts of a capture are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaptureState {
    /// Whether every write is captured.
    pub is_capturing: bool,
    /// Whether every write is blocked.
    pub is_blocked: bool,
    /// Whether nothing is installed.
    pub is_clean: bool,
}

/// The statements of a capture, as they run where none of them ran before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaptureStatements {
    /// The statements of [`ChangeCapture::start`].
    pub start: Vec<String>,
    /// The statements of [`ChangeCapture::block`].
    pub block: Vec<String>,
    /// The statements of [`ChangeCapture::unblock`].
    pub unblock: Vec<String>,
    /// The statements of [`ChangeCapture::stop`] where writes are not blocked.
    pub stop: Vec<String>,
}

impl ChangeCapture {
    /// The error message with which a table refuses a blocked write.
    pub const BLOCK_TEXT: &'static str = trigger::BLOCK_TEXT;

    /// Creates the capture of a mapping's table, without a statement.
    ///
    /// The number tells several mappings of one table apart. The same owner, number, mapping and
    /// schema give the same capture in another process.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the rows have no key, or the mapping is on a view.
    pub fn new(
        table: &SourceTable,
        number: usize,
        owner: &CaptureOwner,
    ) -> Result<Self, SourceError> {
        let bound = table.bound();
        let base = bound.slots.base();
        if bound.key.is_empty() {
            return Err(not_movable(&base.name, "it has no key"));
        }
        if base.is_view {
            return Err(not_movable(&base.name, "it is a view"));
        }
        let key: Vec<Column> = columns(bound, &bound.key)?;
        // Views are not written, and the tables behind them are unknown.
        let is_table = |relation: &&Relation| !relation.table.is_view;
        let relations: Vec<&Relation> = bound.relations.iter().filter(is_table).collect();
        let name = TableName::of(bound.dialect, base);
        let names = ObjectNames::new(owner.tag(), number, name.clone());
        let related = relations.iter().map(|relation| relation.column.clone()).collect();
        let log = Log::new(bound.dialect, &names, key, related);
        let (tables, cascades) = (captured_tables(bound, &log, &relations), &bound.cascades);
        let mut capture = log_triggers::objects(&log, &names, &tables);
        capture.extend(tables.iter().flat_map(|of| cascade::logged(&log, &names, of, cascades)));
        let mut block = trigger::write_block(bound.dialect, &names, owner, &name);
        block.extend(cascade::blocked(&names, owner, &name, cascades));
        let referrers = relations.iter().map(|relation| referrer(bound, relation));
        let (owner, referrers) = (owner.clone(), referrers.collect::<Result<_, _>>()?);
        Ok(Self { owner, referrers, log, capture, block })
    }

    /// Returns the names of the tables that get triggers, quoted.
    pub(crate) fn tables(&self) -> BTreeSet<String> {
        let objects = self.capture.iter().chain(&self.block);
        let tables = objects.filter_map(|object| object.on.as_ref());
        tables.map(|table| table.sql(self.log.dialect)).collect()
    }

    /// Creates the log and the triggers that fill it, and waits for open transactions that write.
    ///
    /// What exists already stays, so it is safe to run again at any point.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if other transactions lock a table for too long
    /// ([`Busy`](SourceErrorKind::Busy)), if the log belongs to another mapping, or if a statement
    /// fails.
    pub async fn start(
        &self,
        connection: &DatabaseConnection,
        budget: &RetryBudget,
    ) -> Result<(), SourceError> {
        self.require_own_log(connection).await?;
        self.creation(&self.capture).run(connection, budget).await
    }

    /// Drops everything, the write block and the log's entries included: the triggers first, so
    /// that none exists without its log.
    ///
    /// What is gone already is not an error, so it is safe to run again at any point.
    ///
    /// # Errors
    ///
    /// [`SourceError`] as for [`start`](Self::start).
    pub async fn stop(
        &self,
        connection: &DatabaseConnection,
        budget: &RetryBudget,
    ) -> Result<(), SourceError> {
        let both: Vec<&Object> = self.capture.iter().chain(&self.block).collect();
        self.removal(both).run(connection, budget).await
    }

    /// Blocks every write of the mapped table, after waiting for open transactions that write it.
    ///
    /// # Errors
    ///
    /// [`SourceError`] as for [`start`](Self::start).
    pub async fn block(
        &self,
        connection: &DatabaseConnection,
        budget: &RetryBudget,
    ) -> Result<(), SourceError> {
        self.creation(&self.block).run(connection, budget).await
    }

    /// Unblocks writes.
    ///
    /// # Errors
    ///
    /// [`SourceError`] as for [`start`](Self::start).
    pub async fn unblock(
        &self,
        connection: &DatabaseConnection,
        budget: &RetryBudget,
    ) -> Result<(), SourceError> {
        self.removal(self.block.iter().collect()).run(connection, budget).await
    }

    /// Lets the writes of this transaction through the block, until
    /// [`end_own_writes`](Self::end_own_writes).
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub(crate) async fn begin_own_writes(
        &self,
        transaction: &DatabaseTransaction,
    ) -> Result<(), SourceError> {
        self.mark_own_writes(transaction, true).await
    }

    /// Blocks the writes of this transaction again.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub(crate) async fn end_own_writes(
        &self,
        transaction: &DatabaseTransaction,
    ) -> Result<(), SourceError> {
        self.mark_own_writes(transaction, false).await
    }

    /// On SQLite, where no other connection sees or writes anything until the transaction ends, the
    /// block is taken away and put back.
    async fn mark_own_writes(
        &self,
        transaction: &DatabaseTransaction,
        is_beginning: bool,
    ) -> Result<(), SourceError> {
        if let Some(sql) = trigger::own_writes(self.log.dialect, &self.owner, is_beginning) {
            transaction.execute_unprepared(&sql).await.map_err(SqlError::from)?;
        }
        if self.log.dialect != Dialect::Sqlite {
            return Ok(());
        }
        for object in self.block.iter().filter(|object| object.sort == ObjectKind::Trigger) {
            let sql = if is_beginning { &object.drop } else { &object.create };
            transaction.execute_unprepared(sql).await.map_err(SqlError::from)?;
        }
        Ok(())
    }

    /// Returns which parts are installed, by reading the catalog. On MySQL and MariaDB, only users
    /// with the right `TRIGGER` on a table see its triggers.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if a statement fails.
    pub async fn state(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<CaptureState, SourceError> {
        let installed = InstalledObjects::of(self.log.dialect, connection).await?;
        let mut both = self.capture.iter().chain(&self.block);
        Ok(CaptureState {
            is_capturing: self.capture.iter().all(|object| installed.has(object)),
            is_blocked: self.block.iter().all(|object| installed.has(object)),
            is_clean: !both.any(|object| installed.has(object)),
        })
    }

    /// Returns at most `limit` committed entries of the log, in any order.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the log does not exist, or a statement fails.
    pub async fn changes(
        &self,
        connection: &impl ConnectionTrait,
        limit: u32,
    ) -> Result<Vec<Change>, SourceError> {
        let stored = change::read(&self.log, connection, limit).await?;
        Ok(stored.into_iter().map(|entry| self.change(entry)).collect())
    }

    /// Deletes exactly these entries. There is no "up to this one": ids do not commit in order.
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
        change::forget(&self.log, connection, &ids).await?;
        Ok(())
    }

    /// Returns how many entries the log holds.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the log does not exist, or a statement fails.
    pub async fn count(&self, connection: &impl ConnectionTrait) -> Result<u64, SourceError> {
        Ok(change::count(&self.log, connection).await?)
    }

    /// Returns the SQL of all methods that change the schema, in the order in which it runs.
    #[must_use]
    pub fn statements(&self) -> CaptureStatements {
        CaptureStatements {
            start: self.creation(&self.capture).statements(),
            block: self.creation(&self.block).statements(),
            unblock: self.removal(self.block.iter().collect()).statements(),
            stop: self.removal(self.capture.iter().collect()).statements(),
        }
    }

    fn creation<'a>(&self, objects: &'a [Object]) -> SchemaChange<'a> {
        SchemaChange {
            dialect: self.log.dialect,
            action: Action::Create,
            objects: objects.iter().collect(),
        }
    }

    /// In reverse order: triggers, their functions, the log.
    fn removal<'a>(&self, mut objects: Vec<&'a Object>) -> SchemaChange<'a> {
        objects.sort_by_key(|object| std::cmp::Reverse(object.sort));
        SchemaChange { dialect: self.log.dialect, action: Action::Drop, objects }
    }

    fn change(&self, entry: change::StoredEntry) -> Change {
        let relation = entry.kind.checked_sub(FIRST_RELATION);
        let referrer = relation.and_then(|at| self.referrers.get(usize::try_from(at).ok()?));
        let what = match (entry.kind, referrer, entry.cells.first()) {
            (KEY, ..) => ChangedRows::Key(entry.cells),
            (_, Some(referrer), Some(value)) => ChangedRows::Related {
                column: referrer.column.clone(),
                join: referrer.join.clone(),
                value: value.clone(),
            },
            // An unknown kind of entry may concern any row.
            _ => ChangedRows::All,
        };
        Change { id: entry.id, what }
    }

    /// Refuses the log of another mapping under the same number: its triggers would fill it.
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
            format!("the change log {name:?} belongs to another mapping: roll that one back first"),
        ))
    }
}

fn not_movable(table: &str, why: &str) -> SourceError {
    SourceError::because(
        SourceErrorKind::Schema,
        format!("the table {table:?} cannot be moved online: {why}"),
    )
}

fn columns(bound: &Bound, slots: &[usize]) -> Result<Vec<Column>, SourceError> {
    slots.iter().map(|at| bound.slot(*at).map(|slot| slot.column.clone())).collect()
}

fn referrer(bound: &Bound, relation: &Relation) -> Result<Referrer, SourceError> {
    let slot = bound.slot(relation.child)?;
    Ok(Referrer { column: slot.column.name.clone(), join: slot.join.clone() })
}

/// Returns the mapped table, and the tables that its rows refer to.
fn captured_tables<'a>(
    bound: &'a Bound,
    log: &Log,
    relations: &[&'a Relation],
) -> Vec<CapturedTable<'a>> {
    let own = bound.slots.iter().filter(|slot| slot.join.is_none());
    let mut tables = vec![CapturedTable {
        prefix: String::new(),
        table: bound.slots.base(),
        entry: Entry::Key,
        columns: log.key.clone(),
        read: own.map(|slot| slot.column.clone()).collect(),
    }];
    tables.extend(relations.iter().enumerate().map(|(at, relation)| CapturedTable {
        prefix: format!("r{at}_"),
        table: &relation.table,
        entry: Entry::Related(at),
        columns: vec![relation.column.clone()],
        read: relation.read.clone(),
    }));
    tables
}

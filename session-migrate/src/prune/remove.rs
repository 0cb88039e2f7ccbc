//! Works off what is to go, in short transactions.

use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, DatabaseTransaction, Value};
use session_core::Clock;

use super::archive::Archive;
use super::error::{PruneError, PruneErrorKind};
use super::session::Session;
use super::work::Work;
use crate::sql::{Dialect, Query, SqlError};

/// How often a batch is tried that another transaction was in the way of.
const TRIES: u32 = 6;

/// Everything that a batch needs.
#[derive(Debug)]
pub(super) struct Remover<'a> {
    pub(super) session: &'a Session,
    pub(super) work: &'a Work,
    pub(super) archive: &'a Archive,
    pub(super) run: &'a str,
    pub(super) clock: &'a dyn Clock,
}

/// The rows of the temporary table after `after`, up to `last`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) after: u64,
    pub(super) last: u64,
    /// Whether it was noted where the source's rows lie.
    pub(super) is_placed: bool,
}

enum Failed {
    Database(SqlError),
    Mismatch,
}

impl<E: Into<SqlError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl Remover<'_> {
    /// Archives and deletes the rows of a batch that still are what was ranked; gives how many.
    pub(super) async fn remove(&self, batch: Batch) -> Result<u64, PruneError> {
        let mut pause = Duration::from_millis(20);
        for attempt in 1.. {
            match self.try_remove(batch).await {
                Ok(removed) => return Ok(removed),
                Err(Failed::Mismatch) => {
                    return Err(PruneError::because(PruneErrorKind::Mismatch, ""));
                }
                Err(Failed::Database(error)) if attempt < TRIES && error.is_contended() => {
                    self.clock.sleep(pause).await;
                    pause *= 3;
                }
                Err(Failed::Database(error)) => return Err(PruneError::statement(error)),
            }
        }
        Ok(0)
    }

    async fn try_remove(&self, batch: Batch) -> Result<u64, Failed> {
        let transaction = self.session.begin().await?;
        let removed = match self.work.dialect {
            Dialect::Postgres => execute(&transaction, self.move_rows(batch)).await?,
            _ => self.copy_and_delete(&transaction, batch).await?,
        };
        transaction.commit().await?;
        Ok(removed)
    }

    /// What an error ends is rolled back with the transaction.
    async fn copy_and_delete(
        &self,
        transaction: &DatabaseTransaction,
        batch: Batch,
    ) -> Result<u64, Failed> {
        let copied = execute(transaction, self.copy(batch)).await?;
        // The rows are locked, so those that were not copied need not be looked at again.
        let is_all = copied == batch.last - batch.after;
        let deleted = execute(transaction, self.delete(batch, is_all)).await?;
        if copied == deleted { Ok(copied) } else { Err(Failed::Mismatch) }
    }

    fn query(&self, sql: &str) -> Query {
        Query::new(self.work.dialect, sql)
    }

    /// The run's id and the moment, as values to be selected.
    fn push_own(&self, query: &mut Query) {
        let run = query.bind(Value::String(Some(self.run.to_owned())));
        let at = query.bind(Value::BigInt(Some(self.clock.now().as_millis())));
        query.push(&format!("{run}, {at}, "));
    }

    fn source_columns(&self, of: &str) -> String {
        let columns = self.archive.columns.iter().map(|column| format!("{of}.{column}"));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Writes ` WHERE`, and that a row is one of the batch, and what was ranked.
    fn push_which(&self, query: &mut Query, batch: Batch, is_all: bool) {
        self.session.bound().push_filter(query);
        query.push(&format!(" AND {}", Self::range(batch)));
        query.push(&format!(" AND {}", self.work.is_row("source_row", batch.is_placed)));
        if !is_all {
            query.push(&format!(" AND {}", self.work.is_unchanged()));
        }
    }

    fn range(batch: Batch) -> String {
        format!("w.seq > {} AND w.seq <= {}", batch.after, batch.last)
    }

    /// PostgreSQL deletes and archives in one statement, and looks again at rows that it had to
    /// wait for.
    fn move_rows(&self, batch: Batch) -> Query {
        let (source, bound) = (self.session.table_sql(), self.session.bound());
        let mut query = self.query("WITH gone AS (DELETE FROM ");
        let name = self.work.name();
        let row = if bound.mapping.join.is_empty() {
            query.push(&format!("{source} AS source_row USING {name} AS w"));
            self.push_which(&mut query, batch, false);
            "source_row"
        } else {
            query.push(&format!("{source} AS target_row USING {name} AS w WHERE "));
            query.push(&format!("{} AND ", Self::range(batch)));
            query.push(&self.work.is_row("target_row", batch.is_placed));
            query.push(" AND EXISTS (SELECT 1 FROM ").push(&bound.from);
            self.push_which(&mut query, batch, false);
            query.push(")");
            "target_row"
        };
        let columns = self.source_columns(row);
        query.push(&format!(" RETURNING {columns}, w.reason AS session_prune_reason) "));
        query.push(&format!("INSERT INTO {} SELECT ", self.archive.into()));
        let run = query.bind(Value::String(Some(self.run.to_owned())));
        let at = query.bind(Value::BigInt(Some(self.clock.now().as_millis())));
        let columns = self.archive.columns.join(", ");
        query.push(&format!("{run}, {at}, {columns}, session_prune_reason FROM gone"));
        query
    }

    fn copy(&self, batch: Batch) -> Query {
        let mut query = self.query(&format!("INSERT INTO {} SELECT ", self.archive.into()));
        self.push_own(&mut query);
        query.push(&self.source_columns("source_row")).push(", w.reason FROM ");
        self.push_from(&mut query);
        self.push_which(&mut query, batch, false);
        if self.work.dialect == Dialect::Mysql {
            query.push(" FOR UPDATE");
        }
        query
    }

    /// The temporary table first, then the rows that it names, by their key.
    fn push_from(&self, query: &mut Query) {
        let join = match self.work.dialect {
            Dialect::Mysql => "STRAIGHT_JOIN",
            _ => "CROSS JOIN",
        };
        let (name, from) = (self.work.name(), &self.session.bound().from);
        query.push(&format!("{name} AS w {join} {from}"));
    }

    /// The columns by which SQLite deletes rows, and what the temporary table notes of them.
    fn names(&self, is_placed: bool) -> (Vec<String>, Vec<String>) {
        if let Some(place) = self.work.place.filter(|_| is_placed) {
            return (vec![place.to_owned()], vec!["w.lies_at".to_owned()]);
        }
        let key = self.work.key.iter().map(|it| self.work.dialect.quote(&it.column.name));
        (key.collect(), (0..self.work.key.len()).map(|at| format!("w.k{at}")).collect())
    }

    fn delete(&self, batch: Batch, is_all: bool) -> Query {
        if self.work.dialect == Dialect::Mysql {
            let mut query = self.query("DELETE source_row FROM ");
            self.push_from(&mut query);
            self.push_which(&mut query, batch, is_all);
            return query;
        }
        let (key, noted) = self.names(batch.is_placed);
        let (source, name) = (self.session.table_sql(), self.work.name());
        let listed = |names: &[String]| match names {
            [only] => only.clone(),
            several => format!("({})", several.join(", ")),
        };
        let mut query = self.query(&format!("DELETE FROM {source} WHERE {} IN (", listed(&key)));
        query.push(&format!("SELECT {} FROM ", noted.join(", ")));
        if is_all {
            query.push(&format!("{name} AS w WHERE {}", Self::range(batch)));
        } else {
            self.push_from(&mut query);
            self.push_which(&mut query, batch, false);
        }
        query.push(")");
        query
    }
}

async fn execute(transaction: &DatabaseTransaction, query: Query) -> Result<u64, SqlError> {
    Ok(transaction.execute_raw(query.statement()).await?.rows_affected())
}

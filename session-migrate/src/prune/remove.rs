//! Archives and deletes the victims, in short transactions.

use std::time::Duration;

use sea_orm_migration::sea_orm::{DatabaseTransaction, Value};
use session_core::clock::Clock;

use super::archive::Archive;
use super::error::{PruneError, PruneErrorKind};
use super::table::PrunableTable;
use super::victims::VictimTable;
use crate::source::BASE;
use crate::sql::{Dialect, Query, SqlError};

/// How often a batch is tried when another transaction is in its way.
const MAX_ATTEMPTS: u32 = 6;

/// Removes the victims batch by batch.
#[derive(Debug)]
pub(super) struct Remover<'a> {
    pub(super) table: &'a PrunableTable,
    pub(super) victims: &'a VictimTable,
    pub(super) archive: &'a Archive,
    pub(super) run: &'a str,
    pub(super) clock: &'a dyn Clock,
}

/// The victims whose numbers are above `after` and not above `last`.
#[derive(Debug, Clone, Copy)]
pub(super) struct VictimBatch {
    pub(super) after: u64,
    pub(super) last: u64,
}

enum BatchError {
    Database(SqlError),
    Mismatch,
}

impl<E: Into<SqlError>> From<E> for BatchError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl Remover<'_> {
    /// Archives and deletes the rows of a batch that have not changed since they were ranked, and
    /// returns their number.
    pub(super) async fn remove(&self, batch: VictimBatch) -> Result<u64, PruneError> {
        let mut pause = Duration::from_millis(20);
        for attempt in 1.. {
            match self.try_remove(batch).await {
                Ok(removed) => return Ok(removed),
                Err(BatchError::Mismatch) => {
                    return Err(PruneError::new(PruneErrorKind::Mismatch));
                }
                Err(BatchError::Database(error))
                    if attempt < MAX_ATTEMPTS && error.is_contended() =>
                {
                    self.clock.sleep(pause).await;
                    pause *= 3;
                }
                Err(BatchError::Database(error)) => return Err(PruneError::statement(error)),
            }
        }
        Ok(0)
    }

    async fn try_remove(&self, batch: VictimBatch) -> Result<u64, BatchError> {
        let transaction = self.table.begin().await?;
        // A statement that waits for a row sees no rows that came to refer to it meanwhile.
        if !self.table.referrers.is_empty() && self.victims.dialect != Dialect::Sqlite {
            self.lock(batch).rows(&transaction).await?;
        }
        let removed = match self.victims.dialect {
            Dialect::Postgres => self.move_rows(batch).execute(&transaction).await?,
            _ => self.copy_and_delete(&transaction, batch).await?,
        };
        transaction.commit().await?;
        Ok(removed)
    }

    /// An error rolls the transaction back.
    async fn copy_and_delete(
        &self,
        transaction: &DatabaseTransaction,
        batch: VictimBatch,
    ) -> Result<u64, BatchError> {
        let copied = self.copy(batch).execute(transaction).await?;
        // The copied rows are locked: if the whole batch was copied, none of them can have changed.
        let is_all = copied == batch.last - batch.after;
        let deleted = self.delete(batch, is_all).execute(transaction).await?;
        if copied == deleted { Ok(copied) } else { Err(BatchError::Mismatch) }
    }

    fn query(&self, sql: &str) -> Query {
        Query::new(self.victims.dialect, sql)
    }

    /// Writes the run's id and the time, as values to be selected.
    fn push_own(&self, query: &mut Query) {
        let run = query.bind(Value::String(Some(self.run.to_owned())));
        let at = query.bind(Value::BigInt(Some(self.clock.now().as_millis())));
        query.push(&format!("{run}, {at}, "));
    }

    fn source_columns(&self, of: &str) -> String {
        let columns = self.archive.columns.iter().map(|column| format!("{of}.{column}"));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Writes ` WHERE`, and that a row is one of the batch and, unless `is_all`, unchanged and not
    /// referred to.
    fn push_which(&self, query: &mut Query, batch: VictimBatch, is_all: bool) {
        self.table.bound().push_filter(query);
        query.push(&format!(" AND {}", Self::range(batch)));
        query.push(&format!(" AND {}", self.victims.is_row("source_row")));
        if !is_all {
            query.push(&format!(" AND {}", self.victims.is_unchanged()));
            self.table.referrers.push_is_free(query, BASE);
        }
    }

    fn range(batch: VictimBatch) -> String {
        format!("w.seq > {} AND w.seq <= {}", batch.after, batch.last)
    }

    /// Returns the statement that locks the rows of a batch, after which no row can come to refer to
    /// them. SQLite has one writer at a time.
    fn lock(&self, batch: VictimBatch) -> Query {
        let (source, name) = (self.table.table_sql(), self.victims.name());
        let (join, of) = match self.victims.dialect {
            // MariaDB cannot name a table here, and the temporary one is this connection's alone.
            Dialect::Mysql => ("STRAIGHT_JOIN", String::new()),
            _ => ("CROSS JOIN", format!(" OF {BASE}")),
        };
        let mut query =
            self.query(&format!("SELECT 1 FROM {name} AS w {join} {source} AS {BASE} WHERE "));
        query.push(&Self::range(batch)).push(" AND ");
        query.push(&self.victims.is_row(BASE));
        query.push(&format!(" FOR UPDATE{of}"));
        query
    }

    /// Returns PostgreSQL's statement, which deletes and archives at once. It checks rows again
    /// that it had to wait for.
    fn move_rows(&self, batch: VictimBatch) -> Query {
        let (source, bound) = (self.table.table_sql(), self.table.bound());
        let mut query = self.query("WITH gone AS (DELETE FROM ");
        let name = self.victims.name();
        let row = if bound.mapping.join.is_empty() {
            query.push(&format!("{source} AS source_row USING {name} AS w"));
            self.push_which(&mut query, batch, false);
            "source_row"
        } else {
            query.push(&format!("{source} AS target_row USING {name} AS w WHERE "));
            query.push(&format!("{} AND ", Self::range(batch)));
            query.push(&self.victims.is_row("target_row"));
            query.push(" AND EXISTS (SELECT 1 FROM ").push(&bound.from);
            self.push_which(&mut query, batch, false);
            query.push(")");
            "target_row"
        };
        let columns = self.source_columns(row);
        query.push(&format!(" RETURNING {columns}, w.reason AS session_prune_reason) "));
        query.push(&format!("INSERT INTO {} SELECT ", self.archive.into()));
        self.push_own(&mut query);
        let columns = self.archive.columns.join(", ");
        query.push(&format!("{columns}, session_prune_reason FROM gone"));
        query
    }

    fn copy(&self, batch: VictimBatch) -> Query {
        let mut query = self.query(&format!("INSERT INTO {} SELECT ", self.archive.into()));
        self.push_own(&mut query);
        query.push(&self.source_columns("source_row")).push(", w.reason FROM ");
        self.push_from(&mut query);
        self.push_which(&mut query, batch, false);
        if self.victims.dialect == Dialect::Mysql {
            query.push(" FOR UPDATE");
        }
        query
    }

    /// Writes the temporary table, joined to the rows that it names: each is found by its key.
    fn push_from(&self, query: &mut Query) {
        let join = match self.victims.dialect {
            Dialect::Mysql => "STRAIGHT_JOIN",
            _ => "CROSS JOIN",
        };
        let (name, from) = (self.victims.name(), &self.table.bound().from);
        query.push(&format!("{name} AS w {join} {from}"));
    }

    /// Returns the columns by which SQLite finds rows, and what the temporary table notes of them.
    fn names(&self) -> (Vec<String>, Vec<String>) {
        if let Some(location) = self.victims.location {
            return (vec![location.to_owned()], vec!["w.lies_at".to_owned()]);
        }
        let key = self.victims.key.iter().map(|it| self.victims.dialect.quote(&it.column.name));
        (key.collect(), (0..self.victims.key.len()).map(|at| format!("w.k{at}")).collect())
    }

    fn delete(&self, batch: VictimBatch, is_all: bool) -> Query {
        if self.victims.dialect == Dialect::Mysql {
            let mut query = self.query("DELETE source_row FROM ");
            self.push_from(&mut query);
            self.push_which(&mut query, batch, is_all);
            return query;
        }
        let (key, noted) = self.names();
        let (source, name) = (self.table.table_sql(), self.victims.name());
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

//! Changes of the schema of a database that an application is using.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr};

use super::objects::{InstalledObjects, Object, TableName};
use super::retry_budget::RetryBudget;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::{Dialect, SqlError, begin};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Drop,
}

/// Objects to create or drop, in the order of their dependencies.
///
/// On PostgreSQL and SQLite it is atomic. On MySQL every statement commits by itself, so each
/// attempt first reads which objects exist, and does the rest.
#[derive(Debug)]
pub(super) struct SchemaChange<'a> {
    pub(super) dialect: Dialect,
    pub(super) action: Action,
    pub(super) objects: Vec<&'a Object>,
}

/// How long PostgreSQL waits for all locks together: less than `deadlock_timeout` (one second by
/// default), so that the application never becomes the victim of a deadlock with this.
const SET_LOCK_TIMEOUT: &str = "SET LOCAL statement_timeout = '700ms'";

/// One second, the shortest that MySQL has.
const MYSQL_BEFORE: [&str; 2] =
    ["SET @session_move_wait = @@SESSION.lock_wait_timeout", "SET SESSION lock_wait_timeout = 1"];

/// Has a connection of SQLite notice what others have dropped: a trigger that it remembers could not be
/// created again.
const READ_SCHEMA: &str = "SELECT COUNT(*) FROM sqlite_master";

/// Restores the setting before the connection returns to its pool.
const MYSQL_AFTER: &str = "SET SESSION lock_wait_timeout = @session_move_wait";

impl SchemaChange<'_> {
    /// Returns every statement that runs where nothing was done before.
    pub(super) fn statements(&self) -> Vec<String> {
        let (before, after): (&[&str], &[&str]) = match self.dialect {
            Dialect::Sqlite => (&["BEGIN IMMEDIATE"], &["COMMIT"]),
            Dialect::Postgres => (&["BEGIN"], &["COMMIT"]),
            Dialect::Mysql => (&[], &[]),
        };
        let owned = |sql: &&str| (*sql).to_owned();
        let mut all: Vec<String> = before.iter().map(owned).collect();
        all.extend(self.before());
        all.extend(self.objects.iter().map(|object| self.sql(object).to_owned()));
        all.extend(self.after().iter().map(owned));
        all.extend(after.iter().map(owned));
        all
    }

    fn sql<'a>(&self, object: &'a Object) -> &'a str {
        match self.action {
            Action::Create => &object.create,
            Action::Drop => &object.drop,
        }
    }

    /// Returns what runs before the objects, inside the transaction.
    fn before(&self) -> Vec<String> {
        match self.dialect {
            Dialect::Sqlite => Vec::new(),
            Dialect::Postgres => self.locks(),
            Dialect::Mysql => MYSQL_BEFORE.map(str::to_owned).to_vec(),
        }
    }

    const fn after(&self) -> &'static [&'static str] {
        match self.dialect {
            Dialect::Mysql => &[MYSQL_AFTER],
            _ => &[],
        }
    }

    /// Returns the locks that `CREATE TRIGGER` and `DROP TRIGGER` take, all at once and in one
    /// order.
    fn locks(&self) -> Vec<String> {
        let tables: BTreeSet<&TableName> =
            self.objects.iter().filter_map(|object| object.on.as_ref()).collect();
        let tables: Vec<String> = tables.iter().map(|table| table.sql(self.dialect)).collect();
        let mode = match self.action {
            Action::Create => "SHARE ROW EXCLUSIVE",
            Action::Drop => "ACCESS EXCLUSIVE",
        };
        let mut locks = vec![SET_LOCK_TIMEOUT.to_owned()];
        if !tables.is_empty() {
            locks.push(format!("LOCK TABLE {} IN {mode} MODE", tables.join(", ")));
        }
        locks
    }

    /// Creates or drops what is left to do, between the transactions of others.
    pub(super) async fn run(
        &self,
        connection: &DatabaseConnection,
        budget: &RetryBudget,
    ) -> Result<(), SourceError> {
        let mut retries = budget.start();
        loop {
            let installed = InstalledObjects::of(self.dialect, connection).await?;
            let is_open = |object: &&Object| installed.has(object) == (self.action == Action::Drop);
            let objects: Vec<&Object> = self.objects.iter().copied().filter(is_open).collect();
            if objects.is_empty() {
                return Ok(());
            }
            let rest = SchemaChange { dialect: self.dialect, action: self.action, objects };
            match rest.attempt(connection).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_contended() => {
                    if !retries.pause().await {
                        let busy = SourceError::new(SourceErrorKind::Busy);
                        return Err(match error.into_cause() {
                            Some(cause) => busy.caused_by(cause),
                            None => busy,
                        });
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn attempt(&self, connection: &DatabaseConnection) -> Result<(), SqlError> {
        let transaction = begin(connection).await?;
        let done = self.all(&transaction).await;
        if self.dialect == Dialect::Mysql {
            // MySQL's statements committed already; the transaction only keeps them on one
            // connection, whose setting is restored whatever happened.
            for sql in self.after() {
                transaction.execute_unprepared(sql).await?;
            }
        }
        match done {
            Ok(()) => Ok(transaction.commit().await?),
            Err(error) => {
                // The first failure is the one to report; the transaction is undone either way.
                let _ = transaction.rollback().await;
                Err(error.into())
            }
        }
    }

    async fn all(&self, transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        if self.dialect == Dialect::Sqlite {
            transaction.execute_unprepared(READ_SCHEMA).await?;
        }
        for sql in self.before() {
            transaction.execute_unprepared(&sql).await?;
        }
        for object in &self.objects {
            transaction.execute_unprepared(self.sql(object)).await?;
        }
        Ok(())
    }
}

//! Statements that change the schema of a database that others are using.

use std::collections::BTreeSet;

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr};

use super::names::TableName;
use super::object::Object;
use super::patience::Patience;
use super::probe::There;
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::{Dialect, SqlError, begin};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Make,
    Drop,
}

/// What makes or drops objects, in an order in which each finds what it needs.
///
/// PostgreSQL and SQLite do all of it or nothing. On MySQL every statement commits by itself, so
/// each attempt begins with a look at what is there, and does the rest.
#[derive(Debug)]
pub(super) struct Script<'a> {
    pub(super) dialect: Dialect,
    pub(super) work: Work,
    pub(super) objects: Vec<&'a Object>,
}

/// How long PostgreSQL waits for all the tables' locks together. Less than `deadlock_timeout` (one
/// second unless set otherwise), so that it is never the application that is chosen as the victim
/// of a deadlock with us.
const LOCKS_WITHIN: &str = "SET LOCAL statement_timeout = '700ms'";

/// In seconds; MySQL knows no less.
const MYSQL_BEFORE: [&str; 2] =
    ["SET @session_move_wait = @@SESSION.lock_wait_timeout", "SET SESSION lock_wait_timeout = 1"];

/// The connection goes back to its pool as it was.
const MYSQL_AFTER: &str = "SET SESSION lock_wait_timeout = @session_move_wait";

impl Script<'_> {
    /// Every statement that it runs on a database where all of it is to be done.
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
        match self.work {
            Work::Make => &object.create,
            Work::Drop => &object.drop,
        }
    }

    /// What comes before the objects, inside the transaction.
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

    /// The locks that `CREATE TRIGGER` and `DROP TRIGGER` take, all at once and in one order.
    fn locks(&self) -> Vec<String> {
        let tables: BTreeSet<&TableName> =
            self.objects.iter().filter_map(|object| object.on.as_ref()).collect();
        let tables: Vec<String> = tables.iter().map(|table| table.sql(self.dialect)).collect();
        let mode = match self.work {
            Work::Make => "SHARE ROW EXCLUSIVE",
            Work::Drop => "ACCESS EXCLUSIVE",
        };
        let mut locks = vec![LOCKS_WITHIN.to_owned()];
        if !tables.is_empty() {
            locks.push(format!("LOCK TABLE {} IN {mode} MODE", tables.join(", ")));
        }
        locks
    }

    /// Does what is not done yet, between the transactions of others.
    pub(super) async fn run(
        &self,
        connection: &DatabaseConnection,
        patience: &Patience,
    ) -> Result<(), SourceError> {
        let mut wait = patience.wait();
        loop {
            let there = There::of(self.dialect, connection).await?;
            let is_open = |object: &&Object| there.has(object) == (self.work == Work::Drop);
            let objects: Vec<&Object> = self.objects.iter().copied().filter(is_open).collect();
            if objects.is_empty() {
                return Ok(());
            }
            let rest = Script { dialect: self.dialect, work: self.work, objects };
            match rest.attempt(connection).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_contended() => {
                    if !wait.again().await {
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
            // Nothing is left of the transaction but that it keeps the statements on one
            // connection, whose setting is put back whatever happened.
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
        for sql in self.before() {
            transaction.execute_unprepared(&sql).await?;
        }
        for object in &self.objects {
            transaction.execute_unprepared(self.sql(object)).await?;
        }
        Ok(())
    }
}

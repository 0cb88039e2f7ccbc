//! One connection of the pool, for one call of the store.
//!
//! It goes back within a bounded time, or is closed: a connection that does not answer any more, a
//! server that takes no writes, and an unfinished transaction never reach the next call.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::sync::Arc;

use async_trait::async_trait;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::sqlx::{AssertSqlSafe, Database, Error as SqlxError, query_with, raw_sql};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::{ConnAcquireErr, RuntimeErr, Values};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::error_class::ErrorClass;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::keeper::{IdleConnection, Keeper};
use super::observer::Observer;

/// A connection that this call has to itself.
pub(super) struct Connection {
    lent: Mutex<Lent>,
    backend: DbBackend,
    observer: Observer,
}

enum Lent {
    /// SQLite has no server that could be silent; a transaction is SeaORM's.
    Local(DatabaseTransaction),
    #[cfg(feature = "postgres")]
    Postgres(Loan<sea_orm::sqlx::Postgres>),
    #[cfg(feature = "mysql")]
    MySql(Loan<sea_orm::sqlx::MySql>),
}

/// A connection of SQLx's pool and what is known of it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
struct Loan<DB: Database> {
    connection: Option<IdleConnection<DB>>,
    keeper: Arc<Keeper<DB>>,
    /// Whether a statement was sent that is not answered yet.
    is_busy: bool,
    /// Whether a transaction is open, which a later call must not find.
    in_transaction: bool,
    /// Whether another connection may be better: this one is lost, or its server is read-only.
    is_unfit: bool,
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl<DB: Database> Loan<DB> {
    const fn new(connection: IdleConnection<DB>, keeper: Arc<Keeper<DB>>) -> Self {
        let connection = Some(connection);
        Self { connection, keeper, is_busy: false, in_transaction: false, is_unfit: false }
    }

    /// Returns the connection, for one statement or message.
    fn raw(&mut self) -> Result<&mut DB::Connection, DbErr> {
        self.is_busy = true;
        let raw = self.connection.as_mut().and_then(IdleConnection::raw);
        raw.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
    }

    /// Records the answer, and what an error says about the connection.
    fn answered<T>(
        &mut self,
        backend: DbBackend,
        result: Result<T, SqlxError>,
    ) -> Result<T, DbErr> {
        self.is_busy = false;
        result.map_err(|error| {
            let error = DbErr::Query(RuntimeErr::SqlxError(error.into()));
            let class = ErrorClass::of(backend, &error);
            let lost = [ErrorClass::ConnectionLost, ErrorClass::ReadOnlyServer];
            self.is_unfit |= lost.contains(&class);
            error
        })
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
impl<DB: Database> Drop for Loan<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.in_transaction || self.is_unfit {
            connection.close();
        } else if !self.is_busy {
            self.keeper.keep(connection);
        }
    }
}

/// Runs a call on the connection, whatever its kind.
macro_rules! call {
    ($self:expr, $local:ident => $on_local:expr, $raw:ident => $on_server:expr) => {
        match &mut *$self.lent.lock().await {
            Lent::Local($local) => $on_local,
            #[cfg(feature = "postgres")]
            Lent::Postgres(loan) => {
                let $raw = loan.raw()?;
                let result = $on_server;
                loan.answered($self.backend, result)
            }
            #[cfg(feature = "mysql")]
            Lent::MySql(loan) => {
                let $raw = loan.raw()?;
                let result = $on_server;
                loan.answered($self.backend, result)
            }
        }
    };
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn values(statement: &Statement) -> SqlxValues {
    SqlxValues(statement.values.clone().unwrap_or_else(|| Values(Vec::new())))
}

impl Connection {
    pub(super) fn local(
        transaction: DatabaseTransaction,
        backend: DbBackend,
        observer: Observer,
    ) -> Self {
        Self::of(Lent::Local(transaction), backend, observer)
    }

    #[cfg(feature = "postgres")]
    pub(super) fn postgres(
        connection: IdleConnection<sea_orm::sqlx::Postgres>,
        keeper: Arc<Keeper<sea_orm::sqlx::Postgres>>,
        observer: Observer,
    ) -> Self {
        Self::of(Lent::Postgres(Loan::new(connection, keeper)), DbBackend::Postgres, observer)
    }

    #[cfg(feature = "mysql")]
    pub(super) fn mysql(
        connection: IdleConnection<sea_orm::sqlx::MySql>,
        keeper: Arc<Keeper<sea_orm::sqlx::MySql>>,
        observer: Observer,
    ) -> Self {
        Self::of(Lent::MySql(Loan::new(connection, keeper)), DbBackend::MySql, observer)
    }

    fn of(lent: Lent, backend: DbBackend, observer: Observer) -> Self {
        Self { lent: Mutex::new(lent), backend, observer }
    }

    /// Runs statements without parameters in one message, and returns the rows of all of them.
    pub(super) async fn query_text(&self, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
        self.observer.text(self.backend, sql);
        call!(self,
            local => local.query_all_raw(Statement::from_string(self.backend, sql)).await,
            raw => raw_sql(AssertSqlSafe(sql)).fetch_all(raw).await
                .map(|rows| rows.into_iter().map(QueryResult::from).collect())
        )
    }

    /// Records whether a transaction of a server is open: then the connection is closed when it is
    /// dropped.
    #[cfg_attr(not(any(feature = "postgres", feature = "mysql")), allow(unused_variables))]
    pub(super) fn set_in_transaction(&mut self, is_open: bool) {
        match self.lent.get_mut() {
            Lent::Local(_) => {}
            #[cfg(feature = "postgres")]
            Lent::Postgres(loan) => loan.in_transaction = is_open,
            #[cfg(feature = "mysql")]
            Lent::MySql(loan) => loan.in_transaction = is_open,
        }
    }

    /// Returns whether the connection is closed when it is dropped, whatever is done before.
    pub(super) fn is_unfit(&mut self) -> bool {
        match self.lent.get_mut() {
            Lent::Local(_) => false,
            #[cfg(feature = "postgres")]
            Lent::Postgres(loan) => loan.is_unfit,
            #[cfg(feature = "mysql")]
            Lent::MySql(loan) => loan.is_unfit,
        }
    }

    /// Returns SeaORM's transaction, if it is one.
    pub(super) fn into_local(self) -> Option<DatabaseTransaction> {
        match self.lent.into_inner() {
            Lent::Local(transaction) => Some(transaction),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            _ => None,
        }
    }
}

#[async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        self.backend
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.observer.statement(&statement);
        call!(self,
            local => local.execute_raw(statement).await,
            raw => query_with(AssertSqlSafe(statement.sql.as_str()), values(&statement))
                .execute(raw).await.map(ExecResult::from)
        )
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.observer.text(self.backend, sql);
        call!(self,
            local => local.execute_unprepared(sql).await,
            raw => raw_sql(AssertSqlSafe(sql)).execute(raw).await.map(ExecResult::from)
        )
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.observer.statement(&statement);
        call!(self,
            local => local.query_one_raw(statement).await,
            raw => query_with(AssertSqlSafe(statement.sql.as_str()), values(&statement))
                .fetch_optional(raw).await.map(|row| row.map(QueryResult::from))
        )
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.observer.statement(&statement);
        call!(self,
            local => local.query_all_raw(statement).await,
            raw => query_with(AssertSqlSafe(statement.sql.as_str()), values(&statement))
                .fetch_all(raw).await
                .map(|rows| rows.into_iter().map(QueryResult::from).collect())
        )
    }
}

//! The pool: a call borrows one connection, and more than one statement share it.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use std::sync::Arc;

use async_trait::async_trait;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sea_orm::{ConnAcquireErr, RuntimeErr, sqlx::Error as SqlxError};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use super::connection::Connection;
#[cfg(any(feature = "postgres", feature = "mysql"))]
use super::keeper::Keeper;
use super::observer::Observer;

/// Runs each statement on a connection of its own.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) connection: DatabaseConnection,
    pub(super) observer: Observer,
    #[cfg(feature = "postgres")]
    postgres: Arc<Keeper<sea_orm::sqlx::Postgres>>,
    #[cfg(feature = "mysql")]
    mysql: Arc<Keeper<sea_orm::sqlx::MySql>>,
}

impl Pool {
    pub(super) fn new(connection: DatabaseConnection) -> Self {
        Self {
            connection,
            observer: Observer::default(),
            #[cfg(feature = "postgres")]
            postgres: Arc::new(Keeper::new()),
            #[cfg(feature = "mysql")]
            mysql: Arc::new(Keeper::new()),
        }
    }

    /// Borrows a connection to a server; `None` for SQLite, whose connections SeaORM lends.
    pub(super) async fn lend(&self) -> Result<Option<Connection>, DbErr> {
        match self.connection.get_database_backend() {
            _ if self.connection.is_mock_connection() => Ok(None),
            #[cfg(feature = "postgres")]
            DbBackend::Postgres => {
                let keeper = Arc::clone(&self.postgres);
                let lent = keeper.lend(self.connection.get_postgres_connection_pool()).await;
                let lent = lent.map_err(not_acquired)?;
                Ok(Some(Connection::postgres(lent, keeper, self.observer.clone())))
            }
            #[cfg(feature = "mysql")]
            DbBackend::MySql => {
                let keeper = Arc::clone(&self.mysql);
                let lent = keeper.lend(self.connection.get_mysql_connection_pool()).await;
                let lent = lent.map_err(not_acquired)?;
                Ok(Some(Connection::mysql(lent, keeper, self.observer.clone())))
            }
            _ => Ok(None),
        }
    }

    /// Runs statements without parameters in one message, each of which commits by itself; returns
    /// the rows of all of them.
    pub(super) async fn query_text(&self, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
        match self.lend().await? {
            Some(lent) => lent.query_text(sql).await,
            None => {
                self.observer.text(self.get_database_backend(), sql);
                let statement = Statement::from_string(self.get_database_backend(), sql);
                self.connection.query_all_raw(statement).await
            }
        }
    }
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn not_acquired(error: SqlxError) -> DbErr {
    match error {
        SqlxError::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        SqlxError::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(error.into())),
    }
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self.lend().await? {
            Some(lent) => lent.execute_raw(statement).await,
            None => {
                self.observer.statement(&statement);
                self.connection.execute_raw(statement).await
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self.lend().await? {
            Some(lent) => lent.execute_unprepared(sql).await,
            None => self.connection.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self.lend().await? {
            Some(lent) => lent.query_one_raw(statement).await,
            None => {
                self.observer.statement(&statement);
                self.connection.query_one_raw(statement).await
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self.lend().await? {
            Some(lent) => lent.query_all_raw(statement).await,
            None => {
                self.observer.statement(&statement);
                self.connection.query_all_raw(statement).await
            }
        }
    }
}

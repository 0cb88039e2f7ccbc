//! Runs a test on every kind of database.

use std::future::Future;
use std::ops::Deref;

use super::{Database, Kind};

/// The argument of a test that runs on every kind of database.
pub trait Subject: Sized {
    /// Creates the value for one kind, which is available.
    fn of(kind: Kind) -> impl Future<Output = Self>;
}

/// For a test that creates its databases itself.
impl Subject for Kind {
    async fn of(kind: Kind) -> Self {
        kind
    }
}

/// An empty database.
impl Subject for Database {
    async fn of(kind: Kind) -> Self {
        Self::create(kind).await
    }
}

/// A database with the tables that the crates under test need.
#[derive(Debug)]
pub struct Migrated(pub Database);

impl Subject for Migrated {
    async fn of(kind: Kind) -> Self {
        Self(Database::migrated(kind).await)
    }
}

impl Deref for Migrated {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0
    }
}

/// Runs the body of a test on one kind; prints a message if the kind is not available.
///
/// # Panics
///
/// Panics as [`Kind::is_available`] and the body do.
#[expect(clippy::print_stderr, reason = "a test that does not run must report it")]
pub async fn run<S: Subject, F: Future<Output = ()>>(kind: Kind, body: impl FnOnce(S) -> F) {
    if kind.is_available() {
        // Bodies are large, so they are boxed.
        Box::pin(async { body(S::of(kind).await).await }).await;
    } else {
        eprintln!("not tested on {kind}: no server (./scripts/test starts them)");
    }
}

/// Defines tests that run once for each [`Kind`](crate::database::Kind): `name::sqlite` and so on.
///
/// A body takes one [`Subject`](crate::database::Subject): an empty `Database`, one with tables as
/// `Migrated`, or the `Kind` to create databases of.
#[macro_export]
macro_rules! on_every_database {
    ($($(#[$attribute:meta])* async fn $name:ident($argument:ident: $subject:ty) $body:block)+) => {$(
        $(#[$attribute])*
        async fn $name($argument: $subject) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                $crate::database::run($crate::database::Kind::Sqlite, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                $crate::database::run($crate::database::Kind::Postgres, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn mariadb() {
                $crate::database::run($crate::database::Kind::MariaDb, super::$name).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn mysql() {
                $crate::database::run($crate::database::Kind::MySql, super::$name).await;
            }
        }
    )+};
}

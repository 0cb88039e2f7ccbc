//! The kinds of databases to test on.

use std::env;
use std::fmt;

/// A kind of database that stores and migrations support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A separate file for each test; always available.
    Sqlite,
    /// The server at `SESSION_TEST_POSTGRES_URL`.
    Postgres,
    /// The server at `SESSION_TEST_MYSQL_URL`.
    MariaDb,
    /// The server at `SESSION_TEST_MYSQL8_URL`; never required.
    MySql,
}

impl Kind {
    /// Every kind, available or not.
    pub const ALL: [Self; 4] = [Self::Sqlite, Self::Postgres, Self::MariaDb, Self::MySql];

    /// Returns the kinds that this run tests on.
    ///
    /// # Panics
    ///
    /// Panics as [`is_available`](Self::is_available) does.
    #[must_use]
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kind| kind.is_available()).collect()
    }

    /// Returns whether this run tests on this kind.
    ///
    /// # Panics
    ///
    /// Panics if PostgreSQL or MariaDB is missing but required: with `CI=true`, or with a
    /// non-empty `SESSION_TEST_REQUIRE`.
    #[must_use]
    pub fn is_available(self) -> bool {
        let Some(variable) = self.variable() else {
            return true;
        };
        let available = set(variable).is_some();
        let required = self != Self::MySql
            && (set("CI").is_some_and(|value| value == "true")
                || set("SESSION_TEST_REQUIRE").is_some());
        assert!(
            available || !required,
            "{self} must be tested, but {variable} is not set: run the tests with ./scripts/test"
        );
        available
    }

    /// Returns the address of the server, with a user that may create databases.
    ///
    /// # Panics
    ///
    /// Panics if the kind is SQLite, which has no server, or is not available.
    #[must_use]
    pub fn server_url(self) -> String {
        let variable = self.variable().expect("SQLite has no server");
        set(variable).unwrap_or_else(|| panic!("{self} is not available: {variable} is not set"))
    }

    fn variable(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SESSION_TEST_POSTGRES_URL"),
            Self::MariaDb => Some("SESSION_TEST_MYSQL_URL"),
            Self::MySql => Some("SESSION_TEST_MYSQL8_URL"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL 8",
        })
    }
}

/// Returns the addresses of the nodes of a Galera cluster; `None` if none was started.
///
/// # Panics
///
/// Panics if there is none with `CI=true`.
#[must_use]
pub fn galera_urls() -> Option<Vec<String>> {
    let urls = optional("SESSION_TEST_GALERA_URLS")?;
    Some(urls.split(' ').map(str::to_owned).collect())
}

/// Returns the address of a Redis or Valkey server; `None` if none was started.
///
/// # Panics
///
/// Panics if there is none with `CI=true`.
#[must_use]
pub fn redis_url() -> Option<String> {
    optional("SESSION_TEST_REDIS_URL")
}

fn optional(variable: &str) -> Option<String> {
    let value = set(variable);
    let is_required = set("CI").is_some_and(|value| value == "true");
    assert!(value.is_some() || !is_required, "{variable} is not set: run ./scripts/test");
    value
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

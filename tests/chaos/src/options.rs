//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// The least time of faults: the quiet end and the final check are added to it.
const MIN_SECONDS: u64 = 5;

/// Runs processes, browsers and faults on one database, and checks what the browsers saw.
///
/// The servers are those of SESSION_TEST_POSTGRES_URL, SESSION_TEST_MYSQL_URL,
/// SESSION_TEST_GALERA_URLS, SESSION_TEST_PGBOUNCER_URL, SESSION_TEST_PATRONI_URL and
/// SESSION_TEST_PATRONI_NODES, which scripts/chaos starts.
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos", version)]
pub struct Options {
    /// How long faults are caused
    #[arg(long, value_name = "MINUTES", default_value_t = 5)]
    pub minutes: u64,

    /// The same in seconds, in place of --minutes
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(MIN_SECONDS..))]
    pub seconds: Option<u64>,

    /// What the schedule and the browsers choose by
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// The database
    #[arg(long, value_name = "NAME", value_enum, default_value_t = DatabaseChoice::Sqlite)]
    pub database: DatabaseChoice,

    /// How many browsers there are, four for each user
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(4..))]
    pub browsers: u32,

    /// How far apart the clocks of the first and the last process are, by libfaketime
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=600))]
    pub clocks_apart: i64,

    /// The program `devices` [default: beside this program]
    #[arg(long, value_name = "FILE")]
    pub devices: Option<PathBuf>,

    /// The folder of the history and of the processes' logs [default: a new temporary one]
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,

    /// Send so many requests at once when a token has expired, and run nothing else
    #[arg(long, value_name = "REQUESTS", conflicts_with = "clocks_apart")]
    pub at_expiry: Option<usize>,

    /// Check this history again, and run nothing
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// The database of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DatabaseChoice {
    /// A file, and one process
    Sqlite,
    /// PostgreSQL
    Postgres,
    /// MariaDB
    Mariadb,
    /// Three nodes of MariaDB with Galera, one for each process
    Galera,
    /// PostgreSQL under Patroni, whose primary is killed and replaced
    Patroni,
    /// PostgreSQL behind PgBouncer in transaction mode
    Pgbouncer,
}

impl Options {
    /// Returns how far apart the clocks are.
    #[must_use]
    pub fn clocks_apart(&self) -> Duration {
        Duration::from_secs(self.clocks_apart.unsigned_abs())
    }

    /// Returns how long faults are caused.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(self.minutes.saturating_mul(60)))
    }
}

impl DatabaseChoice {
    /// Returns how many processes run.
    #[must_use]
    pub const fn processes(self) -> usize {
        match self {
            Self::Sqlite => 1,
            _ => 3,
        }
    }

    /// Returns for how long a node may not see what was confirmed on another one, in milliseconds.
    #[must_use]
    pub const fn replication_ms(self) -> u64 {
        match self {
            Self::Galera => 5_000,
            _ => 0,
        }
    }
}

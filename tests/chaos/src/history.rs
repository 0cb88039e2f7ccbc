//! The history of a run: one JSON object a line.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// One line of a history. Times are microseconds of one monotonic clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// What the run was started with; the first line.
    Run(Run),
    /// What a browser did.
    Operation(Operation),
    /// What the schedule did.
    Fault(Fault),
    /// What the provider saw.
    Renewal(Renewal),
}

/// What a run was started with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// The seed of the schedule and the browsers.
    pub seed: u64,
    /// The name of the database.
    pub database: String,
    /// The maximum number of sessions of a user.
    pub cap: usize,
    /// Within which time an end is seen by every process.
    pub max_staleness_ms: u64,
    /// For how long a node of the database may not see what was confirmed on another one.
    pub replication_ms: u64,
    /// The term of a lease.
    pub lease_ms: u64,
    /// How long a process waits for the database.
    pub store_timeout_ms: u64,
}

/// What an operation was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `/login` to `/callback`.
    SignIn,
    /// `GET /api/me`.
    Me,
    /// `GET /api/tool`.
    Tool,
    /// `GET /api/sessions`.
    List,
    /// `DELETE /api/sessions/{id}`.
    End,
    /// `POST /api/sessions/end-others`.
    EndOthers,
    /// `POST /logout`.
    SignOut,
}

/// One operation of a browser.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Before the request was sent.
    pub start: u64,
    /// After the answer was read, or was given up.
    pub end: u64,
    /// What was asked for.
    pub action: Action,
    /// The browser.
    pub browser: u32,
    /// The browser's user.
    pub user: String,
    /// The process that was asked.
    pub process: usize,
    /// The sign-in whose cookie was presented; sign-ins are numbered by their callbacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<u32>,
    /// The number of this sign-in, if its callback was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<u32>,
    /// The status; none where no answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason of a 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The session that the answer names, or that was to be ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The user that the answer names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_user: Option<String>,
    /// The provider's name of the login whose token was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The sessions in the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<String>,
    /// Whether it was asked after everything was healed, so that it must succeed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_final: bool,
}

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A process was killed, and started again.
    Kill,
    /// A process was stopped and continued.
    Freeze,
    /// The connections of a process to the database were closed, and new ones refused.
    CutDatabase,
    /// The connections of a process to the database carried nothing.
    FreezeDatabase,
    /// The database's primary was killed, and its standby took its place.
    KillPrimary,
    /// The database's primary and its standby changed places.
    SwitchPrimary,
    /// A node of the database's cluster was killed, and came back.
    KillNode,
    /// The provider's token endpoint answered slowly.
    SlowProvider,
    /// The provider's token endpoint answered 503.
    FailingProvider,
    /// The provider's token endpoint answered 429 with `Retry-After`.
    BusyProvider,
    /// The provider closed connections without an answer, before any effect.
    ClosingProvider,
    /// The provider rotated refresh tokens, and its answers were lost.
    LostAnswers,
    /// No fault of the schedule: the machine was too busy to run the bench itself.
    Stall,
}

impl FaultKind {
    /// Returns whether a process had no database meanwhile.
    #[must_use]
    pub const fn is_of_database(self) -> bool {
        matches!(self, Self::CutDatabase | Self::FreezeDatabase) || self.is_of_server()
    }

    /// Returns whether a server of the database was gone meanwhile.
    #[must_use]
    pub const fn is_of_server(self) -> bool {
        matches!(self, Self::KillPrimary | Self::SwitchPrimary | Self::KillNode)
    }
}

/// A fault, from before its beginning until everything was in order again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// Before it began.
    pub start: u64,
    /// When everything was in order again.
    pub end: u64,
    /// What it was.
    pub kind: FaultKind,
    /// The process that it concerned; none for the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<usize>,
}

/// What the provider saw of a renewal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Renewal {
    /// When.
    pub at: u64,
    /// The provider's name of the login.
    pub sid: String,
    /// The user.
    pub user: String,
    /// What happened.
    pub outcome: RenewalOutcome,
}

/// The outcome of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalOutcome {
    /// The refresh token was rotated.
    Renewed,
    /// The answer of the last renewal was lost, by a fault.
    Lost,
    /// A refresh token was sent a second time.
    Reused,
}

/// Writes a history.
#[derive(Debug)]
pub struct HistoryWriter(Mutex<BufWriter<File>>);

impl HistoryWriter {
    /// Creates the file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(BufWriter::new(File::create(path)?))))
    }

    /// Appends a line.
    ///
    /// # Panics
    ///
    /// Panics if the disk is full: a history with a gap proves nothing.
    #[expect(clippy::expect_used, reason = "a history with a gap proves nothing")]
    pub fn write(&self, record: &Record) {
        let line = serde_json::to_string(record).expect("a record is JSON");
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}").expect("the history can be written");
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn flush(&self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// Reads a history.
///
/// # Errors
///
/// Returns an error if the file cannot be read, or a line is no record.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines.map(|line| serde_json::from_str(&line?).map_err(io::Error::other)).collect()
}

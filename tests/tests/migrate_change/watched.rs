//! A source that is watched.

use std::sync::Arc;
use std::time::Duration;

use session_core::SessionId;
use session_core::clock::SystemClock;
use session_migrate::capture::{CaptureOwner, Change, ChangeCapture, ChangedRows, RetryBudget};
use session_migrate::source::{
    Cell, Codecs, Mapping, Mappings, Preset, SourceError, SourceKeys, SourceTable,
};
use session_tests::database::{Database, Kind};

use session_tests::source::Source;

#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) source: Source,
    pub(crate) table: SourceTable,
    pub(crate) watch: ChangeCapture,
}

/// A table whose key is a text, with a column that no mapping reads.
pub(crate) const TOKENS: &str = "
    CREATE TABLE tokens (id VARCHAR(40) NOT NULL PRIMARY KEY, u VARCHAR(40), p VARCHAR(40),
      t VARCHAR(40), seen BIGINT)";

pub(crate) fn mapping(table: &str, key: &str, more: &str) -> Mapping {
    Mappings::from_toml(&format!(
        "[[mapping]]\ntable = \"{table}\"\nkey = [{key}]\nuser = {{ column = \"u\" }}\n\
         provider = {{ column = \"p\" }}\ntokens.access = {{ column = \"t\" }}\n{more}"
    ))
    .unwrap()
    .mapping
    .remove(0)
}

/// The owner of every capture here, as if all belonged to one move.
pub(crate) fn owner() -> CaptureOwner {
    CaptureOwner::with_tag(SessionId::derived(&[b"a move"]), "0a1b2c3d")
}

pub(crate) fn patience(limit: Duration) -> RetryBudget {
    RetryBudget::new(Arc::new(SystemClock::new()), limit)
}

pub(crate) fn long() -> RetryBudget {
    patience(Duration::from_secs(30))
}

pub(crate) const fn is_mysql(kind: Kind) -> bool {
    matches!(kind, Kind::MariaDb | Kind::MySql)
}

/// A watched table of the simple sort.
pub(crate) async fn tokens(database: Database) -> Watched {
    let source = Source::on(database).await;
    source.run(TOKENS).await;
    Watched::of(source, &mapping("tokens", "\"id\"", "")).await
}

impl Watched {
    pub(crate) async fn of(source: Source, mapping: &Mapping) -> Self {
        let watched = Self::before(source, mapping).await;
        watched.start().await.unwrap();
        watched
    }

    /// Not started yet.
    pub(crate) async fn before(source: Source, mapping: &Mapping) -> Self {
        let table = source.open(mapping, &Codecs::new(SourceKeys::none())).await.unwrap();
        let watch = ChangeCapture::new(&table, 7, &owner()).unwrap();
        Self { source, table, watch }
    }

    /// The first mapping of a preset.
    pub(crate) async fn preset(source: Source, preset: &str) -> Self {
        let preset: Preset = preset.parse().unwrap();
        let mapping =
            preset.match_schema(&source.schema().await).unwrap().mappings.mapping.remove(0);
        let codecs = Codecs::new(SourceKeys::new("a key that opens nothing here"));
        let table = source.open(&mapping, &codecs).await.unwrap();
        let watch = ChangeCapture::new(&table, 0, &owner()).unwrap();
        watch.start(&source.connection, &long()).await.unwrap();
        Self { source, table, watch }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.source.kind()
    }

    pub(crate) async fn start(&self) -> Result<(), SourceError> {
        self.watch.start(&self.source.connection, &long()).await
    }

    pub(crate) async fn stop(&self) {
        self.watch.stop(&self.source.connection, &long()).await.unwrap();
    }

    /// What the log holds, sorted; it is empty afterwards.
    pub(crate) async fn noted(&self) -> Vec<String> {
        let connection = &self.source.connection;
        let changes = self.watch.changes(connection, 10_000).await.unwrap();
        self.watch.forget(connection, &changes).await.unwrap();
        assert_eq!(self.watch.count(connection).await.unwrap(), 0);
        let mut lines: Vec<String> = changes.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// Runs a statement and gives what is noted of it.
    pub(crate) async fn noted_of(&self, sql: &str) -> Vec<String> {
        self.source.run(sql).await;
        self.noted().await
    }
}

fn line(change: &Change) -> String {
    match &change.what {
        ChangedRows::All => "all".to_owned(),
        ChangedRows::Key(cells) => cells.iter().map(shown).collect::<Vec<_>>().join(", "),
        ChangedRows::Related { column, join, value } => {
            let join = join.as_ref().map(|join| format!("{join}.")).unwrap_or_default();
            format!("{join}{column} -> {}", shown(value))
        }
        _ => "?".to_owned(),
    }
}

fn shown(cell: &Cell) -> String {
    format!("{} {:?}", cell.class(), cell.as_text().unwrap_or("none".into()))
}

//! A source that a test builds.

use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use session_migrate::source::{
    Codecs, Inspection, Mapping, Match, Preset, Recognition, RowTokens, Schema, SourceError,
    SourceKeys, SourceRow, SourceTable, inspect,
};
use session_tests::database::{Database, Kind};

/// A database with a project's tables.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) database: Database,
    pub(crate) connection: DatabaseConnection,
}

impl Source {
    pub(crate) async fn on(database: Database) -> Self {
        let connection = database.connect().await;
        Self { database, connection }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.database.kind()
    }

    /// Runs statements. `«name»` is a quoted name, and `{type}` is what the kind calls it.
    pub(crate) async fn run(&self, sql: &str) {
        for statement in in_dialect(sql, self.kind()).split(";\n") {
            if !statement.trim().is_empty() {
                let done = self.connection.execute_unprepared(statement).await;
                done.unwrap_or_else(|error| panic!("{error}\n{statement}"));
            }
        }
    }

    pub(crate) async fn schema(&self) -> Schema {
        Schema::read(&self.connection).await.unwrap()
    }

    /// The likeliest preset, and the mappings that it gives.
    pub(crate) async fn recognised(&self, preset: &str) -> Match {
        let recognition = Recognition::of(&self.schema().await);
        let first =
            recognition.matches.first().unwrap_or_else(|| panic!("nothing: {recognition:#?}"));
        assert_eq!(first.preset, preset, "{recognition:#?}");
        let asked: Preset = preset.parse().unwrap();
        assert_eq!(asked.match_schema(&self.schema().await).unwrap().mappings, first.mappings);
        first.clone()
    }

    pub(crate) async fn open(
        &self,
        mapping: &Mapping,
        codecs: &Codecs,
    ) -> Result<SourceTable, SourceError> {
        let schema = self.schema().await;
        let codecs = codecs.clone().with_keys_of(&self.connection, &schema).await?;
        SourceTable::open(&self.connection, &schema, mapping, &codecs).await
    }

    /// All rows of a mapping, in batches of two.
    pub(crate) async fn rows(&self, mapping: &Mapping, codecs: &Codecs) -> Vec<SourceRow> {
        let table = self.open(mapping, codecs).await.unwrap();
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let (batch, next) = table.batch(&self.connection, after.as_ref(), 2).await.unwrap();
            rows.extend(batch);
            // As another process would take it up.
            after = next.map(|cursor| cursor.to_string().parse().unwrap());
            if after.is_none() {
                return rows;
            }
        }
    }

    /// All rows of a recognised preset with one mapping, each on a line, sorted.
    pub(crate) async fn lines(&self, preset: &str, keys: SourceKeys) -> Vec<String> {
        let fit = self.recognised(preset).await;
        let mut lines = Vec::new();
        for mapping in &fit.mappings.mapping {
            lines.extend(self.rows(mapping, &Codecs::new(keys.clone())).await.iter().map(line));
        }
        lines.sort();
        lines
    }

    pub(crate) async fn inspect(&self, keys: SourceKeys) -> Inspection {
        inspect(&self.connection, &Codecs::new(keys)).await.unwrap()
    }
}

/// Key, user, provider, account, access and refresh token, expiry in seconds; `-` for nothing.
pub(crate) fn line(row: &SourceRow) -> String {
    let or = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let tokens = match &row.tokens {
        RowTokens::Opened(tokens) => format!("{} {}", or(tokens.access()), or(tokens.refresh())),
        RowTokens::Absent => "no tokens".to_owned(),
        RowTokens::Unreadable(why) => format!("unreadable {}", why.reason.code()),
        _ => "?".to_owned(),
    };
    let expires = row.expires_at.map(|at| (at.as_millis() / 1000).to_string());
    format!(
        "{} {} {:?} {} {tokens} {}{}",
        row.key,
        or(row.user.as_deref()),
        row.provider.as_deref().unwrap_or("-"),
        or(row.account.as_deref()),
        or(expires.as_deref()),
        if row.is_orphan { " orphan" } else { "" },
    )
}

/// Bytes as a literal.
pub(crate) fn blob(kind: Kind, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match kind {
        Kind::Postgres => format!("'\\x{hex}'"),
        _ => format!("X'{hex}'"),
    }
}

fn in_dialect(sql: &str, kind: Kind) -> String {
    let names = match kind {
        Kind::Sqlite => [
            ("{id}", "integer PRIMARY KEY"),
            ("{bytes}", "blob"),
            ("{zoned}", "datetime"),
            ("{naive}", "datetime"),
            ("{json}", "json"),
            ("{uuid}", "varchar"),
            ("{texts}", "text"),
        ],
        Kind::Postgres => [
            ("{id}", "serial PRIMARY KEY"),
            ("{bytes}", "bytea"),
            ("{zoned}", "timestamptz"),
            ("{naive}", "timestamp"),
            ("{json}", "jsonb"),
            ("{uuid}", "uuid"),
            ("{texts}", "varchar(255)[]"),
        ],
        Kind::MariaDb | Kind::MySql => [
            ("{id}", "integer PRIMARY KEY AUTO_INCREMENT"),
            ("{bytes}", "blob"),
            ("{zoned}", "timestamp(3) NULL"),
            ("{naive}", "datetime(6)"),
            ("{json}", "json"),
            ("{uuid}", if kind == Kind::MariaDb { "uuid" } else { "char(36)" }),
            ("{texts}", "text"),
        ],
    };
    let mut sql = sql.to_owned();
    for (name, meant) in names {
        sql = sql.replace(name, meant);
    }
    let quote = if matches!(kind, Kind::MariaDb | Kind::MySql) { "`" } else { "\"" };
    sql.replace(['«', '»'], quote)
}

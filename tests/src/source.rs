//! A source database of a migration, as a test builds it.

use crate::database::{Database, Kind};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use session_migrate::source::{
    Codecs, Inspection, Mapping, Match, Preset, Recognition, RowTokens, Schema, SourceError,
    SourceKeys, SourceRow, SourceTable, inspect,
};

/// A database with the tables of a project.
#[derive(Debug)]
pub struct Source {
    /// The database.
    pub database: Database,
    /// A pool on it.
    pub connection: DatabaseConnection,
}

impl Source {
    /// Connects to a database.
    pub async fn on(database: Database) -> Self {
        let connection = database.connect().await;
        Self { database, connection }
    }

    /// Connects to a database and creates tables, as [`run`](Self::run) does.
    pub async fn with(database: Database, tables: &str) -> Self {
        let source = Self::on(database).await;
        source.run(tables).await;
        source
    }

    /// Returns the kind of the database.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.database.kind()
    }

    /// Runs statements. `«name»` becomes a quoted name, and `{type}` the type of the kind.
    pub async fn run(&self, sql: &str) {
        for statement in in_dialect(sql, self.kind()).split(";\n") {
            if !statement.trim().is_empty() {
                let done = self.connection.execute_unprepared(statement).await;
                done.unwrap_or_else(|error| panic!("{error}\n{statement}"));
            }
        }
    }

    /// Reads the schema.
    pub async fn schema(&self) -> Schema {
        Schema::read(&self.connection).await.unwrap()
    }

    /// Recognises the preset, which must be the first match, and returns its mappings.
    pub async fn recognised(&self, preset: &str) -> Match {
        let recognition = Recognition::of(&self.schema().await);
        let first = recognition
            .matches
            .first()
            .unwrap_or_else(|| panic!("not recognised: {recognition:#?}"));
        assert_eq!(first.preset, preset, "{recognition:#?}");
        let preset: Preset = preset.parse().unwrap();
        assert_eq!(preset.match_schema(&self.schema().await).unwrap().mappings, first.mappings);
        first.clone()
    }

    /// Opens the table of a mapping.
    ///
    /// # Errors
    ///
    /// Returns the error of [`SourceTable::open`].
    pub async fn open(
        &self,
        mapping: &Mapping,
        codecs: &Codecs,
    ) -> Result<SourceTable, SourceError> {
        let schema = self.schema().await;
        let codecs = codecs.clone().with_keys_of(&self.connection, &schema).await?;
        SourceTable::open(&self.connection, &schema, mapping, &codecs).await
    }

    /// Reads all rows of a mapping, in batches of two.
    pub async fn rows(&self, mapping: &Mapping, codecs: &Codecs) -> Vec<SourceRow> {
        let table = self.open(mapping, codecs).await.unwrap();
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let (batch, next) = table.batch(&self.connection, after.as_ref(), 2).await.unwrap();
            rows.extend(batch);
            // As another process would resume.
            after = next.map(|cursor| cursor.to_string().parse().unwrap());
            if after.is_none() {
                return rows;
            }
        }
    }

    /// Reads all rows of a recognised preset, each as a line, sorted.
    pub async fn lines(&self, preset: &str, keys: SourceKeys) -> Vec<String> {
        let fit = self.recognised(preset).await;
        let mut lines = Vec::new();
        for mapping in &fit.mappings.mapping {
            lines.extend(self.rows(mapping, &Codecs::new(keys.clone())).await.iter().map(line));
        }
        lines.sort();
        lines
    }

    /// Inspects the source.
    pub async fn inspect(&self, keys: SourceKeys) -> Inspection {
        inspect(&self.connection, &Codecs::new(keys)).await.unwrap()
    }
}

/// Formats key, user, provider, account, access and refresh token, and expiry in seconds; `-` for none.
#[must_use]
pub fn line(row: &SourceRow) -> String {
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

/// Formats bytes as a literal.
#[must_use]
pub fn blob(kind: Kind, bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match kind {
        Kind::Postgres => format!("'\\x{hex}'"),
        _ => format!("X'{hex}'"),
    }
}

fn in_dialect(sql: &str, kind: Kind) -> String {
    let names = match kind {
        Kind::Sqlite => [
            ("{refers}", ""),
            ("{key}", "text"),
            ("{iso}", "date"),
            ("{json_text}", "text"),
            ("{id}", "integer PRIMARY KEY"),
            ("{bytes}", "blob"),
            ("{zoned}", "datetime"),
            ("{naive}", "datetime"),
            ("{json}", "json"),
            ("{uuid}", "varchar"),
            ("{texts}", "text"),
        ],
        Kind::Postgres => [
            ("{refers}", ""),
            ("{key}", "text"),
            ("{iso}", "{zoned}"),
            ("{json_text}", "{json}"),
            ("{id}", "serial PRIMARY KEY"),
            ("{bytes}", "bytea"),
            ("{zoned}", "timestamptz"),
            ("{naive}", "timestamp"),
            ("{json}", "jsonb"),
            ("{uuid}", "uuid"),
            ("{texts}", "varchar(255)[]"),
        ],
        Kind::MariaDb | Kind::MySql => [
            ("{refers}", ""),
            // MySQL cannot index a whole text.
            ("{key}", "varchar(255)"),
            ("{iso}", "{zoned}"),
            ("{json_text}", "{json}"),
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
    for (placeholder, text) in names {
        sql = sql.replace(placeholder, text);
    }
    let quote = if matches!(kind, Kind::MariaDb | Kind::MySql) { "`" } else { "\"" };
    sql.replace(['«', '»'], quote)
}

//! Databases that the named projects created themselves, with facts about each row.
//!
//! They are outside of the repository, beside the workspace; without them these tests print that they
//! did not run.

use std::path::PathBuf;
use std::process::Command;

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::database::{Database, Kind};
use crate::source::Source;

/// Unpacks a file. Prints a message and returns `None` if the file is missing.
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
fn unpacked(name: &str) -> Option<Vec<u8>> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent()?.to_owned();
    let file = workspace.join("../shared/fixtures").join(name);
    if !file.exists() {
        eprintln!("not tested: there is no {}", file.display());
        return None;
    }
    let unpacked = Command::new("gzip").arg("-dc").arg(&file).output().unwrap();
    assert!(unpacked.status.success(), "gzip unpacks {}", file.display());
    Some(unpacked.stdout)
}

/// The key of [`openwebui`].
pub const OPENWEBUI_KEY: &str = "2TIxCF-JSJRdMcKVPP9a8jVKRYeFiYlmSuc7JkLa11k=";

fn facts(name: &str) -> Option<Value> {
    Some(serde_json::from_slice(&unpacked(&format!("{name}.facts.json.gz"))?).unwrap())
}

/// Loads a database of Open WebUI 0.8.3 on SQLite, and its facts.
pub async fn openwebui() -> Option<(Source, Value)> {
    let name = "openwebui-0.8.3-rawkey";
    let (bytes, facts) = (unpacked(&format!("{name}.sqlite.gz"))?, facts(name)?);
    let database = Database::create(Kind::Sqlite).await;
    let file = database.url().strip_prefix("sqlite://").unwrap().split('?').next().unwrap();
    std::fs::write(file, bytes).unwrap();
    Some((Source::on(database).await, facts))
}

/// Loads a database of Auth.js on PostgreSQL, and its facts.
pub async fn authjs() -> Option<(Source, Value)> {
    on_postgres("authjs-pg").await
}

/// Loads a database of Spring Security on PostgreSQL, and its facts.
pub async fn spring() -> Option<(Source, Value)> {
    on_postgres("spring-oauth2-authorized-client-pg").await
}

async fn on_postgres(name: &str) -> Option<(Source, Value)> {
    if !Kind::Postgres.is_available() {
        return None;
    }
    let (dump, facts) = (unpacked(&format!("{name}.sql.gz"))?, facts(name)?);
    let source = Source::on(Database::create(Kind::Postgres).await).await;
    load(&source, std::str::from_utf8(&dump).unwrap()).await;
    Some((source, facts))
}

/// Returns a number of the facts or of a report.
#[must_use]
pub fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no number {name}"))
}

/// Returns the SHA-256 of a text in hex, as the facts have tokens.
#[must_use]
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Loads a dump of PostgreSQL, statement by statement.
async fn load(source: &Source, dump: &str) {
    let transaction = source.connection.begin().await.unwrap();
    let mut lines = dump.lines();
    let mut statement = String::new();
    while let Some(line) = lines.next() {
        if let Some(copy) = line.strip_prefix("COPY ") {
            let target = copy.split(" FROM stdin").next().unwrap();
            let rows: Vec<String> =
                lines.by_ref().take_while(|line| *line != "\\.").map(values).collect();
            for rows in rows.chunks(200) {
                let sql = format!("INSERT INTO {target} VALUES {}", rows.join(", "));
                transaction.execute_unprepared(&sql).await.unwrap();
            }
            continue;
        }
        statement.push_str(line);
        statement.push('\n');
        if line.ends_with(';') {
            let sql = std::mem::take(&mut statement);
            let is_schema = ["CREATE ", "ALTER TABLE"].iter().any(|word| {
                sql.lines().any(|line| line.starts_with(word)) && !sql.contains("OWNER TO")
            });
            if is_schema {
                transaction.execute_unprepared(&sql).await.unwrap();
            }
        }
    }
    transaction.commit().await.unwrap();
}

/// Formats a line of `COPY`'s text format as a row of literals.
fn values(line: &str) -> String {
    let value = |text: &str| match text {
        "\\N" => "NULL".to_owned(),
        text => {
            assert!(!text.replace("\\\\", "").contains('\\'), "no other escape is in these files");
            format!("'{}'", text.replace("\\\\", "\\").replace('\'', "''"))
        }
    };
    let values: Vec<String> = line.split('\t').map(value).collect();
    format!("({})", values.join(", "))
}

//! Loads the databases that lie beside the workspace.

use std::path::PathBuf;
use std::process::Command;

use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use crate::source::Source;

/// The file's content, unpacked; none, with a word about it, where the folder is not there.
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
pub(crate) fn unpacked(name: &str) -> Option<Vec<u8>> {
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

/// Loads a dump of PostgreSQL's by statements.
pub(crate) async fn load(source: &Source, dump: &str) {
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

/// A line of `COPY`'s text format as a row of literals.
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

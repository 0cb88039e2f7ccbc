//! The files in `sql/`: the same tables, for applications that run SQL by other means.

use sea_orm_migration::sea_orm::DbBackend;

use super::statements;
use super::steps::steps;

const FILES: [(&str, DbBackend, &str); 4] = [
    ("sqlite", DbBackend::Sqlite, ""),
    ("postgres", DbBackend::Postgres, ""),
    ("mysql", DbBackend::MySql, "utf8mb4_0900_bin"),
    ("mariadb", DbBackend::MySql, "utf8mb4_nopad_bin"),
];

/// Returns the content of a file: the statements of all steps, and the record of them by which
/// [`up`](crate::up) finds nothing to do.
fn content(backend: DbBackend, collation: &str) -> String {
    let mut sql = "-- The tables of session-core, with the record of session-migrate's steps: `up` finds \
        nothing to do\n-- afterwards. For an empty database. Later versions come with further steps.\n"
        .to_owned();
    for statement in statements(backend) {
        sql.push_str(&format!("\n{};\n", statement.replace("{collation}", collation)));
    }
    sql.push_str(
        "\nCREATE TABLE session_migration (\n  version VARCHAR(255) NOT NULL PRIMARY KEY,\n  \
         applied_at BIGINT NOT NULL\n);\n",
    );
    for step in steps() {
        let name = step.name();
        sql.push_str(&format!(
            "\nINSERT INTO session_migration (version, applied_at) VALUES ('{name}', 0);\n"
        ));
    }
    sql
}

/// Writes the files anew where `WRITE_SQL_FILES` is set.
#[test]
fn the_files_are_what_the_steps_do() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    for (name, backend, collation) in FILES {
        let (file, expected) =
            (folder.join(name).with_extension("sql"), content(backend, collation));
        if std::env::var_os("WRITE_SQL_FILES").is_some() {
            std::fs::write(&file, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(found == expected, "{name}: run this test with WRITE_SQL_FILES=1");
    }
}

//! Everything that is in a database, to the byte and the storage class.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait as _, Statement};
use session_tests::database::Kind;

use session_tests::source::Source;

/// The values of each row by column, the rows by table and key.
pub(crate) type Dump = BTreeMap<(String, String), BTreeMap<String, String>>;

pub(crate) async fn dump(source: &Source) -> Dump {
    let mut found = Dump::new();
    for table in source.schema().await.tables.iter().filter(|table| !table.is_view) {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> = names.iter().map(|name| value(source.kind(), name)).collect();
        let name = quoted(source.kind(), &table.name);
        let sql = format!("SELECT {} FROM {name}", values.join(", "));
        let statement = Statement::from_string(source.connection.get_database_backend(), sql);
        for (number, row) in
            source.connection.query_all_raw(statement).await.unwrap().iter().enumerate()
        {
            let texts = (0..names.len()).map(|at| row.try_get_by_index::<String>(at).unwrap());
            let cells: BTreeMap<String, String> =
                names.iter().map(|name| (*name).to_owned()).zip(texts).collect();
            let key: Vec<&str> = table.primary_key.iter().map(|it| cells[it].as_str()).collect();
            let key = if key.is_empty() { number.to_string() } else { key.join(" ") };
            found.insert((table.name.clone(), key), cells);
        }
    }
    found
}

/// The columns of each row that differ. No row may be missing or new.
pub(crate) fn differences(before: &Dump, after: &Dump) -> BTreeMap<(String, String), Vec<String>> {
    assert!(before.keys().eq(after.keys()), "other rows than before");
    let mut found = BTreeMap::new();
    for (row, cells) in before {
        let differ = cells.iter().filter(|(name, text)| after[row][*name] != **text);
        let names: Vec<String> = differ.map(|(name, _)| name.clone()).collect();
        if !names.is_empty() {
            found.insert(row.clone(), names);
        }
    }
    found
}

pub(crate) fn quoted(kind: Kind, name: &str) -> String {
    match kind {
        Kind::MariaDb | Kind::MySql => format!("`{name}`"),
        _ => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn value(kind: Kind, name: &str) -> String {
    let name = quoted(kind, name);
    match kind {
        // Not every text is one to the driver.
        Kind::Sqlite => format!(
            "typeof({name}) || ':' || CASE typeof({name}) WHEN 'text' \
             THEN hex(CAST({name} AS BLOB)) ELSE quote({name}) END"
        ),
        Kind::Postgres => format!("COALESCE('=' || {name}::text, 'NULL')"),
        Kind::MariaDb | Kind::MySql => {
            format!("CONCAT(COALESCE(CONCAT('=', HEX(CAST({name} AS BINARY))), 'NULL'))")
        }
    }
}

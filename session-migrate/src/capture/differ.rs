use crate::sql::Column;
use crate::sql::Dialect;

/// True where the old and the new row differ in one of the columns: byte for byte, class for
/// class, whatever the column's collation folds.
pub(super) fn differ(dialect: Dialect, columns: &[Column]) -> String {
    let tests: Vec<String> = columns.iter().map(|column| one(dialect, column)).collect();
    tests.join(" OR ")
}

fn one(dialect: Dialect, column: &Column) -> String {
    let name = dialect.quote(&column.name);
    let (old, new) = (format!("OLD.{name}"), format!("NEW.{name}"));
    let binary = |sql: &str| dialect.binary(sql, column.kind);
    match dialect {
        // 1 and 1.0 are equal there, and are two keys.
        Dialect::Sqlite => {
            format!("typeof({old}) <> typeof({new}) OR {} IS NOT {}", binary(&old), binary(&new))
        }
        Dialect::Postgres => format!("{} IS DISTINCT FROM {}", binary(&old), binary(&new)),
        Dialect::Mysql => format!("NOT ({} <=> {})", binary(&old), binary(&new)),
    }
}

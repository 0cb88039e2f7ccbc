//! Foreign keys that change rows without firing a trigger: on MySQL and MariaDB those with an action.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, QueryResult};

use super::{Dialect, Query, SqlError};

/// A foreign key of MySQL or MariaDB that cascades: what it does to its rows fires no trigger of
/// their table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CascadingKey {
    /// The table whose rows it changes.
    pub(crate) table: String,
    /// The columns that refer to the parent.
    pub(crate) columns: Vec<String>,
    /// The table that it refers to.
    pub(crate) parent: String,
    /// The columns that it refers to, in the order of `columns`.
    pub(crate) parent_columns: Vec<String>,
    /// What happens to a row when its parent is deleted.
    pub(crate) on_delete: KeyAction,
    /// What happens to a row when the columns that it refers to are updated.
    pub(crate) on_update: KeyAction,
}

/// What a foreign key does to the rows that refer to a parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAction {
    /// The parent's change is refused.
    Refuse,
    /// The row is deleted, or gets the parent's new values.
    Cascade,
    /// The row's columns become `NULL`.
    SetNull,
}

const KEYS: &str = "SELECT CAST(r.CONSTRAINT_NAME AS CHAR), CAST(r.TABLE_NAME AS CHAR), \
    CAST(r.REFERENCED_TABLE_NAME AS CHAR), CAST(r.DELETE_RULE AS CHAR), CAST(r.UPDATE_RULE AS CHAR), \
    CAST(k.COLUMN_NAME AS CHAR), CAST(k.REFERENCED_COLUMN_NAME AS CHAR) \
    FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k \
    ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME \
    AND k.TABLE_NAME = r.TABLE_NAME \
    WHERE r.CONSTRAINT_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_SCHEMA = DATABASE() \
    ORDER BY r.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION";

/// Returns the keys with an action; none on the databases whose cascades fire triggers.
pub(super) async fn cascading_keys(
    dialect: Dialect,
    connection: &impl ConnectionTrait,
) -> Result<Vec<CascadingKey>, SqlError> {
    if dialect != Dialect::Mysql {
        return Ok(Vec::new());
    }
    let mut keys: Vec<(String, CascadingKey)> = Vec::new();
    for row in Query::new(dialect, KEYS).rows(connection).await? {
        add(&mut keys, &row)?;
    }
    let has_action = |key: &CascadingKey| {
        [key.on_delete, key.on_update].iter().any(|action| *action != KeyAction::Refuse)
    };
    Ok(keys.into_iter().map(|(_, key)| key).filter(has_action).collect())
}

/// Adds a column to the key that the previous row belongs to, or begins another one.
fn add(keys: &mut Vec<(String, CascadingKey)>, row: &QueryResult) -> Result<(), DbErr> {
    let text = |at: usize| {
        let bytes: Vec<u8> = row.try_get_by_index(at)?;
        Ok::<_, DbErr>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (name, table) = (text(0)?, text(1)?);
    let (column, parent_column) = (text(5)?, text(6)?);
    match keys.last_mut() {
        Some((last, key)) if *last == name && key.table == table => {
            key.columns.push(column);
            key.parent_columns.push(parent_column);
        }
        _ => {
            let key = CascadingKey {
                table,
                columns: vec![column],
                parent: text(2)?,
                parent_columns: vec![parent_column],
                on_delete: KeyAction::of(&text(3)?),
                on_update: KeyAction::of(&text(4)?),
            };
            keys.push((name, key));
        }
    }
    Ok(())
}

impl KeyAction {
    fn of(rule: &str) -> Self {
        match rule {
            "CASCADE" => Self::Cascade,
            "SET NULL" => Self::SetNull,
            _ => Self::Refuse,
        }
    }
}

//! The temporary table of the victims: their keys, and what the rows were when they were ranked.

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Value};

use super::error::PruneError;
use super::table::PrunableTable;
use crate::source::{Bound, NewestBy, ProviderSlot, Slot, TimeSlot, row_location_type};
use crate::sql::{Cell, CellReader, Column, ColumnKind, Dialect, Query};

/// The name of the temporary table.
const NAME: &str = "session_prune_work";

/// The name of the temporary table of victims in the order in which they were found.
const FOUND: &str = "session_prune_found";

/// The temporary table of the victims.
///
/// Beside the key it has the columns that the rank depends on, so that a row is deleted only if it
/// has not changed since it was ranked.
#[derive(Debug)]
pub(super) struct VictimTable {
    pub(super) dialect: Dialect,
    pub(super) key: Vec<Slot>,
    pub(super) checks: Vec<Slot>,
    /// What the database calls the location of a source row, if it has a name for it.
    pub(super) location: Option<&'static str>,
    provider: Option<usize>,
}

impl VictimTable {
    pub(super) fn new(table: &PrunableTable, newest: Option<NewestBy>) -> Result<Self, PruneError> {
        let bound = table.bound();
        let mut checked = vec![bound.user];
        let mut provider = None;
        if let ProviderSlot::Column(at) = bound.provider {
            provider = Some(checked.len());
            checked.push(at);
        }
        if let Some(slot) = newest_slot(bound, newest) {
            add(&mut checked, slot);
        }
        let slots = |at: &[usize]| {
            at.iter().map(|at| bound.slot(*at).cloned()).collect::<Result<Vec<_>, _>>()
        };
        let (key, checks) = (slots(&bound.key)?, slots(&checked)?);
        Ok(Self { dialect: bound.dialect, key, checks, location: table.location, provider })
    }

    /// Returns the table's name in statements.
    pub(super) fn name(&self) -> String {
        self.temporary(NAME)
    }

    fn temporary(&self, name: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("temp.{name}"),
            Dialect::Postgres => format!("pg_temp.{name}"),
            Dialect::Mysql => name.to_owned(),
        }
    }

    /// Creates the table, empty.
    pub(super) async fn create(&self, table: &PrunableTable) -> Result<(), PruneError> {
        self.drop_if_exists(table).await?;
        self.create_as(table, NAME).await
    }

    /// Creates a table for victims in the order in which they are found, empty.
    pub(super) async fn create_found(&self, table: &PrunableTable) -> Result<(), PruneError> {
        self.create_as(table, FOUND).await
    }

    /// Takes over the victims that were found, in the order in which their rows are stored, so that
    /// a batch changes few pages.
    pub(super) async fn take_found(&self, table: &PrunableTable) -> Result<(), PruneError> {
        let bound = table.bound();
        let columns = |name: char, count: usize| {
            (0..count).map(|at| format!("found.{name}{at}")).collect::<Vec<_>>()
        };
        let key = columns('k', self.key.len());
        let mut selected = [key.clone(), columns('c', self.checks.len())].concat();
        let order = match self.location {
            Some(location) => {
                selected.push(format!("source_row.{location}"));
                format!("source_row.{location}")
            }
            None => key.join(", "),
        };
        let mut query = self.insert();
        let (selected, found) = (selected.join(", "), self.temporary(FOUND));
        query.push(&format!(
            "SELECT {selected}, found.is_first, found.reason FROM {found} AS found CROSS JOIN {} \
             WHERE {}",
            bound.from,
            self.is_key("source_row", "found")
        ));
        query.push(&format!(" ORDER BY {order}"));
        let taken = table.connection.execute_raw(query.statement()).await;
        taken.map(drop).map_err(PruneError::statement)?;
        self.drop_as(table, FOUND).await
    }

    async fn create_as(&self, table: &PrunableTable, name: &str) -> Result<(), PruneError> {
        let key = self.key.iter().enumerate();
        let mut columns: Vec<String> = Vec::new();
        let (seq, check, number) = match self.dialect {
            Dialect::Sqlite => ("INTEGER PRIMARY KEY", "", "INTEGER"),
            Dialect::Postgres => ("bigserial PRIMARY KEY", "text COLLATE \"C\"", "integer"),
            Dialect::Mysql => ("BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY", "LONGBLOB", "INTEGER"),
        };
        columns.push(format!("seq {seq}"));
        if self.dialect != Dialect::Mysql {
            columns.extend(key.clone().map(|(at, it)| format!("k{at} {}", it.column.declared)));
        }
        columns.extend((0..self.checks.len()).map(|at| format!("c{at} {check}")));
        if self.location.is_some() {
            columns.push(format!("lies_at {}", row_location_type(self.dialect)));
        }
        columns.push(format!("is_first {number}"));
        columns.push("reason VARCHAR(32)".to_owned());
        let columns = columns.join(", ");
        table
            .run(&match self.dialect {
                Dialect::Sqlite => format!("CREATE TEMPORARY TABLE {name} ({columns})"),
                // PostgreSQL notes that ON COMMIT is missing; the message is of no use.
                Dialect::Postgres => format!(
                    "SET client_min_messages = warning; CREATE TEMPORARY TABLE {name} ({columns})"
                ),
                // Selected, so that the key's columns have the collations of the source's.
                Dialect::Mysql => {
                    let key: Vec<String> =
                        key.map(|(at, slot)| format!("{} AS k{at}", slot.sql)).collect();
                    format!(
                        "CREATE TEMPORARY TABLE {name} ({columns}) SELECT {} FROM {} AS source_row LIMIT 0",
                        key.join(", "),
                        table.table_sql()
                    )
                }
            })
            .await
    }

    /// Tells PostgreSQL how large the table is, so that it uses the index.
    pub(super) async fn analyze(&self, table: &PrunableTable) -> Result<(), PruneError> {
        match self.dialect {
            Dialect::Postgres => table.run(&format!("ANALYZE {}", self.name())).await,
            _ => Ok(()),
        }
    }

    /// Drops the table, if it exists.
    pub(super) async fn drop_if_exists(&self, table: &PrunableTable) -> Result<(), PruneError> {
        self.drop_as(table, FOUND).await?;
        self.drop_as(table, NAME).await
    }

    async fn drop_as(&self, table: &PrunableTable, name: &str) -> Result<(), PruneError> {
        let temporary = if self.dialect == Dialect::Mysql { "TEMPORARY " } else { "" };
        table.run(&format!("DROP {temporary}TABLE IF EXISTS {}", self.temporary(name))).await
    }

    /// Returns the beginning of an insert; each row has its location after the checks, if the
    /// database has a name for it.
    pub(super) fn insert(&self) -> Query {
        self.insert_into(&self.name(), self.location)
    }

    /// Returns the beginning of an insert of victims that were found, without their locations.
    pub(super) fn insert_found(&self) -> Query {
        self.insert_into(&self.temporary(FOUND), None)
    }

    fn insert_into(&self, name: &str, location: Option<&str>) -> Query {
        let mut columns: Vec<String> = (0..self.key.len()).map(|at| format!("k{at}")).collect();
        columns.extend((0..self.checks.len()).map(|at| format!("c{at}")));
        columns.extend(location.map(|_| "lies_at".to_owned()));
        let columns = columns.join(", ");
        let into = format!("INSERT INTO {name} ({columns}, is_first, reason) ");
        Query::new(self.dialect, into)
    }

    /// Returns the condition that a source row is the victim `w`, and still at its noted location.
    pub(super) fn is_row(&self, row: &str) -> String {
        let key = self.is_key(row, "w");
        match self.location {
            Some(location) => format!("{row}.{location} = w.lies_at AND {key}"),
            None => key,
        }
    }

    /// Returns the condition that a source row has the key of a victim.
    pub(super) fn is_key(&self, row: &str, victim: &str) -> String {
        let same = |(at, slot): (usize, &Slot)| {
            format!("{row}.{} = {victim}.k{at}", self.dialect.quote(&slot.column.name))
        };
        self.key.iter().enumerate().map(same).collect::<Vec<_>>().join(" AND ")
    }

    /// Returns the condition that a source row has not changed since it was ranked.
    pub(super) fn is_unchanged(&self) -> String {
        let same = |(at, slot): (usize, &Slot)| match self.dialect {
            Dialect::Sqlite => format!("{} COLLATE BINARY IS w.c{at}", slot.sql),
            _ => format!("{} = w.c{at}", check(self.dialect, &slot.sql, slot.column.kind)),
        };
        self.checks.iter().enumerate().map(same).collect::<Vec<_>>().join(" AND ")
    }

    /// Returns the number of victims, the number of over-cap partitions, and the last victim's
    /// number. The numbers can have gaps.
    pub(super) async fn totals(&self, table: &PrunableTable) -> Result<[u64; 3], PruneError> {
        let sum = match self.dialect {
            Dialect::Postgres => "COALESCE(SUM(is_first), 0)::bigint",
            Dialect::Mysql => "CAST(COALESCE(SUM(is_first), 0) AS SIGNED)",
            Dialect::Sqlite => "COALESCE(SUM(is_first), 0)",
        };
        let sql = format!("SELECT COUNT(*), {sum}, COALESCE(MAX(seq), 0) FROM {}", self.name());
        let rows = Query::new(self.dialect, sql).rows(&table.connection).await?;
        let Some(row) = rows.first() else { return Ok([0; 3]) };
        let mut reader = CellReader::new(self.dialect, row);
        Ok([reader.count()?, reader.count()?, reader.count()?])
    }

    /// Returns the number of victims by provider; nothing if the mapping names the provider.
    pub(super) async fn per_provider(
        &self,
        table: &PrunableTable,
    ) -> Result<Vec<(Vec<u8>, u64)>, PruneError> {
        let Some(at) = self.provider else { return Ok(Vec::new()) };
        let column = match self.dialect {
            Dialect::Sqlite => format!("CAST(c{at} AS BLOB)"),
            _ => format!("c{at}"),
        };
        let sql = format!("SELECT {column}, COUNT(*) FROM {} GROUP BY 1", self.name());
        let mut found = Vec::new();
        for row in Query::new(self.dialect, sql).rows(&table.connection).await? {
            let mut reader = CellReader::new(self.dialect, &row);
            let kind = match self.dialect {
                Dialect::Postgres => ColumnKind::Text,
                _ => ColumnKind::Bytes,
            };
            let cell = reader.expression(kind)?;
            let marked = cell.as_bytes().unwrap_or_default();
            let name = match self.dialect {
                Dialect::Sqlite => Some(marked),
                _ => marked.strip_prefix(b"="),
            };
            found.push((name.unwrap_or_default().to_vec(), reader.count()?));
        }
        Ok(found)
    }
}

fn newest_slot(bound: &Bound, newest: Option<NewestBy>) -> Option<&TimeSlot> {
    match newest? {
        NewestBy::Created => bound.created.as_ref(),
        NewestBy::Renewed => bound.renewed.as_ref(),
        NewestBy::Used => bound.used.as_ref(),
    }
}

/// Adds the column of a time, and those that it counts from.
fn add(columns: &mut Vec<usize>, slot: &TimeSlot) {
    if !columns.contains(&slot.at) {
        columns.push(slot.at);
    }
    slot.bases.iter().for_each(|base| add(columns, base));
}

/// Returns the expression of a column's value as it is noted, to be compared later. SQLite
/// compares values as they are.
pub(super) fn check(dialect: Dialect, sql: &str, kind: ColumnKind) -> String {
    match (dialect, kind) {
        (Dialect::Sqlite, _) => sql.to_owned(),
        (Dialect::Postgres, ColumnKind::Bytes) => {
            format!("COALESCE('=' || encode({sql}, 'hex'), '')")
        }
        (Dialect::Postgres, _) => {
            format!("COALESCE('=' || ({})::text, '')", dialect.fetch(sql, kind))
        }
        (Dialect::Mysql, ColumnKind::Bytes) => {
            format!("CAST(COALESCE(CONCAT('=', HEX({sql})), '') AS BINARY)")
        }
        (Dialect::Mysql, _) => {
            format!("CAST(COALESCE(CONCAT('=', {}), '') AS BINARY)", dialect.fetch(sql, kind))
        }
    }
}

/// Returns a parameter with what [`check`] gives for this value.
pub(super) fn checked(query: &mut Query, dialect: Dialect, cell: &Cell) -> String {
    if dialect == Dialect::Sqlite {
        return stored(query, cell);
    }
    let upper = dialect == Dialect::Mysql;
    let hex = |bytes: &[u8]| -> String {
        let digit = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        bytes.iter().map(digit).collect()
    };
    let text = match cell {
        Cell::Null => String::new(),
        Cell::Bytes(bytes) => format!("={}", hex(bytes)),
        cell => format!("={}", cell.as_text().unwrap_or_default()),
    };
    match dialect {
        Dialect::Mysql => query.bind(Value::Bytes(Some(text.into_bytes()))),
        _ => query.bind(Value::String(Some(text))),
    }
}

/// Returns a parameter with a key's value, typed as this column.
pub(super) fn keyed(query: &mut Query, dialect: Dialect, column: &Column, cell: &Cell) -> String {
    let placeholder = stored(query, cell);
    dialect.typed(&placeholder, column)
}

fn stored(query: &mut Query, cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(number) => query.bind(Value::BigInt(Some(*number))),
        Cell::Real(number) => query.bind(Value::Double(Some(*number))),
        Cell::Text(text) => query.bind(Value::String(Some(text.clone()))),
        Cell::Bytes(bytes) => query.bind(Value::Bytes(Some(bytes.clone()))),
        Cell::MalformedText(bytes) => {
            format!("CAST({} AS TEXT)", query.bind(Value::Bytes(Some(bytes.clone()))))
        }
    }
}

use super::ColumnKind;

/// The tables and views of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// `sqlite`, `postgres` or `mysql` (which MariaDB is, too).
    pub database: &'static str,
    /// The schema that unqualified names mean; none on SQLite.
    pub default_schema: Option<String>,
    /// In the order of their names.
    pub tables: Vec<Table>,
}

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// The schema it lies in; none on SQLite.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether it is a view, into which nothing can be written back.
    pub is_view: bool,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in the key's order.
    pub primary_key: Vec<String>,
    /// The columns of each unique index or constraint, the primary key's among them.
    pub unique: Vec<Vec<String>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in the database's own words.
    pub declared: String,
    /// What sort of values it is for.
    pub kind: ColumnKind,
    /// Whether it takes `NULL`.
    pub is_nullable: bool,
    /// Whether every update of the row sets it to the present moment, unless the update sets it
    /// too: MySQL's `ON UPDATE CURRENT_TIMESTAMP`.
    pub updates_itself: bool,
}

impl Schema {
    /// The table with this name, in this schema or in the default one.
    #[must_use]
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&Table> {
        let schema = schema.or(self.default_schema.as_deref());
        self.tables.iter().find(|table| table.schema.as_deref() == schema && table.name == name)
    }
}

impl Table {
    /// The column with exactly this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a unique index tells rows apart by these columns or fewer, and none of them takes
    /// `NULL`, which is neither equal to anything nor before or after it.
    #[must_use]
    pub fn is_unique(&self, columns: &[String]) -> bool {
        let is_filled = |name: &String| self.column(name).is_some_and(|column| !column.is_nullable);
        let is_covered = |index: &Vec<String>| {
            !index.is_empty() && index.iter().all(|name| columns.contains(name))
        };
        columns.iter().all(is_filled) && self.unique.iter().any(is_covered)
    }
}

//! Tables and their columns, whatever the database calls their types.

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// Its schema; none on SQLite.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether it is a view, which takes no rows back.
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
    /// The kind of values that it holds.
    pub kind: ColumnKind,
    /// Whether it takes `NULL`.
    pub is_nullable: bool,
    /// Whether every update of the row sets it to the current time, unless the update sets it
    /// itself: MySQL's `ON UPDATE CURRENT_TIMESTAMP`.
    pub updates_itself: bool,
    /// Whether the database fills it where a new row leaves it out: a default, or a number that it
    /// counts.
    pub has_default: bool,
}

/// The kind of values that a column holds, whatever its database calls the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnKind {
    /// Whole numbers.
    Integer,
    /// Truth values.
    Boolean,
    /// Binary floating point.
    Real,
    /// Decimals of any precision, read as text.
    Decimal,
    /// Text of any length.
    Text,
    /// Bytes.
    Bytes,
    /// JSON, read as text.
    Json,
    /// UUIDs of the database's own type, read as text.
    Uuid,
    /// A point in time: `timestamptz`, MySQL's `timestamp`. Read as ISO text in UTC.
    ZonedTime,
    /// A date and time of day without a zone. Read as ISO text.
    NaiveTime,
    /// Everything else, read as text.
    Other,
}

impl Table {
    /// Returns the column with exactly this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns whether a unique index covers these columns or some of them, and none of them takes
    /// `NULL`, which is neither equal to another value nor ordered.
    #[must_use]
    pub fn is_unique(&self, columns: &[String]) -> bool {
        let is_filled = |name: &String| self.column(name).is_some_and(|column| !column.is_nullable);
        let is_covered = |index: &Vec<String>| {
            !index.is_empty() && index.iter().all(|name| columns.contains(name))
        };
        columns.iter().all(is_filled) && self.unique.iter().any(is_covered)
    }
}

impl ColumnKind {
    /// Returns the kind of a SQLite column, by its declared type; its values may have any class.
    pub(crate) fn of_sqlite(declared: &str) -> Self {
        let declared = declared.to_ascii_lowercase();
        let has = |part: &str| declared.contains(part);
        if has("bool") {
            Self::Boolean
        } else if has("date") || has("time") {
            Self::NaiveTime
        } else if has("int") || declared == "serial" {
            Self::Integer
        } else if has("json") {
            Self::Json
        } else if has("uuid") {
            Self::Uuid
        } else if has("char") || has("clob") || has("text") || has("string") {
            Self::Text
        } else if has("blob") || has("bytea") || has("binary") {
            Self::Bytes
        } else if has("real") || has("floa") || has("doub") {
            Self::Real
        } else if has("decimal") || has("numeric") {
            Self::Decimal
        } else {
            Self::Other
        }
    }

    /// Returns the kind of a PostgreSQL column, by the name of its base type in `pg_type`.
    pub(crate) fn of_postgres(name: &str) -> Self {
        match name {
            "int2" | "int4" | "int8" => Self::Integer,
            "bool" => Self::Boolean,
            "float4" | "float8" => Self::Real,
            "numeric" => Self::Decimal,
            "text" | "varchar" | "bpchar" => Self::Text,
            "bytea" => Self::Bytes,
            "json" | "jsonb" => Self::Json,
            "uuid" => Self::Uuid,
            "timestamptz" => Self::ZonedTime,
            "timestamp" | "date" => Self::NaiveTime,
            _ => Self::Other,
        }
    }

    /// Returns the kind of a MySQL or MariaDB column, by `DATA_TYPE` and `COLUMN_TYPE`.
    pub(crate) fn of_mysql(data_type: &str, column_type: &str) -> Self {
        match data_type.to_ascii_lowercase().as_str() {
            "tinyint" if column_type.eq_ignore_ascii_case("tinyint(1)") => Self::Boolean,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Self::Integer,
            "float" | "double" => Self::Real,
            "decimal" => Self::Decimal,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum"
            | "set" => Self::Text,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Self::Bytes,
            "json" => Self::Json,
            "uuid" => Self::Uuid,
            "timestamp" => Self::ZonedTime,
            "datetime" | "date" => Self::NaiveTime,
            _ => Self::Other,
        }
    }
}

/// What sort of values a column is for, whatever its database calls the type.
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
    /// A moment: `timestamptz`, MySQL's `timestamp`. Read as ISO text in UTC.
    ZonedTime,
    /// A date and time of day without a zone. Read as ISO text.
    NaiveTime,
    /// Everything else, read as text.
    Other,
}

impl ColumnKind {
    /// The kind of a SQLite column, by its declared type; the values may be of any class.
    pub(super) fn of_sqlite(declared: &str) -> Self {
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

    /// The kind of a PostgreSQL column, by the name of its base type in `pg_type`.
    pub(super) fn of_postgres(name: &str) -> Self {
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

    /// The kind of a MySQL or MariaDB column, by `DATA_TYPE` and `COLUMN_TYPE`.
    pub(super) fn of_mysql(data_type: &str, column_type: &str) -> Self {
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

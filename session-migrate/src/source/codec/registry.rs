//! The codecs by name, with the source's keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use sea_orm_migration::sea_orm::DatabaseConnection;

use super::{
    BetterAuth, DataKeys, Fernet, Grafana, KeyPrints, Laravel, Outline, Plain, SourceKeys,
    TokenCodec,
};
use crate::source::{SourceError, SourceErrorKind};
use crate::sql::{Cell, CellReader, Dialect, Query, Schema};

/// The codecs by the names that mappings use, with the source's keys.
///
/// ```
/// use session_migrate::source::{Codecs, SourceKeys};
///
/// let codecs = Codecs::new(SourceKeys::new("t0p-s3cr3t"));
/// assert!(codecs.find("fernet").is_ok());
/// assert!(codecs.find("rot13").is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Codecs {
    keys: SourceKeys,
    data_keys: DataKeys,
    added: BTreeMap<String, Arc<dyn TokenCodec>>,
}

impl Codecs {
    /// The names of the built-in codecs.
    pub const BUILT_IN: [&'static str; 6] =
        ["plain", "fernet", "better-auth", "outline", "laravel", "grafana"];

    /// Creates the built-in codecs with these keys.
    #[must_use]
    pub const fn new(keys: SourceKeys) -> Self {
        Self { keys, data_keys: DataKeys::none(), added: BTreeMap::new() }
    }

    /// Adds a codec, which replaces one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, codec: impl TokenCodec + 'static) -> Self {
        self.added.insert(name.into(), Arc::new(codec));
        self
    }

    /// Sets the rows of Grafana's `data_keys`.
    #[must_use]
    pub fn with_data_keys(mut self, data_keys: DataKeys) -> Self {
        self.data_keys = data_keys;
        self
    }

    /// Returns the codec of this name.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the name is unknown, or if a key is invalid for this codec.
    pub fn find(&self, name: &str) -> Result<Arc<dyn TokenCodec>, SourceError> {
        if let Some(codec) = self.added.get(name) {
            return Ok(Arc::clone(codec));
        }
        Ok(match name {
            "plain" => Arc::new(Plain),
            "fernet" => Arc::new(Fernet::new(&self.keys)?),
            "better-auth" => Arc::new(BetterAuth::new(&self.keys)),
            "outline" => Arc::new(Outline::new(&self.keys)?),
            "laravel" => Arc::new(Laravel::new(&self.keys)?),
            "grafana" => Arc::new(Grafana::new(&self.keys, &self.data_keys)),
            _ => {
                let known =
                    Self::BUILT_IN.iter().copied().chain(self.added.keys().map(String::as_str));
                let known: Vec<&str> = known.collect();
                return Err(SourceError::because(
                    SourceErrorKind::UnknownName,
                    format!("there is no codec {name:?}; the codecs are {}", known.join(", ")),
                ));
            }
        })
    }
}

impl Codecs {
    /// Returns digests of all keys.
    pub(crate) fn fingerprints(&self) -> KeyPrints {
        KeyPrints::of(self.keys.iter().map(str::as_bytes), self.data_keys.contents())
    }

    /// Adds the keys that the source keeps in its own database: Grafana's `data_keys`, if the
    /// schema has that table.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the statement fails.
    pub async fn with_keys_of(
        self,
        connection: &DatabaseConnection,
        schema: &Schema,
    ) -> Result<Self, SourceError> {
        let Some(table) = schema.table(None, "data_keys") else { return Ok(self) };
        let (Some(id), Some(key)) = (table.column("name"), table.column("encrypted_data")) else {
            return Ok(self);
        };
        let dialect = Dialect::of(connection.get_database_backend());
        let mut query = Query::new(dialect, "SELECT ");
        query.push(&dialect.fetch(&dialect.quote(&id.name), id.kind)).push(", ");
        query.push(&dialect.fetch(&dialect.quote(&key.name), key.kind));
        query.push(" FROM ").push(&dialect.table(table.schema.as_deref(), &table.name));
        let mut keys = DataKeys::none();
        for row in query.rows(connection).await? {
            let mut reader = CellReader::new(dialect, &row);
            let (id, key): (Cell, Cell) = (reader.cell(id.kind)?, reader.cell(key.kind)?);
            if let (Some(id), Some(key)) = (id.as_text(), key.as_bytes()) {
                keys = keys.with(id.into_owned(), key);
            }
        }
        Ok(self.with_data_keys(keys))
    }
}

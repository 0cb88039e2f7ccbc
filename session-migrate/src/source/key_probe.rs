//! Whether the source's keys decrypt any row.

use sea_orm_migration::sea_orm::DatabaseConnection;

use crate::source::{RowTokens, SourceError, SourceTable};

/// How many rows are held at once.
const MAX_ROWS: u32 = 500;

/// What the source's keys decrypt of a table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyProbe {
    /// Whether a row was decrypted. The rows after it were not read.
    pub(crate) is_readable: bool,
    /// The rows with tokens that could not be decrypted.
    pub(crate) unreadable: u64,
}

impl SourceTable {
    /// Reads rows up to the first whose tokens can be decrypted. If none can be although rows have
    /// tokens, the keys are the wrong ones.
    pub(crate) async fn probe_keys(
        &self,
        connection: &DatabaseConnection,
    ) -> Result<KeyProbe, SourceError> {
        let (mut probe, mut after) = (KeyProbe::default(), None);
        loop {
            let (rows, next) = self.batch(connection, after.as_ref(), MAX_ROWS).await?;
            for row in rows {
                match row.tokens {
                    RowTokens::Opened(_) => {
                        probe.is_readable = true;
                        return Ok(probe);
                    }
                    tokens => probe.unreadable += u64::from(tokens.is_unreadable()),
                }
            }
            after = next;
            if after.is_none() {
                return Ok(probe);
            }
        }
    }
}

//! Which providers a table has, and the limit of each.

use session_core::ProviderName;
use session_core::policy::Limit;

use super::error::PruneError;
use super::table::PrunableTable;
use crate::cap::Cap;
use crate::source::{ProviderSlot, exact};
use crate::sql::{CellReader, ColumnKind, Dialect, Query};

/// The limit of a provider's partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ProviderLimit {
    /// How many rows a partition keeps.
    pub(super) max: u32,
    /// Why the other rows are pruned.
    pub(super) reason: &'static str,
}

/// A provider, by the name in its rows.
#[derive(Debug)]
pub(super) struct SurveyedProvider {
    pub(super) name: Vec<u8>,
    /// `None` if the provider has no limit.
    pub(super) limit: Option<ProviderLimit>,
    pub(super) rows: u64,
}

/// The providers of a table.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) providers: Vec<SurveyedProvider>,
    /// The rows whose rank the database cannot tell.
    pub(super) doubtful: u64,
}

impl Survey {
    /// Counts the rows of each provider, and the doubtful ones: those for which the expression that
    /// `push_doubt` writes is not `NULL`.
    pub(super) async fn take(
        table: &PrunableTable,
        cap: &Cap,
        push_doubt: impl FnOnce(&mut Query) + Send,
    ) -> Result<Self, PruneError> {
        let (bound, dialect) = (table.bound(), table.dialect());
        let mut query = Query::new(dialect, "SELECT ");
        if let ProviderSlot::Column(at) = bound.provider {
            query.push(&exact(dialect, bound.slot(at)?)).push(", ");
        }
        query.push("COUNT(*), COUNT(");
        push_doubt(&mut query);
        query.push(") FROM ").push(&bound.from);
        bound.push_filter(&mut query);
        if matches!(bound.provider, ProviderSlot::Column(_)) {
            query.push(" GROUP BY 1 ORDER BY 1");
        }
        let mut survey = Self { providers: Vec::new(), doubtful: 0 };
        for row in query.rows(&table.connection).await? {
            let mut reader = CellReader::new(dialect, &row);
            let name = match &bound.provider {
                ProviderSlot::Constant(name) => Some(name.clone().into_bytes()),
                ProviderSlot::Column(_) => {
                    let kind = match dialect {
                        Dialect::Postgres => ColumnKind::Text,
                        _ => ColumnKind::Bytes,
                    };
                    reader.expression(kind)?.as_bytes().map(<[u8]>::to_vec)
                }
            };
            let (rows, doubtful) = (reader.count()?, reader.count()?);
            let limit = name.as_deref().and_then(|name| limit_of(cap, name));
            survey.doubtful += doubtful;
            let name = name.unwrap_or_default();
            survey.providers.push(SurveyedProvider { name, limit, rows });
        }
        Ok(survey)
    }

    pub(super) fn rows(&self) -> u64 {
        self.providers.iter().map(|provider| provider.rows).sum()
    }

    /// Returns the lowest limit of all providers; `None` if none has a limit.
    pub(super) fn lowest_limit(&self) -> Option<u32> {
        self.providers.iter().filter_map(|provider| Some(provider.limit?.max)).min()
    }
}

/// Returns a provider's limit under a cap; `None` if it has none, or if the name is invalid.
pub(super) fn limit_of(cap: &Cap, name: &[u8]) -> Option<ProviderLimit> {
    let name = ProviderName::new(std::str::from_utf8(name).ok()?).ok()?;
    provider_limit(cap.limit(&name))
}

pub(super) const fn provider_limit(limit: Limit) -> Option<ProviderLimit> {
    match limit {
        Limit::AtMost { max, .. } => Some(ProviderLimit { max: max.get(), reason: "evicted" }),
        Limit::Replace => Some(ProviderLimit { max: 1, reason: "replaced" }),
        _ => None,
    }
}

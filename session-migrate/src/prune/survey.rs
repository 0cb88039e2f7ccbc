//! Which providers there are, and what the cap says of each.

use session_core::{Limit, ProviderName};

use super::error::PruneError;
use super::session::Session;
use super::usable;
use super::work::Places;
use crate::cap::Cap;
use crate::source::{ProviderSlot, exact};
use crate::sql::{CellReader, ColumnKind, Dialect, Query};

/// A provider, as its rows name it.
#[derive(Debug)]
pub(super) struct Surveyed {
    pub(super) name: Vec<u8>,
    pub(super) places: Option<Places>,
    pub(super) rows: u64,
}

#[derive(Debug)]
pub(super) struct Survey {
    pub(super) providers: Vec<Surveyed>,
    /// Rows of which the database cannot say what they are worth.
    pub(super) doubtful: u64,
}

impl Survey {
    /// Counts the rows of each provider, and those that are doubtful, with those whose moment is.
    pub(super) async fn take(
        session: &Session,
        cap: &Cap,
        moment: Option<&str>,
    ) -> Result<Self, PruneError> {
        let (bound, dialect) = (session.bound(), session.dialect());
        let mut query = Query::new(dialect, "SELECT ");
        if let ProviderSlot::Column(at) = bound.provider {
            query.push(&exact(dialect, bound.slot(at)?)).push(", ");
        }
        query.push("COUNT(*), COUNT(");
        usable::push_doubt(&mut query, bound, cap, moment);
        query.push(") FROM ").push(&bound.from);
        bound.push_filter(&mut query);
        if matches!(bound.provider, ProviderSlot::Column(_)) {
            query.push(" GROUP BY 1 ORDER BY 1");
        }
        let mut survey = Self { providers: Vec::new(), doubtful: 0 };
        for row in query.rows(&session.connection).await? {
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
            let places = name.as_deref().and_then(|name| places(cap, name));
            survey.doubtful += doubtful;
            survey.providers.push(Surveyed { name: name.unwrap_or_default(), places, rows });
        }
        Ok(survey)
    }

    pub(super) fn rows(&self) -> u64 {
        self.providers.iter().map(|provider| provider.rows).sum()
    }

    /// The least that any provider's partitions may keep; none if nothing is limited.
    pub(super) fn least(&self) -> Option<u32> {
        self.providers.iter().filter_map(|provider| Some(provider.places?.max)).min()
    }
}

/// The cap's measure of a provider; none if it has no limit, or can be nobody's name.
pub(super) fn places(cap: &Cap, name: &[u8]) -> Option<Places> {
    let name = ProviderName::new(std::str::from_utf8(name).ok()?).ok()?;
    places_of(cap.limit(&name))
}

pub(super) const fn places_of(limit: Limit) -> Option<Places> {
    match limit {
        Limit::AtMost { max, .. } => Some(Places { max: max.get(), reason: "evicted" }),
        Limit::Replace => Some(Places { max: 1, reason: "replaced" }),
        _ => None,
    }
}

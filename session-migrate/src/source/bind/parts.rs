//! Where the parts of a row are among the selected columns.

use std::sync::Arc;

use super::Slots;
use super::slots::schema_mismatch;
use crate::source::SourceError;
use crate::source::codec::{Codecs, TokenCodec};
use crate::source::mapping::columns::is_match;
use crate::source::mapping::{
    ColumnPath, Cookie, ProviderSource, TokenSource, TokenSources, ValueSource,
};
use crate::source::mapping::{TimeSource, Unit, Zone};
use crate::sql::{ColumnKind, Dialect};

#[derive(Debug, Clone)]
pub(crate) enum ProviderSlot {
    Column(usize),
    Constant(String),
}

impl ProviderSlot {
    pub(crate) fn new(source: &ProviderSource, slots: &mut Slots) -> Result<Self, SourceError> {
        match (&source.column, &source.constant) {
            (None, Some(name)) => Ok(Self::Constant(name.clone())),
            (column, _) => {
                let column = column.as_deref().unwrap_or_default();
                slots.at(column, source.join.as_deref()).map(Self::Column)
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct TokenSlot {
    /// Its path in the mapping, for reports.
    pub(crate) name: &'static str,
    pub(crate) at: usize,
    pub(crate) path: Vec<String>,
    pub(crate) codec: Arc<dyn TokenCodec>,
}

#[derive(Debug, Clone)]
pub(crate) struct TokenSlots {
    pub(crate) response: Option<TokenSlot>,
    pub(crate) access: Option<TokenSlot>,
    pub(crate) refresh: Option<TokenSlot>,
    pub(crate) id: Option<TokenSlot>,
    pub(crate) scope: Option<PathSlot>,
    pub(crate) token_type: Option<TokenSlot>,
}

impl TokenSlots {
    pub(crate) fn new(
        sources: &TokenSources,
        slots: &mut Slots,
        codecs: &Codecs,
    ) -> Result<Self, SourceError> {
        let mut token = |name, place: &Option<TokenSource>| {
            let Some(place) = place else { return Ok::<_, SourceError>(None) };
            let at = slots.at(&place.column, place.join.as_deref())?;
            let codec = codecs.find(&place.codec)?;
            Ok(Some(TokenSlot { name, at, path: place.path.clone(), codec }))
        };
        Ok(Self {
            response: token("tokens.response", &sources.response)?,
            access: token("tokens.access", &sources.access)?,
            refresh: token("tokens.refresh", &sources.refresh)?,
            id: token("tokens.id", &sources.id)?,
            token_type: token("tokens.type", &sources.token_type)?,
            scope: PathSlot::new(sources.scope.as_ref(), slots)?,
        })
    }
}

/// A value that is not encrypted.
#[derive(Debug, Clone)]
pub(crate) struct PathSlot {
    pub(crate) at: usize,
    pub(crate) path: Vec<String>,
}

impl PathSlot {
    fn new(place: Option<&ColumnPath>, slots: &mut Slots) -> Result<Option<Self>, SourceError> {
        let slot =
            |place: &ColumnPath| Ok(Self { at: slots.place(place)?, path: place.path.clone() });
        place.map(slot).transpose()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum ValueSlot {
    Column(PathSlot),
    Constant(String),
}

impl ValueSlot {
    pub(crate) fn new(source: &ValueSource, slots: &mut Slots) -> Result<Self, SourceError> {
        match (&source.column, &source.constant) {
            (None, Some(value)) => Ok(Self::Constant(value.clone())),
            (column, _) => {
                let at = slots.at(column.as_deref().unwrap_or_default(), source.join.as_deref())?;
                Ok(Self::Column(PathSlot { at, path: source.path.clone() }))
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct CookieSlot {
    pub(crate) at: usize,
    except: Vec<String>,
}

impl CookieSlot {
    pub(crate) fn new(cookie: &Cookie, slots: &mut Slots) -> Result<Self, SourceError> {
        let at = slots.at(&cookie.column, None)?;
        Ok(Self { at, except: cookie.except_providers.clone() })
    }

    /// Returns whether rows of this provider have a cookie.
    pub(crate) fn covers(&self, provider: &str) -> bool {
        !self.except.iter().any(|pattern| is_match(pattern, provider))
    }
}

/// A time among the selected columns.
#[derive(Debug, Clone)]
pub(crate) struct TimeSlot {
    pub(crate) at: usize,
    pub(crate) path: Vec<String>,
    pub(crate) unit: Unit,
    pub(crate) zone: Option<Zone>,
    pub(crate) bases: Vec<Self>,
}

impl TimeSlot {
    pub(crate) fn new(place: &TimeSource, slots: &mut Slots) -> Result<Self, SourceError> {
        let at = slots.at(&place.column, place.join.as_deref())?;
        let dialect = slots.dialect();
        if let Some(slot) = slots.slot(at)
            && place.path.is_empty()
        {
            check(place, slot.column.kind, dialect)?;
        }
        let bases = place.relative_to.iter().map(|base| Self::new(base, slots));
        Ok(Self {
            at,
            path: place.path.clone(),
            unit: place.unit,
            zone: place.zone.clone(),
            bases: bases.collect::<Result<_, _>>()?,
        })
    }
}

/// Checks the unit against the column's type. SQLite's columns hold values of any type.
fn check(place: &TimeSource, kind: ColumnKind, dialect: Dialect) -> Result<(), SourceError> {
    if dialect == Dialect::Sqlite {
        return Ok(());
    }
    let column = &place.column;
    let wrong = match (place.unit, kind) {
        (Unit::Timestamp, ColumnKind::NaiveTime) if place.zone.is_none() => {
            format!("the column {column:?} has times without a zone: give the zone with `zone`")
        }
        (Unit::Timestamp, ColumnKind::ZonedTime | ColumnKind::NaiveTime) => return Ok(()),
        (Unit::Timestamp, _) => {
            format!(
                "the column {column:?} does not have a date or time type: use the unit \"s\", \"ms\" or \"iso\""
            )
        }
        (_, ColumnKind::ZonedTime | ColumnKind::NaiveTime) => {
            format!("the column {column:?} has a date or time type: use the unit \"timestamp\"")
        }
        _ => return Ok(()),
    };
    Err(schema_mismatch(wrong))
}

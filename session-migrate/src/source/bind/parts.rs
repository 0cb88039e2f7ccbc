//! Where the parts of a row are among the selected columns.

use std::sync::Arc;

use super::Slots;
use crate::source::SourceError;
use crate::source::codec::{Codecs, TokenCodec};
use crate::source::mapping::{
    Cookie, Place, ProviderSource, TokenPlace, TokenSources, ValueSource,
};
use crate::source::pattern::is_match;

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
    /// Where in the mapping, for reports.
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
    pub(crate) scope: Option<PlaceSlot>,
    pub(crate) token_type: Option<TokenSlot>,
}

impl TokenSlots {
    pub(crate) fn new(
        sources: &TokenSources,
        slots: &mut Slots,
        codecs: &Codecs,
    ) -> Result<Self, SourceError> {
        let mut token = |name, place: &Option<TokenPlace>| {
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
            scope: PlaceSlot::new(sources.scope.as_ref(), slots)?,
        })
    }
}

/// A value that is not encrypted.
#[derive(Debug, Clone)]
pub(crate) struct PlaceSlot {
    pub(crate) at: usize,
    pub(crate) path: Vec<String>,
}

impl PlaceSlot {
    fn new(place: Option<&Place>, slots: &mut Slots) -> Result<Option<Self>, SourceError> {
        let slot = |place: &Place| Ok(Self { at: slots.place(place)?, path: place.path.clone() });
        place.map(slot).transpose()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum ValueSlot {
    Place(PlaceSlot),
    Constant(String),
}

impl ValueSlot {
    pub(crate) fn new(source: &ValueSource, slots: &mut Slots) -> Result<Self, SourceError> {
        match (&source.column, &source.constant) {
            (None, Some(value)) => Ok(Self::Constant(value.clone())),
            (column, _) => {
                let at = slots.at(column.as_deref().unwrap_or_default(), source.join.as_deref())?;
                Ok(Self::Place(PlaceSlot { at, path: source.path.clone() }))
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

    /// Whether the rows of this provider have a cookie.
    pub(crate) fn covers(&self, provider: &str) -> bool {
        !self.except.iter().any(|pattern| is_match(pattern, provider))
    }
}

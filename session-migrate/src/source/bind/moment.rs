use super::Slots;
use super::slots::misfit;
use crate::source::SourceError;
use crate::source::mapping::{TimePlace, Unit, Zone};
use crate::sql::ColumnKind;
use crate::sql::Dialect;

/// A moment among the selected columns.
#[derive(Debug, Clone)]
pub(crate) struct TimeSlot {
    pub(crate) at: usize,
    pub(crate) path: Vec<String>,
    pub(crate) unit: Unit,
    pub(crate) zone: Option<Zone>,
    pub(crate) bases: Vec<Self>,
}

impl TimeSlot {
    pub(crate) fn new(place: &TimePlace, slots: &mut Slots) -> Result<Self, SourceError> {
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

/// SQLite's columns hold what they are given, so there only the values can tell.
fn check(place: &TimePlace, kind: ColumnKind, dialect: Dialect) -> Result<(), SourceError> {
    if dialect == Dialect::Sqlite {
        return Ok(());
    }
    let column = &place.column;
    let wrong = match (place.unit, kind) {
        (Unit::Timestamp, ColumnKind::NaiveTime) if place.zone.is_none() => {
            format!("the column {column:?} has times without a zone: say which one with `zone`")
        }
        (Unit::Timestamp, ColumnKind::ZonedTime | ColumnKind::NaiveTime) => return Ok(()),
        (Unit::Timestamp, _) => {
            format!(
                "the column {column:?} has no type of time: its unit is \"s\", \"ms\" or \"iso\""
            )
        }
        (_, ColumnKind::ZonedTime | ColumnKind::NaiveTime) => {
            format!("the column {column:?} has a type of time: its unit is \"timestamp\"")
        }
        _ => return Ok(()),
    };
    Err(misfit(wrong))
}

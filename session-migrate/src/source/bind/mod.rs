//! A mapping, resolved against a schema: every column found, every expression written.

mod parts;
mod slots;
mod statement;

pub(crate) use parts::{
    CookieSlot, PathSlot, ProviderSlot, TimeSlot, TokenSlot, TokenSlots, ValueSlot,
};
pub(crate) use slots::{BASE, Relation, Slot, Slots, schema_mismatch};

use crate::source::SourceError;
use crate::source::codec::Codecs;
use crate::source::mapping::{IdentitySources, Mapping, ValueSource};
use crate::sql::CascadingKey;
use crate::sql::Dialect;
use crate::sql::Query;
use crate::sql::Schema;

/// A mapping that matches its database.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) mapping: Mapping,
    pub(crate) dialect: Dialect,
    pub(crate) slots: Slots,
    /// `FROM` with its joins.
    pub(crate) from: String,
    pub(crate) key: Vec<usize>,
    /// Whether a unique index orders the rows by the key.
    pub(crate) is_key_indexed: bool,
    /// The physical location by which rows are ordered instead of their key, if they are.
    pub(crate) row_location: Option<&'static str>,
    pub(crate) user: usize,
    pub(crate) provider: ProviderSlot,
    pub(crate) account: Option<usize>,
    pub(crate) client: Option<usize>,
    pub(crate) tokens: TokenSlots,
    pub(crate) expires: Vec<TimeSlot>,
    pub(crate) created: Option<TimeSlot>,
    pub(crate) renewed: Option<TimeSlot>,
    pub(crate) used: Option<TimeSlot>,
    pub(crate) cookie: Option<CookieSlot>,
    /// Issuer, subject, `sid`.
    pub(crate) identity: [Option<ValueSlot>; 3],
    /// The condition that a parent row is missing; none if the mapping has no parents.
    pub(crate) orphan: Option<String>,
    /// The joined tables and the parents, each with the column that refers to it.
    pub(crate) relations: Vec<Relation>,
    /// The foreign keys that change rows without firing a trigger.
    pub(crate) cascades: Vec<CascadingKey>,
}

impl Bound {
    pub(crate) fn new(
        mapping: &Mapping,
        schema: &Schema,
        dialect: Dialect,
        codecs: &Codecs,
    ) -> Result<Self, SourceError> {
        let table = slots::find(schema, mapping.schema.as_deref(), &mapping.table, "table")?;
        let mut slots = Slots::new(mapping, table, schema, dialect)?;
        let key = mapping.key.iter().map(|column| slots.at(column, None));
        let key = key.collect::<Result<Vec<_>, _>>()?;
        let is_key_indexed = !key.is_empty() && table.is_unique(&mapping.key);
        let provider = ProviderSlot::new(&mapping.provider, &mut slots)?;
        let tokens = TokenSlots::new(&mapping.tokens, &mut slots, codecs)?;
        let mut times = |place| TimeSlot::new(place, &mut slots);
        let expires = mapping.expires.iter().map(&mut times).collect::<Result<_, _>>()?;
        let created = mapping.created.as_ref().map(&mut times).transpose()?;
        let renewed = mapping.renewed.as_ref().map(&mut times).transpose()?;
        let used = mapping.used.as_ref().map(&mut times).transpose()?;
        Ok(Self {
            from: statement::from(mapping, table, schema, dialect, &mut slots)?,
            orphan: statement::orphan(mapping, schema, dialect, &mut slots)?,
            user: slots.place(&mapping.user)?,
            account: mapping.account.as_ref().map(|place| slots.place(place)).transpose()?,
            client: mapping.client.as_ref().map(|place| slots.place(place)).transpose()?,
            cookie: mapping
                .cookie
                .as_ref()
                .map(|it| CookieSlot::new(it, &mut slots))
                .transpose()?,
            identity: identity(&mapping.identity, &mut slots)?,
            mapping: checked(mapping, &mut slots)?,
            // After everything else: it reads which columns were selected.
            relations: slots::relations(mapping, schema, &mut slots)?,
            cascades: schema.cascades.clone(),
            dialect,
            slots,
            key,
            is_key_indexed,
            row_location: None,
            provider,
            tokens,
            expires,
            created,
            renewed,
            used,
        })
    }
}

impl Bound {
    /// Appends ` WHERE` and the row filter.
    pub(crate) fn push_filter(&self, query: &mut Query) {
        query.push(" WHERE 1 = 1");
        for filter in &self.mapping.filter {
            let slot = self.slots.find(&filter.column, filter.join.as_deref());
            if let Some(slot) = slot {
                query.push(" AND ");
                statement::push_filter(query, filter, slot, self.dialect);
            }
        }
    }

    /// Returns the slot at an index that resolving the mapping gave.
    pub(crate) fn slot(&self, at: usize) -> Result<&Slot, SourceError> {
        self.slots.slot(at).ok_or_else(|| {
            slots::schema_mismatch("a column of the mapping was not selected".to_owned())
        })
    }
}

/// Returns the mapping, after adding every column of its filter to the slots.
fn checked(mapping: &Mapping, slots: &mut Slots) -> Result<Mapping, SourceError> {
    for filter in &mapping.filter {
        let at = slots.at(&filter.column, filter.join.as_deref())?;
        statement::check_filter(filter, slots.slot(at))?;
    }
    Ok(mapping.clone())
}

fn identity(
    sources: &IdentitySources,
    slots: &mut Slots,
) -> Result<[Option<ValueSlot>; 3], SourceError> {
    let mut slot = |source: &Option<ValueSource>| {
        source.as_ref().map(|source| ValueSlot::new(source, slots)).transpose()
    };
    Ok([slot(&sources.issuer)?, slot(&sources.subject)?, slot(&sources.sid)?])
}

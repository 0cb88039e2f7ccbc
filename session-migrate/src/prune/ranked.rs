//! The set-based way: the database ranks all rows in one statement.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Value};

use super::error::PruneError;
use super::session::Session;
use super::survey::{Survey, places_of};
use super::work::{Places, Work, check};
use super::{moment, usable};
use crate::cap::Cap;
use crate::source::{Bound, NewestBy, ProviderSlot, exact};
use crate::sql::{ColumnKind, Dialect, Query};

/// As many providers a statement names at most.
const NAMES: usize = 500;

/// What the database needs to rank the rows.
#[derive(Debug)]
pub(super) struct Ranked {
    has_tokens: String,
    is_usable: String,
    partition: Option<String>,
    newest: String,
    /// What makes a row's moment doubtful.
    pub(super) doubt: Option<String>,
}

/// The providers by their measure; those that are not named have the general one.
#[derive(Debug, Default)]
struct Measures {
    general: Option<Places>,
    named: BTreeMap<Option<Places>, Vec<Vec<u8>>>,
}

impl Ranked {
    /// None if only a reader can tell what the rank depends on.
    pub(super) fn new(bound: &Bound, cap: &Cap, newest: Option<NewestBy>) -> Option<Self> {
        let is_ordered = |kind: ColumnKind| {
            matches!(
                kind,
                ColumnKind::Integer | ColumnKind::Text | ColumnKind::Bytes | ColumnKind::Uuid
            )
        };
        for at in &bound.key {
            let kind = bound.slot(*at).ok()?.column.kind;
            if bound.dialect != Dialect::Sqlite && !is_ordered(kind) {
                return None;
            }
        }
        let (newest, doubt) = moment::order(bound, newest)?;
        Some(Self {
            has_tokens: usable::has_tokens(bound)?,
            is_usable: usable::is_usable(bound, cap)?,
            partition: usable::partition(bound, cap)?,
            newest,
            doubt,
        })
    }

    /// Notes what is to go.
    pub(super) async fn fill(
        &self,
        session: &Session,
        work: &Work,
        cap: &Cap,
        survey: &Survey,
    ) -> Result<(), PruneError> {
        let measures = Measures::of(cap, survey);
        let mut query = work.insert(true);
        self.push_chosen(&mut query, session.bound(), work, &measures)?;
        let filled = session.connection.execute_raw(query.statement()).await;
        filled.map(drop).map_err(PruneError::statement)
    }

    /// Whether the statement can name all the providers that need it.
    pub(super) fn fits(cap: &Cap, survey: &Survey) -> bool {
        Measures::of(cap, survey).named.values().map(Vec::len).sum::<usize>() <= NAMES
    }

    fn push_chosen(
        &self,
        query: &mut Query,
        bound: &Bound,
        work: &Work,
        measures: &Measures,
    ) -> Result<(), PruneError> {
        let mut columns: Vec<String> = (0..work.key.len()).map(|at| format!("r.k{at}")).collect();
        for (at, slot) in work.checks.iter().enumerate() {
            columns.push(check(bound.dialect, &format!("r.v{at}"), slot.column.kind));
        }
        columns.extend(work.place.map(|_| "r.lies_at".to_owned()));
        query.push(&format!(
            "SELECT {}, CASE WHEN r.place = r.places + 1 THEN 1 ELSE 0 END, r.reason FROM (SELECT ",
            columns.join(", ")
        ));
        for (at, slot) in work.key.iter().enumerate() {
            query.push(&format!("{} AS k{at}, ", slot.sql));
        }
        for (at, slot) in work.checks.iter().enumerate() {
            query.push(&format!("{} AS v{at}, ", slot.sql));
        }
        if let Some(place) = work.place {
            query.push(&format!("source_row.{place} AS lies_at, "));
        }
        measures.push(query, bound, |places| {
            places.map_or(i64::MAX, |it| i64::from(it.max)).to_string()
        })?;
        query.push(" AS places, ");
        measures.push(query, bound, |places| format!("'{}'", places.map_or("", |it| it.reason)))?;
        query.push(" AS reason, ").push(&self.place(bound, work)?).push(" AS place FROM ");
        query.push(&bound.from);
        bound.push_filter(query);
        for slot in work.checks.iter().take(pair_size(bound)) {
            query.push(&format!(" AND {} IS NOT NULL", slot.sql));
        }
        query.push(&format!(" AND {}) AS r WHERE r.place > r.places", self.has_tokens));
        let key = (0..work.key.len()).map(|at| format!("r.k{at}"));
        let order: Vec<String> = match work.place {
            Some(_) => vec!["r.lies_at".to_owned()],
            None => key.collect(),
        };
        query.push(&format!(" ORDER BY {}", order.join(", ")));
        Ok(())
    }

    /// The place in the partition, from 1 for the first that is kept.
    fn place(&self, bound: &Bound, work: &Work) -> Result<String, PruneError> {
        let dialect = bound.dialect;
        let mut parts = vec![exact(dialect, bound.slot(bound.user)?)];
        if let ProviderSlot::Column(at) = bound.provider {
            parts.push(exact(dialect, bound.slot(at)?));
        }
        parts.extend(self.partition.clone());
        let mut order = Vec::new();
        if self.is_usable != "1 = 1" {
            order.push(format!("CASE WHEN {} THEN 1 ELSE 0 END DESC", self.is_usable));
        }
        if self.newest != "NULL" {
            let last = if dialect == Dialect::Postgres { " NULLS LAST" } else { "" };
            order.push(format!("{} DESC{last}", self.newest));
        }
        for slot in &work.key {
            order.push(format!("{} DESC", dialect.binary(&slot.sql, slot.column.kind)));
        }
        Ok(format!(
            "ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {})",
            parts.join(", "),
            order.join(", ")
        ))
    }
}

/// How many of the columns that are checked are user and provider, which come first.
const fn pair_size(bound: &Bound) -> usize {
    match bound.provider {
        ProviderSlot::Column(_) => 2,
        ProviderSlot::Constant(_) => 1,
    }
}

impl Measures {
    /// A provider that appears later is measured only if all are alike.
    fn of(cap: &Cap, survey: &Survey) -> Self {
        let general = match (cap.uniform(), survey.providers.as_slice()) {
            (Some(limit), _) => places_of(limit),
            (None, _) => None,
        };
        let mut named: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
        for provider in &survey.providers {
            if provider.places != general {
                named.entry(provider.places).or_default().push(provider.name.clone());
            }
        }
        Self { general, named }
    }

    /// Writes a value that depends on the provider.
    fn push(
        &self,
        query: &mut Query,
        bound: &Bound,
        value: impl Fn(Option<Places>) -> String,
    ) -> Result<(), PruneError> {
        let ProviderSlot::Column(at) = bound.provider else {
            // There is one provider, and so one measure.
            let places = self.named.keys().next().copied().unwrap_or(self.general);
            query.push(&value(places));
            return Ok(());
        };
        let general = value(self.general);
        let named: Vec<_> =
            self.named.iter().filter(|(places, _)| value(**places) != general).collect();
        if named.is_empty() {
            query.push(&general);
            return Ok(());
        }
        let provider = exact(bound.dialect, bound.slot(at)?);
        query.push("CASE");
        for (places, names) in named {
            let names: Vec<String> =
                names.iter().map(|name| bind(query, bound.dialect, name)).collect();
            query.push(&format!(
                " WHEN {provider} IN ({}) THEN {}",
                names.join(", "),
                value(*places)
            ));
        }
        query.push(&format!(" ELSE {general} END"));
        Ok(())
    }
}

fn bind(query: &mut Query, dialect: Dialect, name: &[u8]) -> String {
    match dialect {
        Dialect::Postgres => {
            query.bind(Value::String(Some(String::from_utf8_lossy(name).into_owned())))
        }
        _ => query.bind(Value::Bytes(Some(name.to_vec()))),
    }
}

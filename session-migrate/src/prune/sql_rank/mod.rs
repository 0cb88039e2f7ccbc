//! The fast path: one SQL statement ranks all rows.
//!
//! It states the cap a second time. The first statement is the policy's own function
//! ([`rank`](crate::cap::rank)), which needs every row of an over-cap partition in this
//! process, with its tokens opened. This one is used only where columns alone decide the rank, and
//! where no row is doubtful; otherwise `policy_rank` does the work. Both must keep exactly the same
//! rows: `prune::tests::the_sql_keeps_exactly_the_rows_that_the_policy_keeps` compares them over
//! random rows on SQLite, and the tests `migrate_prune` over fixed rows on every database.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Value};

use super::error::PruneError;
use super::survey::{ProviderLimit, Survey, provider_limit};
use super::table::PrunableTable;
use super::victims::{VictimTable, check};
use crate::cap::Cap;
use crate::source::{Bound, NewestBy, ProviderSlot, Slot, exact};
use crate::sql::{CellReader, ColumnKind, Dialect, Query};

mod time;
mod usable;

/// How many providers a statement can name.
const MAX_NAMES: usize = 500;

/// The expressions by which the database ranks the rows.
#[derive(Debug)]
pub(super) struct SqlRank {
    has_tokens: String,
    is_usable: String,
    partition: Vec<String>,
    newest: String,
    /// The conditions under which a row is doubtful.
    doubts: Vec<String>,
    /// The user's column, if a row with an invalid user id is doubtful.
    checked_user: Option<Slot>,
    /// The columns that identify a partition within a provider.
    identifying: Vec<Slot>,
}

/// The limits of all providers; a provider that is not named has the general one.
#[derive(Debug, Default)]
struct ProviderLimits {
    general: Option<ProviderLimit>,
    named: BTreeMap<Option<ProviderLimit>, Vec<Vec<u8>>>,
}

impl SqlRank {
    /// Returns `None` if the rank depends on more than columns, such as a value in an encrypted
    /// token.
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
        let (newest, doubtful_time) = time::order(bound, newest)?;
        let has_tokens = usable::has_tokens(bound)?;
        let mut doubts = usable::doubts(bound, cap, &has_tokens)?;
        doubts.extend(doubtful_time);
        let identifying = usable::identifying(bound, cap).into_iter();
        Some(Self {
            is_usable: usable::is_usable(bound, cap)?,
            partition: usable::partition(bound, cap)?,
            checked_user: usable::checked_user(bound, cap),
            identifying: identifying
                .map(|at| bound.slot(at).ok().cloned())
                .collect::<Option<_>>()?,
            has_tokens,
            newest,
            doubts,
        })
    }

    /// Writes a value that is `NULL` unless a row is doubtful.
    pub(super) fn push_doubt(&self, query: &mut Query, dialect: Dialect) {
        query.push("CASE WHEN 1 = 0");
        for doubt in &self.doubts {
            query.push(" OR ").push(doubt);
        }
        if let Some(user) = &self.checked_user {
            usable::push_is_invalid(query, dialect, user);
        }
        query.push(" THEN 1 END");
    }

    /// Returns whether SQLite has text that is not UTF-8 in a column that identifies a partition.
    /// For this process such a row has no user, while SQL would rank it.
    pub(super) async fn has_malformed_text(
        &self,
        table: &PrunableTable,
    ) -> Result<bool, PruneError> {
        let (bound, dialect) = (table.bound(), table.dialect());
        let slots = self.identifying.iter().filter(|_| dialect == Dialect::Sqlite);
        for slot in slots {
            let (sql, bytes) = (&slot.sql, exact(dialect, slot));
            let mut query = Query::new(dialect, format!("SELECT DISTINCT {bytes} FROM "));
            query.push(&bound.from);
            bound.push_filter(&mut query);
            // All text with other characters than ASCII, or with NUL, at which GLOB ends.
            query.push(&format!(
                " AND typeof({sql}) = 'text' AND (length({sql}) <> octet_length({sql}) \
                 OR {sql} GLOB '*[^' || char(1) || '-' || char(127) || ']*')"
            ));
            for row in query.rows(&table.connection).await? {
                let text = CellReader::new(dialect, &row).expression(ColumnKind::Bytes)?;
                if text.as_text().is_none() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Notes the victims in their table.
    pub(super) async fn note_victims(
        &self,
        table: &PrunableTable,
        victims: &VictimTable,
        cap: &Cap,
        survey: &Survey,
    ) -> Result<(), PruneError> {
        let limits = ProviderLimits::of(cap, survey);
        let mut query = victims.insert();
        self.push_victims(&mut query, table.bound(), victims, &limits)?;
        let noted = table.connection.execute_raw(query.statement()).await;
        noted.map(drop).map_err(PruneError::statement)
    }

    /// Returns whether the statement can name all providers that it must name.
    pub(super) fn can_name(cap: &Cap, survey: &Survey) -> bool {
        let named = ProviderLimits::of(cap, survey).named;
        named.values().map(Vec::len).sum::<usize>() <= MAX_NAMES
    }

    fn push_victims(
        &self,
        query: &mut Query,
        bound: &Bound,
        victims: &VictimTable,
        limits: &ProviderLimits,
    ) -> Result<(), PruneError> {
        let mut columns: Vec<String> =
            (0..victims.key.len()).map(|at| format!("r.k{at}")).collect();
        for (at, slot) in victims.checks.iter().enumerate() {
            columns.push(check(bound.dialect, &format!("r.v{at}"), slot.column.kind));
        }
        columns.extend(victims.location.map(|_| "r.lies_at".to_owned()));
        query.push(&format!(
            "SELECT {}, CASE WHEN r.row_rank = r.max_rank + 1 THEN 1 ELSE 0 END, r.reason \
             FROM (SELECT ",
            columns.join(", ")
        ));
        for (at, slot) in victims.key.iter().enumerate() {
            query.push(&format!("{} AS k{at}, ", slot.sql));
        }
        for (at, slot) in victims.checks.iter().enumerate() {
            query.push(&format!("{} AS v{at}, ", slot.sql));
        }
        if let Some(location) = victims.location {
            query.push(&format!("source_row.{location} AS lies_at, "));
        }
        limits.push(query, bound, |limit| {
            limit.map_or(i64::MAX, |it| i64::from(it.max)).to_string()
        })?;
        query.push(" AS max_rank, ");
        limits.push(query, bound, |limit| format!("'{}'", limit.map_or("", |it| it.reason)))?;
        query.push(" AS reason, ").push(&self.row_rank(bound, victims)?);
        query.push(" AS row_rank FROM ").push(&bound.from);
        bound.push_filter(query);
        for slot in victims.checks.iter().take(owner_columns(bound)) {
            query.push(&format!(" AND {} IS NOT NULL", slot.sql));
        }
        query.push(&format!(" AND {}) AS r WHERE r.row_rank > r.max_rank", self.has_tokens));
        let key = (0..victims.key.len()).map(|at| format!("r.k{at}"));
        let order: Vec<String> = match victims.location {
            Some(_) => vec!["r.lies_at".to_owned()],
            None => key.collect(),
        };
        query.push(&format!(" ORDER BY {}", order.join(", ")));
        Ok(())
    }

    /// Returns the expression of a row's rank in its partition, from 1 for the last to be pruned.
    fn row_rank(&self, bound: &Bound, victims: &VictimTable) -> Result<String, PruneError> {
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
        for slot in &victims.key {
            order.push(format!("{} DESC", dialect.binary(&slot.sql, slot.column.kind)));
        }
        Ok(format!(
            "ROW_NUMBER() OVER (PARTITION BY {} ORDER BY {})",
            parts.join(", "),
            order.join(", ")
        ))
    }
}

/// How many of the checked columns, from the first on, are user and provider.
const fn owner_columns(bound: &Bound) -> usize {
    match bound.provider {
        ProviderSlot::Column(_) => 2,
        ProviderSlot::Constant(_) => 1,
    }
}

impl ProviderLimits {
    /// A provider whose first row is inserted after the survey has a limit only if all providers
    /// have the same.
    fn of(cap: &Cap, survey: &Survey) -> Self {
        let general = cap.uniform().and_then(provider_limit);
        let mut named: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
        for provider in &survey.providers {
            if provider.limit != general {
                named.entry(provider.limit).or_default().push(provider.name.clone());
            }
        }
        Self { general, named }
    }

    /// Writes a value that depends on the provider.
    fn push(
        &self,
        query: &mut Query,
        bound: &Bound,
        value: impl Fn(Option<ProviderLimit>) -> String,
    ) -> Result<(), PruneError> {
        let ProviderSlot::Column(at) = bound.provider else {
            // There is one provider, and so one limit.
            let limit = self.named.keys().next().copied().unwrap_or(self.general);
            query.push(&value(limit));
            return Ok(());
        };
        let general = value(self.general);
        let named: Vec<_> =
            self.named.iter().filter(|(limit, _)| value(**limit) != general).collect();
        if named.is_empty() {
            query.push(&general);
            return Ok(());
        }
        let provider = exact(bound.dialect, bound.slot(at)?);
        query.push("CASE");
        for (limit, names) in named {
            let names: Vec<String> =
                names.iter().map(|name| bind(query, bound.dialect, name)).collect();
            let (names, value) = (names.join(", "), value(*limit));
            query.push(&format!(" WHEN {provider} IN ({names}) THEN {value}"));
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

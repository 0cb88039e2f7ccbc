//! What the database can tell of a row: whether it has tokens, whether they are usable, and what
//! parts it from others.

use sea_orm_migration::sea_orm::Value;

use crate::cap::{Cap, Count, PartitionBy};
use crate::source::{Bound, Slot, TokenSlot, ValueSlot, exact};
use crate::sql::{ColumnKind, Dialect, Query};

/// Control characters, in words that PCRE and ICU know.
const CONTROL: &str = r"[\x{00}-\x{1F}\x{7F}-\x{9F}]";

/// That a row is a token set; none if only a reader can tell.
pub(super) fn has_tokens(bound: &Bound) -> Option<String> {
    let tokens = &bound.tokens;
    let parts = [&tokens.access, &tokens.refresh];
    if parts.into_iter().flatten().any(|slot| !slot.path.is_empty()) {
        return None;
    }
    let places = tokens.response.iter().chain(parts.into_iter().flatten());
    let tests = places.map(|slot| {
        let slot = bound.slot(slot.at).ok()?;
        Some(is_filled(bound.dialect, &slot.sql, slot.column.kind))
    });
    let tests: Vec<String> = tests.collect::<Option<_>>()?;
    Some(format!("({})", tests.join(" OR ")))
}

fn is_filled(dialect: Dialect, sql: &str, kind: ColumnKind) -> String {
    match (dialect, kind) {
        (Dialect::Sqlite, _) => format!("octet_length({sql}) > 0"),
        (Dialect::Postgres, ColumnKind::Text | ColumnKind::Bytes) => {
            format!("octet_length({sql}) > 0")
        }
        // `=` would ignore trailing blanks.
        (Dialect::Mysql, ColumnKind::Text | ColumnKind::Bytes) => format!("LENGTH({sql}) > 0"),
        _ => format!("{sql} IS NOT NULL"),
    }
}

/// That a row with tokens is usable, if it is no doubtful one; none if only a reader can tell.
///
/// Plain tokens in columns of text open, and only there does the database vouch that they are
/// text: SQLite takes anything for text.
pub(super) fn is_usable(bound: &Bound, cap: &Cap) -> Option<String> {
    if cap.counted() == Count::All {
        return Some("1 = 1".to_owned());
    }
    let (tokens, sources) = (&bound.tokens, &bound.mapping.tokens);
    let is_plain = [&sources.access, &sources.refresh, &sources.id, &sources.token_type]
        .into_iter()
        .flatten()
        .all(|place| place.codec == "plain" && place.path.is_empty());
    let is_text = |slot: &TokenSlot| {
        bound.slot(slot.at).is_ok_and(|slot| slot.column.kind == ColumnKind::Text)
    };
    let mut slots =
        [&tokens.access, &tokens.refresh, &tokens.id, &tokens.token_type].into_iter().flatten();
    let can_tell = bound.dialect != Dialect::Sqlite
        && tokens.response.is_none()
        && is_plain
        && slots.all(is_text)
        && is_named(bound);
    can_tell.then(|| match &bound.orphan {
        Some(orphan) => format!("NOT ({orphan})"),
        None => "1 = 1".to_owned(),
    })
}

fn is_named(bound: &Bound) -> bool {
    let kind = bound.slot(bound.user).map(|slot| slot.column.kind);
    matches!(kind, Ok(ColumnKind::Text | ColumnKind::Integer | ColumnKind::Uuid))
}

/// Writes a value for rows that are doubtful, and `NULL` for others: those whose moment is, and
/// those whose user could not be one.
pub(super) fn push_doubt(query: &mut Query, bound: &Bound, cap: &Cap, moment: Option<&str>) {
    let user = bound.slot(bound.user).ok().filter(|slot| slot.column.kind == ColumnKind::Text);
    let user = user.filter(|_| cap.counted() == Count::Usable && bound.dialect != Dialect::Sqlite);
    if user.is_none() && moment.is_none() {
        query.push("NULL");
        return;
    }
    query.push("CASE WHEN ").push(moment.unwrap_or("1 = 0"));
    if let Some(slot) = user {
        push_is_no_name(query, bound.dialect, slot);
    }
    query.push(" THEN 1 END");
}

fn push_is_no_name(query: &mut Query, dialect: Dialect, slot: &Slot) {
    let sql = &slot.sql;
    if dialect == Dialect::Postgres {
        query.push(&format!(
            " OR octet_length({sql}) NOT BETWEEN 1 AND 255 \
             OR {sql} ~ '[\\u0001-\\u001f\\u007f-\\u009f]'"
        ));
    } else {
        let control = query.bind(Value::String(Some(CONTROL.to_owned())));
        let text = format!("CONVERT({sql} USING utf8mb4)");
        query.push(&format!(" OR LENGTH({text}) NOT BETWEEN 1 AND 255 OR {text} REGEXP {control}"));
    }
}

/// What parts a pair further; none if only a reader can tell.
pub(super) fn partition(bound: &Bound, cap: &Cap) -> Option<Option<String>> {
    if cap.partition_by() == PartitionBy::Provider {
        return Some(None);
    }
    // A subject may be in a token.
    let [_, subject, _] = &bound.identity;
    if bound.tokens.response.is_some() || bound.tokens.id.is_some() {
        return None;
    }
    let subject = match subject {
        None => None,
        Some(ValueSlot::Constant(text)) if !text.is_empty() => return Some(None),
        Some(ValueSlot::Constant(_)) => None,
        Some(ValueSlot::Column(place)) if place.path.is_empty() => Some(place.at),
        Some(ValueSlot::Column(_)) => return None,
    };
    let known = |at: usize| {
        let empty = if bound.dialect == Dialect::Sqlite { "x''" } else { "''" };
        let slot = bound.slot(at).ok()?;
        Some(format!("NULLIF({}, {empty})", exact(bound.dialect, slot)))
    };
    match (subject.map(known), bound.account.map(known)) {
        (None, None) => Some(None),
        (Some(one), None) | (None, Some(one)) => Some(Some(one?)),
        (Some(subject), Some(account)) => {
            Some(Some(format!("COALESCE({}, {})", subject?, account?)))
        }
    }
}

//! The conditions that columns alone decide: whether a row has tokens, whether they are usable, and
//! which partition it belongs to.

use sea_orm_migration::sea_orm::Value;

use crate::cap::{Cap, Count, PartitionBy};
use crate::source::{Bound, ProviderSlot, Slot, TokenSlot, ValueSlot, exact};
use crate::sql::{ColumnKind, Dialect, Query};

/// Control characters, as PCRE and ICU write them.
const CONTROL: &str = r"[\x{00}-\x{1F}\x{7F}-\x{9F}]";

/// Returns the condition that a row has tokens; `None` if SQL cannot tell.
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

/// Returns the condition that a row with tokens is usable, unless it is doubtful; `None` if SQL
/// cannot tell.
///
/// SQL can tell it of plain tokens in text columns, which need no decryption. It cannot on SQLite,
/// where a text column can hold any bytes, nor where patterns name the providers of OAuth 1.
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
        && bound.mapping.oauth1_providers.is_empty()
        && slots.all(is_text)
        && has_valid_user_kind(bound);
    can_tell.then(|| match &bound.orphan {
        Some(orphan) => format!("NOT ({orphan})"),
        None => "1 = 1".to_owned(),
    })
}

fn has_valid_user_kind(bound: &Bound) -> bool {
    let kind = bound.slot(bound.user).map(|slot| slot.column.kind);
    matches!(kind, Ok(ColumnKind::Text | ColumnKind::Integer | ColumnKind::Uuid))
}

/// Returns conditions under which a row is doubtful: SQL and this process could disagree about its
/// partition, or about whether it has tokens. Returns `None` if every row would be doubtful.
pub(super) fn doubts(bound: &Bound, cap: &Cap, has_tokens: &str) -> Option<Vec<String>> {
    let mut doubts = Vec::new();
    let provider = match bound.provider {
        ProviderSlot::Column(at) => Some(at),
        ProviderSlot::Constant(_) => None,
    };
    for at in identifying(bound, cap).into_iter().chain(provider) {
        let slot = bound.slot(at).ok()?;
        match (bound.dialect, slot.column.kind) {
            // 7.0 is the user `7` here, and `7.0` there; bytes that are not UTF-8 are no user here.
            (Dialect::Sqlite, _) => {
                doubts.push(format!("typeof({}) IN ('real', 'blob')", slot.sql));
            }
            (_, ColumnKind::Bytes | ColumnKind::Real) => return None,
            _ => {}
        }
    }
    let (tokens, sources) = (&bound.tokens, &bound.mapping.tokens);
    let others = [(&tokens.id, &sources.id), (&tokens.token_type, &sources.token_type)];
    for (slot, source) in others {
        let (Some(slot), Some(source)) = (slot, source) else { continue };
        let column = bound.slot(slot.at).ok()?;
        let kind = column.column.kind;
        let always_opens = source.codec == "plain" && source.path.is_empty();
        if bound.dialect == Dialect::Sqlite || !always_opens || kind != ColumnKind::Text {
            // A value that does not open makes the row unreadable, though it has no other token.
            let is_filled = is_filled(bound.dialect, &column.sql, kind);
            doubts.push(format!("({is_filled} AND NOT COALESCE({has_tokens}, 1 = 0))"));
        }
    }
    Some(doubts)
}

/// Returns the columns that identify a partition within a provider.
pub(super) fn identifying(bound: &Bound, cap: &Cap) -> Vec<usize> {
    let mut columns = vec![bound.user];
    if cap.partition_by() == PartitionBy::Account {
        if let [_, Some(ValueSlot::Column(place)), _] = &bound.identity {
            columns.push(place.at);
        }
        columns.extend(bound.account.into_iter().chain(bound.client));
    }
    columns
}

/// Returns the user's column if a text in it could be an invalid user id, which makes a row
/// unusable.
pub(super) fn checked_user(bound: &Bound, cap: &Cap) -> Option<Slot> {
    let slot = bound.slot(bound.user).ok()?;
    let is_checked = slot.column.kind == ColumnKind::Text && cap.counted() == Count::Usable;
    is_checked.then(|| slot.clone())
}

/// Writes ` OR`, and that a user id is invalid.
pub(super) fn push_is_invalid(query: &mut Query, dialect: Dialect, slot: &Slot) {
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

/// Returns the expressions that divide the rows of a user and provider into partitions; `None`
/// means that SQL cannot tell.
pub(super) fn partition(bound: &Bound, cap: &Cap) -> Option<Vec<String>> {
    if cap.partition_by() == PartitionBy::Provider {
        return Some(Vec::new());
    }
    let mut parts = Vec::from_iter(account(bound)?);
    if let Some(client) = bound.client {
        parts.push(known(bound, client)?);
    }
    Some(parts)
}

fn known(bound: &Bound, at: usize) -> Option<String> {
    let empty = if bound.dialect == Dialect::Sqlite { "x''" } else { "''" };
    let slot = bound.slot(at).ok()?;
    Some(format!("NULLIF({}, {empty})", exact(bound.dialect, slot)))
}

/// Returns the expression of the subject or the account id, if there is one.
fn account(bound: &Bound) -> Option<Option<String>> {
    // The subject can be in a token.
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
    let known = |at| known(bound, at);
    match (subject.map(known), bound.account.map(known)) {
        (None, None) => Some(None),
        (Some(one), None) | (None, Some(one)) => Some(Some(one?)),
        (Some(subject), Some(account)) => {
            Some(Some(format!("COALESCE({}, {})", subject?, account?)))
        }
    }
}

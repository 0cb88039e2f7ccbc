//! Round trips: every row of a mapping gets new tokens and is read again.

use secrecy::zeroize::Zeroizing;
use session_core::Timestamp;
use session_migrate::source::{
    Cell, Codecs, Mapping, RenewedTokens, SourceKeys, SourceRow, SourceTable,
};
use session_tests::database::Kind;

use super::dump::{Dump, differences, dump};
use session_tests::source::Source;

/// When the tokens were renewed, between two seconds.
pub(crate) const RENEWED: i64 = 1_770_000_000_250;

/// When they expire.
pub(crate) const EXPIRES: i64 = 1_770_003_600_750;

pub(crate) fn some(text: &str) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(text.to_owned()))
}

/// Tokens with every part that the mapping has a place for.
pub(crate) fn tokens(mapping: &Mapping, name: &str) -> RenewedTokens {
    let places = &mapping.tokens;
    let has = |is_there: bool| is_there || places.response.is_some();
    RenewedTokens {
        access: Zeroizing::new(format!("new-at-{name}")),
        refresh: some(&format!("new-rt-{name}")).filter(|_| has(places.refresh.is_some())),
        id: some(&format!("new-it-{name}")).filter(|_| has(places.id.is_some())),
        scope: Some("openid new".to_owned()).filter(|_| has(places.scope.is_some())),
        token_type: Some("bearer".to_owned()).filter(|_| has(places.token_type.is_some())),
        extra: session_core::token::ExtraFields::default(),
        expires_at: Some(Timestamp::from_millis(EXPIRES)).filter(|_| !mapping.expires.is_empty()),
        renewed_at: Timestamp::from_millis(RENEWED),
    }
}

/// Writes other tokens into every row that opens, each time looking at the whole database; of the
/// row's columns exactly `touched` may change.
pub(crate) async fn round_trip(
    source: &Source,
    mapping: &Mapping,
    keys: &SourceKeys,
    touched: &[&str],
) {
    let codecs = Codecs::new(keys.clone());
    let table = source.open(mapping, &codecs).await.unwrap();
    let rows = source.rows(mapping, &codecs).await;
    let mut count = 0;
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.tokens.opened().is_some()) {
        count += 1;
        let tokens = tokens(mapping, &at.to_string());
        let before = dump(source).await;
        assert!(table.write_back(&source.connection, row, &tokens).await.unwrap(), "{}", row.key);
        let after = dump(source).await;
        check_columns(source, mapping, &before, &after, touched);
        let again = source.rows(mapping, &codecs).await;
        let again = again.iter().find(|other| other.key == row.key).unwrap();
        check_row(again, row, mapping, &tokens);
        // What was read is no longer there; what is there now says the same already.
        assert!(!table.write_back(&source.connection, row, &tokens).await.unwrap());
        assert!(table.write_back(&source.connection, again, &tokens).await.unwrap());
        assert_eq!(dump(source).await, after);
        check_gone(source, &table, again, mapping).await;
    }
    assert!(count > 0, "no row opens");
}

fn check_columns(
    source: &Source,
    mapping: &Mapping,
    before: &Dump,
    after: &Dump,
    touched: &[&str],
) {
    let differences = differences(before, after);
    assert_eq!(differences.len(), 1, "{differences:?}");
    let ((table, key), mut columns) = differences.into_iter().next().unwrap();
    let mut touched: Vec<&str> = touched.to_vec();
    columns.sort();
    touched.sort_unstable();
    assert_eq!((table.as_str(), columns), (mapping.table.as_str(), owned(&touched)), "{key}");
    if source.kind() == Kind::Sqlite {
        let row = (table, key);
        for column in touched {
            let class = |dump: &Dump| dump[&row][column].split(':').next().unwrap().to_owned();
            let (old, new) = (class(before), class(after));
            assert!(old == new || old == "null", "{column} was {old} and is {new}");
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn check_row(again: &SourceRow, row: &SourceRow, mapping: &Mapping, tokens: &RenewedTokens) {
    let opened = again.tokens.opened().unwrap();
    assert_eq!(opened.access(), Some(tokens.access.as_str()));
    assert_eq!(opened.refresh(), tokens.refresh.as_ref().map(|token| token.as_str()));
    assert_eq!(opened.id(), tokens.id.as_ref().map(|token| token.as_str()));
    assert_eq!(opened.scope(), tokens.scope.as_deref());
    let is_near = |read: Option<Timestamp>, meant: i64| {
        let read = read.unwrap().as_millis();
        assert!((0..1000).contains(&(meant - read)), "{read} is not {meant}");
    };
    if let Some(at) = tokens.expires_at {
        is_near(again.expires_at, at.as_millis());
    }
    let renewed = mapping.renewed.as_ref().filter(|place| place.join.is_none());
    if renewed.is_some() {
        is_near(again.renewed_at, RENEWED);
    }
    assert_eq!((&again.user, &again.provider), (&row.user, &row.provider));
    assert_eq!((again.created_at, again.used_at), (row.created_at, row.used_at));
    assert_eq!((&again.account, &again.subject), (&row.account, &row.subject));
}

/// A row that is gone takes nothing, whatever else is there.
async fn check_gone(source: &Source, table: &SourceTable, row: &SourceRow, mapping: &Mapping) {
    let mut gone = row.clone();
    for stored in gone.stored.iter_mut().filter(|it| mapping.key.contains(&it.column)) {
        stored.cell = match &stored.cell {
            Cell::Integer(_) => Cell::Integer(4_711_000),
            // Another one only to those who look at every byte.
            Cell::Text(text) if text.contains(|c: char| c.is_ascii_lowercase()) => {
                Cell::Text(text.to_ascii_uppercase())
            }
            _ => Cell::Text("018f0000-0000-7000-8000-0000000000ff".to_owned()),
        };
    }
    let before = dump(source).await;
    let tokens = tokens(mapping, "lost");
    assert!(!table.write_back(&source.connection, &gone, &tokens).await.unwrap());
    assert_eq!(dump(source).await, before);
}

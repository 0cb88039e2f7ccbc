//! Databases that the named projects created themselves, read and compared with their facts.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait as _;
use serde_json::Value;
use session_migrate::source::{
    Cell, Codecs, RowTokens, SourceKeys, SourceRow, connect_read_only, inspect,
    inspect::SourceReport, row::Expiry,
};
use session_tests::fixtures::{self, OPENWEBUI_KEY, number, sha256};
use session_tests::source::Source;

fn histogram(facts: &Value) -> BTreeMap<u64, u64> {
    let pairs = facts.as_object().unwrap().iter();
    pairs.map(|(rows, pairs)| (rows.parse().unwrap(), pairs.as_u64().unwrap())).collect()
}

async fn rows(source: &Source, preset: &str, keys: SourceKeys) -> Vec<SourceRow> {
    let fit = source.recognised(preset).await;
    let codecs = Codecs::new(keys);
    let table = source.open(&fit.mappings.mapping[0], &codecs).await.unwrap();
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let (batch, next) = table.batch(&source.connection, after.as_ref(), 100).await.unwrap();
        rows.extend(batch);
        after = next;
        if after.is_none() {
            return rows;
        }
    }
}

fn access(row: &SourceRow) -> Option<String> {
    row.tokens.opened().and_then(|tokens| tokens.access()).map(sha256)
}

fn refresh(row: &SourceRow) -> Option<String> {
    row.tokens.opened().and_then(|tokens| tokens.refresh()).map(sha256)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[tokio::test]
async fn openwebui_counts_are_those_of_the_facts() {
    let Some((source, facts)) = fixtures::openwebui().await else { return };
    // A connection that cannot write.
    let connection = connect_read_only(source.database.url()).await.unwrap();
    assert!(connection.execute_unprepared("DELETE FROM oauth_session").await.is_err());
    let codecs = Codecs::new(SourceKeys::new(OPENWEBUI_KEY));
    let inspection = inspect(&connection, &codecs).await.unwrap();
    let report: &SourceReport = &inspection.recognised[0].sources[0];
    assert_eq!(report.total.rows, number(&facts, "rows"));
    assert_eq!(report.pairs, number(&facts, "pairs"));
    assert_eq!(report.rows_per_pair, histogram(&facts["rows_per_pair_histogram"]));
    assert_eq!(report.total.orphans, number(&facts, "rows_orphaned"));
    assert_eq!(report.total.unreadable["wrong_key"], number(&facts, "rows_old_key"));
    assert_eq!(report.total.expiry[&Expiry::Real], number(&facts, "rows_float_expiry"));
    let providers: BTreeMap<&str, u64> = report
        .providers
        .iter()
        .map(|provider| (provider.provider.as_str(), provider.tally.rows))
        .collect();
    for (provider, rows) in facts["rows_per_provider"].as_object().unwrap() {
        assert_eq!(providers[provider.as_str()], rows.as_u64().unwrap());
    }
}

#[tokio::test]
async fn openwebui_tokens_are_those_of_the_facts() {
    let Some((source, facts)) = fixtures::openwebui().await else { return };
    let rows = rows(&source, "openwebui", SourceKeys::new(OPENWEBUI_KEY)).await;
    let rows: BTreeMap<String, &SourceRow> =
        rows.iter().map(|row| (row.key.to_string(), row)).collect();
    let detail = facts["rows_detail"].as_array().unwrap();
    assert_eq!(rows.len(), detail.len());
    let mut with_cookie = 0;
    for fact in detail {
        let row = rows[fact["id"].as_str().unwrap()];
        assert_eq!(row.user, text(&fact["user_id"]));
        assert_eq!(row.provider, text(&fact["provider"]));
        assert_eq!(row.is_orphan, fact["orphan"].as_bool().unwrap());
        let created = row.created_at.unwrap().as_millis();
        assert_eq!(created, fact["created_at"].as_i64().unwrap() * 1000);
        let is_current = fact["key"] == "current";
        assert_eq!(row.tokens.opened().is_some(), is_current);
        if is_current {
            assert_eq!(access(row), text(&fact["access_sha256"]));
            assert_eq!(Value::from(refresh(row).is_some()), fact["has_refresh"]);
            let id = row.tokens.opened().unwrap().id();
            assert_eq!(Value::from(id.is_some()), fact["has_id_token"]);
        }
        let is_device =
            is_current && !row.is_orphan && row.provider.as_deref() != Some("mcp:docs-server");
        assert_eq!(row.cookie.as_ref().map(|it| it.to_string()).is_some(), is_device);
        with_cookie += u64::from(is_device);
    }
    assert!(with_cookie > 0);
}

#[tokio::test]
async fn openwebui_opens_old_rows_with_the_old_key() {
    let Some((source, facts)) = fixtures::openwebui().await else { return };
    let old = facts["old_secret_of_wrong_key_rows"].as_str().unwrap();
    let keys = SourceKeys::new(OPENWEBUI_KEY).with_old(old);
    let rows = rows(&source, "openwebui", keys).await;
    assert!(rows.iter().all(|row| matches!(row.tokens, RowTokens::Opened(_))));
    // The stored class is kept for a rollback.
    let is_real = |row: &&SourceRow| {
        row.stored.iter().any(|it| it.column == "expires_at" && matches!(it.cell, Cell::Real(_)))
    };
    let real = rows.iter().filter(is_real).count() as u64;
    assert_eq!(real, number(&facts, "rows_float_expiry"));
}

#[tokio::test]
async fn spring_tokens_are_those_of_the_facts() {
    let Some((source, facts)) = fixtures::spring().await else { return };
    let report = source.inspect(SourceKeys::none()).await.recognised[0].sources[0].clone();
    assert_eq!(report.total.rows, number(&facts, "rows"));
    assert_eq!(report.rows_per_pair, histogram(&facts["rows_per_pair"]));
    assert_eq!(report.total.with_refresh_token, number(&facts, "with_refresh"));
    let rows = rows(&source, "spring", SourceKeys::none()).await;
    let key = |registration: &str, principal: &str| format!("{registration}\n{principal}");
    let rows: BTreeMap<String, &SourceRow> = rows
        .iter()
        .map(|row| (key(row.provider.as_deref().unwrap(), row.user.as_deref().unwrap()), row))
        .collect();
    let detail = facts["detail"].as_array().unwrap();
    assert_eq!(rows.len(), detail.len());
    for fact in detail {
        let (registration, principal) = (&fact["registration"], &fact["principal"]);
        let row = rows[&key(registration.as_str().unwrap(), principal.as_str().unwrap())];
        assert_eq!(access(row), text(&fact["access_sha256"]));
        assert_eq!(refresh(row), text(&fact["refresh_sha256"]));
        let scope = fact["scopes"].as_str().map(|scopes| scopes.replace(',', " "));
        assert_eq!(row.tokens.opened().unwrap().scope(), scope.as_deref());
        assert!(row.expires_at > row.renewed_at);
    }
}

#[tokio::test]
async fn authjs_tokens_are_those_of_the_facts() {
    let Some((source, facts)) = fixtures::authjs().await else { return };
    let report = source.inspect(SourceKeys::none()).await.recognised[0].sources[0].clone();
    assert_eq!(report.total.rows, number(&facts, "accounts"));
    assert_eq!(report.pairs, number(&facts, "pairs"));
    assert_eq!(report.rows_per_pair, histogram(&facts["rows_per_user_provider_histogram"]));
    assert_eq!(report.total.expiry[&Expiry::Absent], number(&facts, "expires_null"));
    let rows = rows(&source, "authjs-pg", SourceKeys::none()).await;
    let mut read: Vec<String> = rows
        .iter()
        .map(|row| {
            let expires = row.expires_at.map(|at| at.as_millis() / 1000);
            let (user, provider) = (row.user.as_deref().unwrap(), row.provider.as_deref().unwrap());
            let account = row.account.as_deref().unwrap();
            format!("{user} {provider} {account} {expires:?} {:?} {:?}", access(row), refresh(row))
        })
        .collect();
    let mut expected: Vec<String> = facts["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| {
            let (provider, account) = (&fact["provider"], &fact["providerAccountId"]);
            let (provider, account) = (provider.as_str().unwrap(), account.as_str().unwrap());
            let expires = fact["expires_at"].as_i64();
            let (access, refresh) = (text(&fact["access"]), text(&fact["refresh"]));
            format!("{} {provider} {account} {expires:?} {access:?} {refresh:?}", fact["userId"])
        })
        .collect();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);
    let without = rows.iter().filter(|row| refresh(row).is_none()).count() as u64;
    assert_eq!(without, number(&facts, "without_refresh"));
}

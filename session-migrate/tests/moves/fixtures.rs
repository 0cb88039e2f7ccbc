//! Moves of databases that the named projects created themselves, to every kind and back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use session_core::session::SecretDigest;
use session_tests::database::{Database, Kind};
use session_tests::fixtures::{self, OPENWEBUI_KEY, number, sha256};
use session_tests::source::Source;

use crate::snapshot::{changes, snapshot};
use crate::target::Target;
use crate::tool::{Tool, rows};

const PAIRS: [&str; 4] = ["--partition", "user,provider", "--count", "all"];

/// Moves into a target of a kind, calls `check`, and rolls back, which must restore the source.
/// Returns the digest of the result.
async fn move_and_roll_back(
    source: &Source,
    tool: &Tool,
    kind: Kind,
    check: impl AsyncFnOnce(&Value, &Target),
) -> String {
    let before = snapshot(source).await;
    let other = match kind == source.kind() {
        true => None,
        false => Some(Database::create(kind).await),
    };
    let tool = match &other {
        Some(target) => tool.clone().to(target.url()),
        None => tool.clone(),
    };
    let verified = tool.moved().await;
    let target = Target::of(other.as_ref().unwrap_or(&source.database)).await;
    check(&verified, &target).await;
    target.close().await;
    let rolled = tool.done("rollback", &[]).await;
    assert_eq!(
        (&rolled["removed"], &rolled["written_back"]),
        (&verified["target_rows"], &0.into())
    );
    assert_eq!(changes(&before, &snapshot(source).await), Vec::<String>::new(), "on {kind}");
    if let Some(target) = other {
        let left = snapshot(&Source::on(target).await).await;
        let objects: Vec<_> = left.iter().filter(|line| !line.starts_with("schema ")).collect();
        assert!(objects.is_empty(), "left behind: {objects:?}");
    }
    verified["result_digest"].as_str().unwrap().to_owned()
}

/// Does the same with every kind of target. The digests must be equal.
async fn everywhere(source: &Source, tool: &Tool, check: impl AsyncFn(&Value, &Target)) {
    let mut digests = BTreeSet::new();
    for kind in Kind::available() {
        let digest = move_and_roll_back(source, tool, kind, async |verified, target| {
            check(verified, target).await;
        });
        digests.insert(digest.await);
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}

/// Returns the ids that a cap keeps: of each user and provider the newest by creation, then by id.
fn kept(facts: &Value, cap: usize) -> BTreeSet<String> {
    let text = |fact: &Value, name: &str| fact[name].as_str().unwrap().to_owned();
    let mut pairs: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for fact in facts["rows_detail"].as_array().unwrap() {
        let pair = (text(fact, "user_id"), text(fact, "provider"));
        let rank = (fact["created_at"].as_i64().unwrap(), text(fact, "id"));
        pairs.entry(pair).or_default().push(rank);
    }
    let newest = pairs.into_values().flat_map(|mut rows| {
        rows.sort();
        rows.into_iter().rev().take(cap).map(|(_, id)| id)
    });
    newest.collect()
}

async fn check_openwebui(facts: &Value, cap: usize, verified: &Value, target: &Target) {
    let kept = kept(facts, cap);
    let of_key: BTreeMap<&str, &Value> =
        rows(verified).iter().map(|row| (row["source_key"].as_str().unwrap(), row)).collect();
    let mut without_cookie = 0;
    for fact in facts["rows_detail"].as_array().unwrap() {
        let id = fact["id"].as_str().unwrap();
        let row = of_key[id];
        assert_eq!((&row["user"], &row["provider"]), (&fact["user_id"], &fact["provider"]));
        assert_ne!(row["id"], fact["id"], "an id is public, and a cookie is not");
        let is_current = fact["key"] == "current";
        let state = match (kept.contains(id), is_current) {
            (false, _) => "pruned",
            (true, false) => "unreadable",
            (true, true) => "live",
        };
        assert_eq!(row["state"], state, "{id} under {cap}");
        if is_current {
            assert_eq!(row["access_token_sha256"], fact["access_sha256"]);
            assert_eq!(Value::from(!row["refresh_token_sha256"].is_null()), fact["has_refresh"]);
        }
        if state != "live" {
            continue;
        }
        let (stored, tokens) = target.row(row).await;
        assert_eq!(Value::from(sha256(tokens.access_token())), fact["access_sha256"]);
        assert_eq!(Value::from(tokens.id_token().is_some()), fact["has_id_token"]);
        let has_cookie = fact["orphan"] == false && fact["provider"] != "mcp:docs-server";
        let digest = has_cookie.then(|| SecretDigest::of(id));
        assert_eq!(stored.digests.current, digest, "{id}");
        if let Some(digest) = digest {
            let hash = hex(digest.as_bytes());
            assert_eq!(hash, sha256(id), "the digest is the SHA-256 of the cookie");
        }
        without_cookie += u64::from(!has_cookie);
        let created = stored.session.created_at.as_millis();
        assert_eq!(created, fact["created_at"].as_i64().unwrap() * 1000);
        let expires = tokens.expires_at().unwrap().as_millis() as f64;
        assert!((expires - fact["expires_at"].as_f64().unwrap() * 1000.0).abs() <= 1.0, "{id}");
    }
    assert_eq!(number(verified, "unclaimed"), without_cookie);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn openwebui_under(cap: usize) {
    let Some((source, facts)) = fixtures::openwebui().await else { return };
    let max = cap.to_string();
    let tool = Tool::preset(&source, "openwebui").key(OPENWEBUI_KEY).words(&PAIRS);
    let tool = tool.words(&["--max-sessions", &max]);
    everywhere(&source, &tool, async |verified: &Value, target: &Target| {
        let kept = number(verified, "target_rows") + number(verified, "unreadable");
        assert_eq!(kept, number(&facts["kept_rows_for_cap"], &max));
        assert_eq!(number(verified, "source_rows"), number(&facts, "rows"));
        assert_eq!(number(verified, "pruned"), number(&facts, "rows") - kept);
        assert_eq!(number(verified, "orphans"), number(&facts, "rows_orphaned"));
        check_openwebui(&facts, cap, verified, target).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openwebui_under_1() {
    openwebui_under(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openwebui_under_2() {
    openwebui_under(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openwebui_under_3() {
    openwebui_under(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openwebui_under_5() {
    openwebui_under(5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openwebui_under_10() {
    openwebui_under(10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openwebui_without_a_cap_and_with_the_old_key_loses_nothing() {
    let Some((source, facts)) = fixtures::openwebui().await else { return };
    let tool = Tool::preset(&source, "openwebui").key(OPENWEBUI_KEY);
    everywhere(&source, &tool, async |verified: &Value, target: &Target| {
        assert_eq!(number(verified, "unreadable"), number(&facts, "rows_old_key"));
        assert_eq!(number(verified, "pruned"), 0);
        check_openwebui(&facts, usize::MAX, verified, target).await;
        let of_tools = rows(verified).iter().filter(|row| row["provider"] == "mcp:docs-server");
        assert_eq!(of_tools.count(), 66);
    })
    .await;
    let old = facts["old_secret_of_wrong_key_rows"].as_str().unwrap();
    let tool = tool.old_key(old);
    everywhere(&source, &tool, async |verified: &Value, _: &Target| {
        assert_eq!(number(verified, "target_rows"), number(&facts, "rows"));
        assert_eq!(number(verified, "unreadable"), 0);
    })
    .await;
}

/// Formats the wanted rows as lines, sorted.
fn lines(rows: &[Value], is_wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = rows
        .iter()
        .filter(|row| is_wanted(row))
        .map(|row| {
            let (access, refresh) = (&row["access_token_sha256"], &row["refresh_token_sha256"]);
            format!("{} {} {access} {refresh}", row["user"], row["provider"])
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn authjs_keeps_every_identity() {
    let Some((source, facts)) = fixtures::authjs().await else { return };
    let detail = facts["detail"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut expected: Vec<String> = detail
        .iter()
        .map(|fact| {
            let (access, refresh) = (&fact["access"], &fact["refresh"]);
            format!("\"{}\" {} {access} {refresh}", fact["userId"], fact["provider"])
        })
        .collect();
    expected.sort();
    let identities: BTreeSet<_> = detail
        .iter()
        .map(|fact| {
            let user = fact["userId"].to_string();
            (user, text(&fact["provider"]), text(&fact["providerAccountId"]))
        })
        .collect();
    let duplicates = number(&facts, "duplicate_identity_rows");
    let tool = Tool::preset(&source, "authjs-pg");
    let by_pair = |max| tool.clone().words(&PAIRS).words(&["--max-sessions", max]);
    let by_account = tool.clone().words(&["--max-sessions", "1"]);
    for (tool, live) in [
        (by_pair("1"), 1200),
        (by_pair("2"), 1263),
        (tool.clone(), 1264),
        (by_account.clone(), 1264 - duplicates),
    ] {
        everywhere(&source, &tool, async |verified: &Value, _: &Target| {
            assert_eq!(number(verified, "target_rows"), live);
            assert_eq!(number(verified, "unreadable") + number(verified, "orphans"), 0);
            assert_eq!(lines(rows(verified), |_| true), expected);
            assert_eq!(number(verified, "unclaimed"), live, "no cookie points at any");
        })
        .await;
    }
    move_and_roll_back(&source, &by_account, Kind::Postgres, async |verified, target| {
        let mut found = BTreeSet::new();
        for row in rows(verified).iter().filter(|row| row["state"] == "live") {
            let (stored, _) = target.row(row).await;
            let session = stored.session;
            let account = session.identity.account.clone();
            let account = account.or(session.identity.subject.map(|it| it.as_str().to_owned()));
            let (user, provider) = (session.user.as_str(), session.provider.as_str());
            found.insert((user.to_owned(), provider.to_owned(), account.unwrap()));
        }
        assert_eq!(found, identities, "no identity is pruned instead of another");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spring_keeps_every_row() {
    let Some((source, facts)) = fixtures::spring().await else { return };
    let detail = facts["detail"].as_array().unwrap();
    let mut expected: Vec<String> = detail
        .iter()
        .map(|fact| {
            let (access, refresh) = (&fact["access_sha256"], &fact["refresh_sha256"]);
            format!("{} {} {access} {refresh}", fact["principal"], fact["registration"])
        })
        .collect();
    expected.sort();
    for max in ["1", "10"] {
        let tool = Tool::preset(&source, "spring").words(&["--max-sessions", max]);
        everywhere(&source, &tool, async |verified: &Value, _: &Target| {
            assert_eq!(number(verified, "target_rows"), 1664);
            assert_eq!(lines(rows(verified), |row| row["state"] == "live"), expected);
        })
        .await;
    }
}

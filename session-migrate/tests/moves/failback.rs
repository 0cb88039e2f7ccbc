//! Failback: after the cutover the old table stays current, and a rollback loses nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use session_core::manager::SignIn;
use session_core::testing::ScriptedProvider;
use session_core::testing::sample::{provider, user};
use session_core::{SessionId, TokenSet};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::openwebui::{self, token};
use crate::rollback::{all_opened, opened, renewed};
use crate::snapshot::count;
use crate::target::Target;
use crate::tool::{Tool, keyring, rows};

/// The number of the first tokens that the provider issues: those of a source have lower ones.
const FIRST_TOKENS: usize = 2000;

/// Opens a target whose provider issues tokens that no source has.
pub(crate) async fn target_of(database: &Database) -> Target {
    let provider = ScriptedProvider::new();
    (0..FIRST_TOKENS).for_each(|_| drop(provider.sign_in()));
    Target::with(database, provider).await
}

/// Signs a user in to the new application; returns the session and its tokens.
pub(crate) async fn signed_in(target: &Target, user_id: &str) -> (SessionId, [String; 2]) {
    let sign_in = SignIn::new(&user(user_id), &provider("oidc"), target.provider.sign_in());
    let signed_in = target.manager.sign_in(sign_in).await.unwrap();
    let id = signed_in.session.id;
    (id, tokens_of(target, id).await)
}

/// Returns the tokens of a live session.
async fn tokens_of(target: &Target, id: SessionId) -> [String; 2] {
    let stored = target.store.find(id).await.unwrap().unwrap();
    let (user, provider) = (&stored.session.user, &stored.session.provider);
    let tokens = TokenSet::open(&stored.tokens.unwrap(), &keyring(), id, user, provider).unwrap();
    [tokens.access_token().to_owned(), tokens.refresh_token().unwrap().to_owned()]
}

fn id_of(verified: &Value, key: &str) -> SessionId {
    let row = rows(verified).iter().find(|row| row["source_key"] == key).unwrap();
    row["id"].as_str().unwrap().parse().unwrap()
}

/// Returns the key of the source's row with these tokens.
async fn key_of(source: &Source, tokens: &[String; 2]) -> Option<String> {
    all_opened(source).await.into_iter().find(|(_, of)| of == tokens).map(|(key, _)| key)
}

/// Moves, and lets the new application renew a session, end one and begin two.
async fn used(
    source: &Source,
    tool: &Tool,
) -> (Target, [String; 2], [(SessionId, [String; 2]); 2]) {
    let verified = tool.moved().await;
    let target = target_of(&source.database).await;
    let tokens = renewed(&target, "id-002").await;
    let ended = id_of(&verified, "id-003");
    target.manager.end_one(&user("u3"), ended).await.unwrap();
    let begun = [signed_in(&target, "u1").await, signed_in(&target, "new").await];
    (target, tokens, begun)
}

/// Waits until the source has these tokens.
async fn reaches(source: &Source, tokens: &[String; 2]) {
    let since = Instant::now();
    while key_of(source, tokens).await.is_none() {
        assert!(since.elapsed() < Duration::from_secs(60), "the source never has them");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const ONE_ROW_A_USER: &str = "
CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, github_id VARCHAR(20), github_token VARCHAR(200),
  github_refresh_token VARCHAR(200), created_at VARCHAR(30), updated_at VARCHAR(30));
INSERT INTO users VALUES (1, 'a', 'at-1', 'rt-1', NULL, NULL), (2, 'b', 'at-2', 'rt-2', NULL, NULL),
  (3, NULL, NULL, NULL, NULL, NULL)";

const ONE_ROW_A_USER_MAPPING: &str = r#"
[[mapping]]
table = "users"
key = ["id"]
user = { column = "id" }
provider = { constant = "github" }
tokens.access = { column = "github_token" }
tokens.refresh = { column = "github_refresh_token" }
filter = [{ column = "github_token", is = "not_null" }]
"#;

on_every_database! {
    async fn renewals_sign_ins_and_ends_go_back(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source);
        let before = all_opened(&source).await;
        let (target, renewed_tokens, begun) = used(&source, &tool).await;
        let report = tool.done("failback", &["--once"]).await;
        let counts = &report["counts"];
        assert_eq!(
            (&counts["written_back"], &counts["added"], &counts["ended"], &counts["skipped"]),
            (&1.into(), &2.into(), &1.into(), &0.into()),
            "{report}"
        );
        assert_eq!((&report["is_current"], &report["phase"]), (&true.into(), &"switched".into()));
        assert_eq!(opened(&source, "id-002").await, renewed_tokens);
        let mut expected: BTreeMap<_, _> = before.clone();
        expected.remove("id-003");
        expected.insert("id-002".to_owned(), renewed_tokens.clone());
        for (id, tokens) in &begun {
            let key = key_of(&source, tokens).await.expect("a session that began is a row");
            assert_ne!(key, id.to_string(), "a key is a cookie, and an id is public");
            expected.insert(key, tokens.clone());
        }
        assert_eq!(all_opened(&source).await, expected);
        // Nothing is left to do, and both sides agree.
        let again = tool.done("failback", &["--once"]).await;
        assert_eq!(again["counts"], report["counts"]);
        let verified = tool.done("verify", &[]).await;
        assert_eq!((&verified["added"], &verified["mismatches"]), (&2.into(), &0.into()), "{verified}");
        // A session that began in the target is renewed, and the other one ends.
        let (first, second) = (begun[0].0, begun[1].0);
        target.manager.end_one(&user("new"), second).await.unwrap();
        target.close().await;
        let ended = tool.done("failback", &["--once"]).await;
        assert_eq!(ended["counts"]["ended"], 2, "{ended}");
        assert_eq!(key_of(&source, &begun[1].1).await, None);
        let rolled = tool.done("rollback", &[]).await;
        assert_eq!(rolled["is_done"], true, "{rolled}");
        assert_eq!((rolled["lost"].as_array().unwrap().len(), &rolled["handed_over"]), (0, &1.into()), "{rolled}");
        let key = key_of(&source, &begun[1].1).await;
        assert_eq!(key, None);
        expected.retain(|_, tokens| *tokens != begun[1].1);
        assert_eq!(all_opened(&source).await, expected);
        assert!(key_of(&source, &begun[0].1).await.is_some(), "{first}");
        source.run("UPDATE oauth_session SET provider = provider").await;
    }

    async fn a_rollback_brings_over_what_a_failback_has_left(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        tool.done("failback", &["--once"]).await;
        let target = target_of(&source.database).await;
        let tokens = renewed(&target, "id-002").await;
        let (_, begun) = signed_in(&target, "u1").await;
        target.close().await;
        let rolled = tool.done("rollback", &[]).await;
        assert_eq!((&rolled["written_back"], &rolled["handed_over"]), (&1.into(), &1.into()), "{rolled}");
        assert_eq!(rolled["begun_since"], 0, "{rolled}");
        assert_eq!(opened(&source, "id-002").await, tokens);
        assert!(key_of(&source, &begun).await.is_some());
    }

    async fn changes_whose_events_were_purged_go_back(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source);
        let (target, tokens, begun) = used(&source, &tool).await;
        target.close().await;
        source.run("DELETE FROM login_session_event").await;
        let report = tool.done("failback", &["--once"]).await;
        let counts = &report["counts"];
        assert_eq!(
            (&counts["written_back"], &counts["added"], &counts["ended"], &report["is_current"]),
            (&1.into(), &2.into(), &1.into(), &true.into()),
            "{report}"
        );
        assert_eq!(opened(&source, "id-002").await, tokens);
        for (_, tokens) in &begun {
            assert!(key_of(&source, tokens).await.is_some(), "a session that began is a row");
        }
        assert!(!all_opened(&source).await.contains_key("id-003"), "it has ended");
        assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
    }

    async fn tokens_that_are_bound_to_a_key_do_not_go_back(database: Database) {
        let source = openwebui::source(database, 4).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let before = all_opened(&source).await;
        let target = target_of(&source.database).await;
        target.provider.set_token_type("DPoP");
        renewed(&target, "id-002").await;
        signed_in(&target, "new").await;
        target.close().await;
        let report = tool.done("failback", &["--once"]).await;
        let counts = &report["counts"];
        assert_eq!(
            (&counts["written_back"], &counts["added"], &counts["skipped"]),
            (&0.into(), &0.into(), &2.into()),
            "{report}"
        );
        for skipped in report["skipped"].as_array().unwrap() {
            assert!(skipped["why"].as_str().unwrap().contains("bound to a DPoP key"), "{report}");
        }
        // However often it is asked.
        let again = tool.done("failback", &["--once"]).await;
        assert_eq!((&again["counts"]["skipped"], &again["is_current"]), (&2.into(), &false.into()), "{again}");
        let said = tool.run("failback", &["--once"]).await.out;
        assert!(said.contains("it cannot take 2 changes"), "{said}");
        // A rollback would lose the renewed one, and has to be told to.
        let refused = tool.run("rollback", &["--json"]).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.out.contains("bound to a DPoP key"), "{refused:?}");
        tool.done("rollback", &["--discard-renewed"]).await;
        assert_eq!(all_opened(&source).await, before);
    }

    async fn it_follows_until_the_move_is_finalized(database: Database) {
        let source = openwebui::source(database, 4).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let child = tool.spawn("failback", &["--json"]);
        let target = target_of(&source.database).await;
        let (_, begun) = signed_in(&target, "u1").await;
        reaches(&source, &begun).await;
        let status = tool.done("status", &[]).await;
        assert_eq!(status["moves"][0]["failback"]["added"], 1, "{status}");
        let tokens = renewed(&target, "id-001").await;
        reaches(&source, &tokens).await;
        tool.done("finalize", &[]).await;
        target.close().await;
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", crate::site::text(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["phase"], "finalized", "{report}");
        assert_eq!(count(&source, "session_move_aside WHERE state = 'write_back'").await, 0);
    }

    async fn an_apply_goes_on_into_it_and_a_signal_ends_it(database: Database) {
        let source = openwebui::source(database, 4).await;
        let tool = openwebui::tool(&source);
        let child = tool.spawn("apply", &["--yes", "--failback"]);
        while tool.done("status", &[]).await["moves"][0]["phase"] != "switched" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let target = target_of(&source.database).await;
        let (_, begun) = signed_in(&target, "u1").await;
        reaches(&source, &begun).await;
        target.close().await;
        crate::signal(&child, "-TERM").await;
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", crate::site::text(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("open: ") && said.contains("1 sessions added"), "{said}");
    }

    async fn it_stops_once_others_may_write(database: Database) {
        let source = openwebui::source(database, 4).await;
        let tool = openwebui::tool(&source);
        tool.run("failback", &["--once"]).await.ends(1, "no such move");
        tool.moved().await;
        for wrong in [tool.clone().key("another key"), tool.clone().without_source_key()] {
            wrong.run("failback", &["--once"]).await.ends(2, "SESSION_MIGRATE_SOURCE_KEY");
        }
        let target = target_of(&source.database).await;
        renewed(&target, "id-002").await;
        target.close().await;
        let unblock = Tool::new(source.database.url());
        unblock.run("unblock", &[]).await;
        source.run(&format!("UPDATE oauth_session SET token = '{}' WHERE id = 'id-002'", token(77))).await;
        tool.run("failback", &["--once"]).await.ends(1, "not blocked any more");
        assert_eq!(opened(&source, "id-002").await, ["at-77", "rt-77"]);
    }

    async fn a_row_of_a_user_takes_renewals_and_ends(database: Database) {
        let source = Source::with(database, ONE_ROW_A_USER).await;
        let file = crate::refusals::File::with(ONE_ROW_A_USER_MAPPING);
        let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        let plan = tool.done("plan", &[]).await;
        let loses = plan["mappings"][0]["rollback_loses"].to_string();
        assert!(loses.contains("one row for each user"), "{loses}");
        let verified = tool.moved().await;
        let target = target_of(&source.database).await;
        let sign_in = SignIn::new(&user("3"), &provider("github"), target.provider.sign_in());
        target.manager.sign_in(sign_in).await.unwrap();
        target.manager.end_one(&user("2"), id_of(&verified, "2")).await.unwrap();
        target.close().await;
        let report = tool.done("failback", &["--once"]).await;
        assert_eq!((&report["counts"]["ended"], &report["counts"]["added"]), (&1.into(), &0.into()), "{report}");
        assert_eq!(report["skipped"][0]["user"], "3", "{report}");
        assert_eq!(count(&source, "users").await, 3, "a user is never removed");
        assert_eq!(count(&source, "users WHERE github_refresh_token IS NOT NULL").await, 1);
        assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
        let rolled = tool.done("rollback", &[]).await;
        assert_eq!((&rolled["is_done"], rolled["lost"].as_array().unwrap().len()), (&true.into(), 0), "{rolled}");
    }

    async fn two_sources_of_a_target_get_no_sign_ins(database: Database) {
        let kind: Kind = database.kind();
        let target = Source::on(database).await;
        let (one, other) = (openwebui::source(Database::create(kind).await, 3).await, openwebui::source(Database::create(kind).await, 3).await);
        let tools = [&one, &other].map(|source| openwebui::tool(source).to(target.database.url()).words(&["--max-sessions", "9"]));
        tools[0].done("apply", &["--yes"]).await;
        // One cookie leads to one session.
        other.run("DELETE FROM oauth_session").await;
        openwebui::insert(&other, "another-1", "u1", "oidc", &token(500)).await;
        tools[1].done("apply", &["--yes"]).await;
        let application = target_of(&target.database).await;
        signed_in(&application, "u1").await;
        application.close().await;
        for tool in &tools {
            let report = tool.done("failback", &["--once"]).await;
            assert_eq!(report["counts"]["added"], 0, "{report}");
            assert!(report["skipped"][0]["why"].as_str().unwrap().contains("another move"), "{report}");
        }
    }
}

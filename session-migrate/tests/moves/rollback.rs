//! Rollbacks, and moves that can no longer be rolled back.

use std::collections::BTreeMap;

use serde_json::Value;
use session_core::UserId;
use session_core::manager::Resolution;
use session_core::middleware::SessionManagerExt as _;
use session_core::session::SecretDigest;
use session_migrate::source::{Codecs, SourceKeys};
use session_migrate::{Approval, MigrateErrorKind, Move};
use session_tests::database::Database;
use session_tests::on_every_database;

use crate::openwebui::{self, KEY};
use crate::snapshot::{changes, count, snapshot};
use crate::target::Target;
use crate::tool::{Tool, rows};
use session_tests::source::Source;

/// Cancels an apply after a few rows.
pub(crate) async fn cancelled_while_loading(tool: &Tool, is_online: bool) {
    let moving = Move::new(tool.options("openwebui").online(is_online).batch(1));
    let (cancel, mut progress) = (moving.cancellation(), moving.progress());
    let watching = tokio::spawn(async move {
        let some = |progress: &session_migrate::Progress| progress.counts.read >= 3;
        let _ = progress.wait_for(some).await;
        cancel.cancel();
    });
    let error = moving.apply(Approval::Unreviewed).await.unwrap_err();
    assert_eq!(error.kind(), MigrateErrorKind::Cancelled, "{error}");
    watching.await.unwrap();
}

/// Returns the lines of a snapshot that are indexes of sessions, without the primary key. SQLite
/// has none.
fn indexes(lines: &[String]) -> Vec<&String> {
    let is_index = |line: &&String| {
        ["ON login_session (", "ON public.login_session "].iter().any(|on| line.contains(on))
            && line.starts_with("index ")
            && !line.contains("login_session_pkey")
    };
    lines.iter().filter(is_index).collect()
}

/// Returns the lines of a snapshot without those of the target's tables, which keep records after
/// the cutover.
pub(crate) fn of_source(lines: &[String]) -> Vec<String> {
    let of_target = ["login_session", "session_m", "provider_revocation", "admission_lock"];
    let is_of_target = |line: &str| {
        let head = line.split_once(": ").filter(|_| line.starts_with("row of "));
        let head = head.map_or(line, |(head, _)| head);
        of_target.iter().any(|name| head.contains(name)) && !line.starts_with("trigger")
    };
    lines.iter().filter(|line| !is_of_target(line)).cloned().collect()
}

fn row<'a>(verified: &'a Value, key: &str) -> &'a Value {
    rows(verified).iter().find(|row| row["source_key"] == key).unwrap()
}

/// Resolves an old cookie and renews its expired token.
pub(crate) async fn renewed(target: &Target, cookie: &str) -> [String; 2] {
    let resolution = target.manager.resolve(&SecretDigest::of(cookie), None).await.unwrap();
    let Resolution::Live(live) = resolution else { panic!("not live: {resolution:?}") };
    let live = target.manager.with_valid_token(&live).await.unwrap();
    let tokens = live.tokens();
    [tokens.access_token().to_owned(), tokens.refresh_token().unwrap().to_owned()]
}

/// Opens the tokens of each row of the source that has both.
pub(crate) async fn all_opened(source: &Source) -> BTreeMap<String, [String; 2]> {
    let fit = source.recognised("openwebui").await;
    let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(SourceKeys::new(KEY))).await;
    let tokens = rows.iter().filter_map(|row| {
        let tokens = row.tokens.opened()?;
        let both = [tokens.access()?.to_owned(), tokens.refresh()?.to_owned()];
        Some((row.key.to_string(), both))
    });
    tokens.collect()
}

/// Opens the tokens of a row of the source.
pub(crate) async fn opened(source: &Source, key: &str) -> [String; 2] {
    all_opened(source).await.remove(key).unwrap()
}

on_every_database! {
    async fn before_the_cutover_a_rollback_leaves_nothing(database: Database) {
        let source = openwebui::source(database, 40).await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source);
        cancelled_while_loading(&tool, true).await;
        let status = tool.done("status", &[]).await;
        assert_eq!(status["moves"][0]["phase"], "fill", "{status}");
        assert_ne!(before, snapshot(&source).await, "it had started");
        let rolled = tool.done("rollback", &[]).await;
        assert_eq!(rolled["was"], "fill");
        assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
        // The source can be moved again.
        tool.moved().await;
    }

    async fn existing_tables_stay(database: Database) {
        let source = openwebui::source(database, 10).await;
        source.database.migrate().await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source);
        cancelled_while_loading(&tool, true).await;
        tool.done("rollback", &[]).await;
        assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
        tool.moved().await;
        tool.done("rollback", &[]).await;
        assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
    }

    async fn all_indexes_are_created_after_loading(database: Database) {
        let source = openwebui::source(database, 40).await;
        source.database.migrate().await;
        let (before, tool) = (snapshot(&source).await, openwebui::tool(&source));
        cancelled_while_loading(&tool, false).await;
        assert_eq!(indexes(&snapshot(&source).await), [""; 0], "rows are loaded without indexes");
        tool.done("rollback", &[]).await;
        assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
        cancelled_while_loading(&tool, false).await;
        tool.done("apply", &["--yes"]).await;
        assert_eq!(indexes(&before), indexes(&snapshot(&source).await));
    }

    async fn renewed_tokens_are_written_back(database: Database) {
        let source = openwebui::source(database, 5).await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source);
        let verified = tool.moved().await;
        let target = Target::of(&source.database).await;
        let tokens = renewed(&target, "id-002").await;
        assert_eq!(target.provider.sent(), ["rt-2"]);
        target.close().await;
        let after = tool.done("verify", &[]).await;
        assert_eq!((&after["changed"], &after["mismatches"]), (&1.into(), &0.into()), "{after}");
        let rolled = tool.done("rollback", &[]).await;
        assert_eq!((&rolled["written_back"], rolled["lost"].as_array().unwrap().len()), (&1.into(), 0));
        assert_eq!(rolled["removed"], verified["target_rows"]);
        assert_eq!(opened(&source, "id-002").await, tokens);
        assert_eq!(opened(&source, "id-003").await, ["at-3", "rt-3"]);
        let changes = changes(&of_source(&before), &of_source(&snapshot(&source).await));
        assert_eq!(changes.len(), 2, "one row, before and after: {changes:?}");
    }

    async fn discarded_tokens_are_reported(database: Database) {
        let source = openwebui::source(database, 5).await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source);
        let verified = tool.moved().await;
        let target = Target::of(&source.database).await;
        renewed(&target, "id-002").await;
        target.close().await;
        let rolled = tool.done("rollback", &["--discard-renewed"]).await;
        let lost = rolled["lost"].as_array().unwrap();
        assert_eq!((lost.len(), &rolled["written_back"]), (1, &0.into()));
        let row = row(&verified, "id-002");
        assert_eq!((&lost[0]["id"], &lost[0]["user"]), (&row["id"], &row["user"]));
        assert_eq!(lost[0]["provider"], "oidc");
        let changes = changes(&of_source(&before), &of_source(&snapshot(&source).await));
        assert_eq!(changes, Vec::<String>::new());
    }

    async fn outbox_entries_go_with_a_rollback(database: Database) {
        let source = openwebui::source(database, 4).await;
        source.database.migrate().await;
        let tool = openwebui::tool(&source);
        for _ in 0..2 {
            let verified = tool.moved().await;
            let id = row(&verified, "id-002")["id"].as_str().unwrap().parse().unwrap();
            let target = Target::of(&source.database).await;
            // The second time the same ids are there again.
            target.manager.end_one(&UserId::new("u2").unwrap(), id).await.unwrap();
            target.close().await;
            let rolled = tool.done("rollback", &[]).await;
            assert_eq!(rolled["lost"].as_array().unwrap().len(), 1, "{rolled}");
            assert_eq!(count(&source, "provider_revocation").await, 0);
        }
    }

    async fn what_is_final_stays(database: Database) {
        let source = openwebui::source(database, 3).await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let finalized = tool.done("finalize", &[]).await;
        assert_eq!(finalized["left_behind"][0], "oauth_session");
        let after = snapshot(&source).await;
        let (mine, left) = (of_source(&before), of_source(&after));
        assert_eq!(changes(&mine, &left), Vec::<String>::new(), "no trigger, log or bar is left");
        tool.run("rollback", &[]).await.ends(1, "finalized");
        tool.run("apply", &["--yes"]).await.ends(1, "finalized");
        assert_eq!(changes(&after, &snapshot(&source).await), Vec::<String>::new());
        // The application goes on in the target.
        let target = Target::of(&source.database).await;
        renewed(&target, "id-001").await;
        assert_eq!(target.provider.sent(), ["rt-1"]);
        target.close().await;
        assert_eq!(tool.done("finalize", &[]).await["phase"], "finalized", "again, and nothing else");
    }
}

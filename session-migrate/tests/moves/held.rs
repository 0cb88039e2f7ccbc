//! Sessions that end, and rows that change, while the old application still owns the tokens.

use session_core::manager::Resolution;
use session_core::session::SecretDigest;
use session_core::{SessionId, Timestamp, UserId};
use session_tests::database::Database;
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::openwebui::{self, token};
use crate::rollback::cancelled_while_loading;
use crate::snapshot::count;
use crate::target::Target;

/// Writes a row of the source as the old application does when it renews.
async fn renewed_by_the_old_application(source: &Source, key: &str, at: usize) {
    let token = token(at);
    source.run(&format!("UPDATE oauth_session SET token = '{token}' WHERE id = '{key}'")).await;
}

async fn id_of(target: &Target, cookie: &str) -> SessionId {
    let resolution = target.manager.resolve(&SecretDigest::of(cookie), None).await.unwrap();
    let Resolution::Live(live) = resolution else { panic!("not live: {resolution:?}") };
    live.session().id
}

async fn sign_out(target: &Target, user: &str, cookie: &str) {
    let id = id_of(target, cookie).await;
    target.manager.end_one(&UserId::new(user).unwrap(), id).await.unwrap();
}

/// A second copy of the tokens of a session, in quarantine.
const STRAY: &str = "INSERT INTO session_move_aside (session_id, state, set_aside_at, move_id, user_id, \
    provider, sealed_row, seal_key) SELECT id, 'pruned', 1, moved_by, user_id, provider, sealed_tokens, \
    seal_key FROM login_session WHERE user_id = 'u1'";

on_every_database! {
    async fn a_sign_out_before_the_cutover_revokes_what_the_old_application_renewed(database: Database) {
        let source = openwebui::source(database, 20).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        cancelled_while_loading(&tool, true).await;
        let target = Target::of(&source.database).await;
        sign_out(&target, "u1", "id-001").await;
        sign_out(&target, "u2", "id-002").await;
        target.manager.process_revocations(10).await.unwrap();
        assert_eq!(target.provider.revoked(), ["rt-1", "rt-2"], "those that were moved");
        renewed_by_the_old_application(&source, "id-001", 777).await;
        let applied = tool.done("apply", &["--yes"]).await;
        assert_eq!(applied["phase"], "switched");
        // Each once, and that of an unchanged row may be revoked once more.
        assert_eq!(count(&source, "provider_revocation").await, 2);
        target.manager.process_revocations(10).await.unwrap();
        let mut revoked = target.provider.revoked();
        revoked.sort();
        revoked.dedup();
        assert_eq!(revoked, ["rt-1", "rt-2", "rt-777"]);
        target.close().await;
    }

    async fn a_row_that_was_repaired_is_not_taken_for_a_renewed_one(database: Database) {
        let source = openwebui::source(database, 20).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        cancelled_while_loading(&tool, true).await;
        renewed_by_the_old_application(&source, "id-001", 777).await;
        tool.done("apply", &["--yes"]).await;
        assert_eq!(tool.done("verify", &[]).await["changed"], 0);
        source.run("UPDATE login_session SET account = 'another' WHERE user_id = 'u1'").await;
        let answer = tool.run("verify", &["--json"]).await;
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.out.contains("\"mismatches\": 1"), "{}", answer.out);
    }

    async fn a_quarantined_copy_of_a_session_in_use_is_seen_and_before_the_cutover_removed(database: Database) {
        let source = openwebui::source(database, 20).await;
        let tool = openwebui::tool(&source);
        cancelled_while_loading(&tool, false).await;
        source.run(STRAY).await;
        tool.done("apply", &["--yes"]).await;
        assert_eq!(count(&source, "session_move_aside WHERE state = 'pruned'").await, 0);
        assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
        source.run(STRAY).await;
        let answer = tool.run("verify", &["--json"]).await;
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.out.contains("\"mismatches\": 1"), "{}", answer.out);
        assert!(answer.out.contains("quarantined although its session is in use"), "{}", answer.out);
    }

    async fn a_session_that_ended_is_known_until_the_move_is_final(database: Database) {
        let source = openwebui::source(database, 4).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        let later = Timestamp::from_millis(i64::MAX);
        sign_out(&target, "u2", "id-002").await;
        assert_eq!(target.store.purge_ended(later, 100).await.unwrap(), 0);
        target.close().await;
        assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
        let rolled = tool.done("rollback", &[]).await;
        assert_eq!(rolled["lost"][0]["user"], "u2", "{rolled}");
        tool.moved().await;
        let target = Target::of(&source.database).await;
        sign_out(&target, "u2", "id-002").await;
        tool.done("finalize", &[]).await;
        assert_eq!(target.store.purge_ended(later, 100).await.unwrap(), 1);
        target.close().await;
    }

    async fn outbox_entries_of_purged_sessions_go_with_a_rollback(database: Database) {
        let source = openwebui::source(database, 4).await;
        source.database.migrate().await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        sign_out(&target, "u2", "id-002").await;
        target.close().await;
        source.run("DELETE FROM login_session WHERE ended_at IS NOT NULL").await;
        assert_eq!(count(&source, "provider_revocation").await, 1);
        tool.done("rollback", &[]).await;
        assert_eq!(count(&source, "provider_revocation").await, 0);
    }
}

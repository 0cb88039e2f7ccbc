//! Commands with other keys than those that a move was begun with: refused before the first write.

use session_tests::database::Database;
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::blocked::refuses;
use crate::openwebui;
use crate::rollback::{cancelled_while_loading, opened, renewed};
use crate::snapshot::{changes, count, snapshot};
use crate::target::Target;
use crate::tool::{KEYS, Tool};

/// Other keys of the target, under the same id.
const OTHER_KEYS: &str = "k1:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Runs a call with each wrong set of keys: it must be refused, and write nothing.
async fn refused_with_other_keys(source: &Source, tool: &Tool, call: &str, more: &[&str]) {
    let before = snapshot(source).await;
    let source_key = "SESSION_MIGRATE_SOURCE_KEY";
    for (other, name) in [
        (tool.clone().key("another key"), source_key),
        (tool.clone().without_source_key(), source_key),
        (tool.clone().key("another key").old_key("a third key"), source_key),
        (tool.clone().target_keys(OTHER_KEYS), "SESSION_KEYS"),
        (tool.clone().target_keys(&KEYS.replace("k1", "k2")), "SESSION_KEYS"),
        (tool.clone().without_keys(), "SESSION_KEYS"),
    ] {
        let answer = other.run(call, more).await;
        assert_eq!(changes(&before, &snapshot(source).await), [""; 0], "{call}: {answer:?}");
        answer.ends(2, name);
        assert!(!answer.errors.contains("another key"), "{answer:?}");
    }
}

on_every_database! {
    async fn a_move_goes_on_with_its_own_keys_alone(database: Database) {
        let source = openwebui::source(database, 30).await;
        let tool = openwebui::tool(&source);
        cancelled_while_loading(&tool, false).await;
        refused_with_other_keys(&source, &tool, "apply", &["--yes"]).await;
        refused_with_other_keys(&source, &tool, "resume", &[]).await;
        refused_with_other_keys(&source, &tool, "verify", &[]).await;
        tool.done("apply", &["--yes"]).await;
        let verified = tool.done("verify", &[]).await;
        assert_eq!((&verified["unreadable"], &verified["mismatches"]), (&1.into(), &0.into()));
        // A further key does no harm.
        let more = tool.clone().old_key("last year's").target_keys(&format!("k2:{},{KEYS}", &OTHER_KEYS[3..]));
        assert_eq!(more.done("verify", &[]).await["mismatches"], 0);
    }

    async fn a_rollback_after_the_cutover_proves_both_keys_first(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let target = Target::of(&source.database).await;
        let tokens = renewed(&target, "id-002").await;
        target.close().await;
        refused_with_other_keys(&source, &tool, "rollback", &[]).await;
        // The move stands as it did, and can be rolled back with its keys.
        assert_eq!(tool.done("apply", &["--yes"]).await["phase"], "switched");
        assert_eq!(tool.done("rollback", &[]).await["written_back"], 1);
        assert_eq!(opened(&source, "id-002").await, tokens);
    }

    async fn without_the_keys_a_rollback_can_give_up_what_has_changed(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source);
        let verified = tool.moved().await;
        let target = Target::of(&source.database).await;
        renewed(&target, "id-002").await;
        target.close().await;
        let keyless = tool.clone().without_keys().without_source_key();
        let report = keyless.done("rollback", &["--discard-renewed"]).await;
        assert_eq!((&report["is_done"], &report["removed"]), (&true.into(), &verified["target_rows"]));
        let lost = report["lost"].as_array().unwrap();
        assert_eq!((lost.len(), &lost[0]["user"]), (1, &"u2".into()), "{report}");
        assert_eq!(opened(&source, "id-002").await, ["at-2", "rt-2"]);
        source.run("UPDATE oauth_session SET expires_at = 1 WHERE id = 'id-001'").await;
    }

    async fn what_cannot_be_written_back_is_kept_until_it_is_given_up(database: Database) {
        let source = openwebui::source(database, 5).await;
        let tool = openwebui::tool(&source);
        let verified = tool.moved().await;
        let target = Target::of(&source.database).await;
        let tokens = renewed(&target, "id-002").await;
        renewed(&target, "id-003").await;
        target.close().await;
        // The tokens of this row do not open any more.
        let broken = "UPDATE login_session SET sealed_tokens = sealed_refresh_token WHERE user_id = 'u3'";
        source.run(broken).await;
        let answer = tool.run("rollback", &["--json"]).await;
        assert_eq!(answer.code, Some(1), "{answer:?}");
        let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
        assert_eq!((&report["is_done"], &report["removed"]), (&false.into(), &0.into()), "{report}");
        assert_eq!((&report["lost"][0]["user"], &report["written_back"]), (&"u3".into(), &1.into()));
        let left = count(&source, "login_session").await;
        assert_eq!(verified["target_rows"], left, "nothing was deleted");
        // What could be written back was, behind the block.
        assert_eq!(opened(&source, "id-002").await, tokens);
        refuses(&source, "UPDATE oauth_session SET expires_at = 1 WHERE id = 'id-001'").await;
        let given_up = tool.done("rollback", &["--discard-renewed"]).await;
        assert_eq!((&given_up["is_done"], &given_up["removed"]), (&true.into(), &left.into()));
        let lost = given_up["lost"].as_array().unwrap();
        assert_eq!((lost.len(), &lost[0]["user"]), (1, &"u3".into()), "what was written back is not lost");
        assert_eq!(opened(&source, "id-002").await, tokens);
    }
}

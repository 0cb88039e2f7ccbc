//! What a plan says, and when it is out of date.

use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use session_tests::database::Database;
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::openwebui::{self, insert, token};

on_every_database! {
    async fn an_online_plan_outlives_what_disappears(database: Database) {
        let source = openwebui::source(database, 4).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        let plan = tool.done("plan", &[]).await;
        let digest = plan["digest"].as_str().unwrap();
        insert(&source, "new", "u1", "okta", &token(7)).await;
        tool.run("apply", &["--plan", digest]).await.ends(1, "changed: rows");
        // As the old application does: rows that do not open go, and a provider with its last row.
        source.run("DELETE FROM oauth_session WHERE id IN ('new', 'trap-3', 'trap-5')").await;
        let applied = tool.done("apply", &["--plan", digest]).await;
        assert_eq!((&applied["phase"], &applied["counts"]["moved"]), (&"switched".into(), &7.into()));
    }

    async fn the_summary_counts_what_is_there_at_the_end(database: Database) {
        let source = openwebui::source(database, 60).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        let mut child = tool.spawn("apply", &["--yes", "--batch", "1"]);
        while moved(&source).await < 10 {
            assert!(child.try_wait().unwrap().is_none(), "the move has ended");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        child.kill().await.unwrap();
        source.run("DELETE FROM oauth_session WHERE id LIKE 'id-00%'").await;
        let applied = tool.done("apply", &["--yes"]).await;
        let verified = tool.done("verify", &[]).await;
        assert_eq!(applied["counts"]["moved"], verified["target_rows"]);
        assert_eq!(applied["counts"]["moved"], 54);
        assert_eq!(applied["counts"]["unreadable"], verified["unreadable"]);
        // Said again, it is the same.
        let again = tool.done("apply", &["--yes"]).await;
        assert_eq!(again["result_digest"], verified["result_digest"]);
        assert_eq!(again["counts"], applied["counts"]);
    }
}

/// Returns how many sessions are in the target, which may not be there yet.
pub(crate) async fn moved(source: &Source) -> i64 {
    let backend = source.connection.get_database_backend();
    let count = Statement::from_string(backend, "SELECT COUNT(*) FROM login_session");
    let row = source.connection.query_one_raw(count).await.ok().flatten();
    row.map_or(0, |row| row.try_get_by_index(0).unwrap())
}

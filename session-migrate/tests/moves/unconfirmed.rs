//! An open target whose comparison with the source has failed, or was not completed.

use session_tests::database::Database;
use session_tests::on_every_database;

use crate::openwebui;

/// Takes the result of the comparison out of the journal, as if the process had been killed before it.
const NOT_COMPARED: &str =
    "UPDATE session_move SET progress = REPLACE(progress, 'result_digest', 'former_digest')";

on_every_database! {
    async fn it_is_compared_before_it_is_final_or_followed(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        source.run(NOT_COMPARED).await;
        for (call, words) in [("finalize", &[][..]), ("failback", &["--once"])] {
            tool.run(call, words).await.ends(1, "run apply again");
        }
        let applied = tool.done("apply", &["--yes"]).await;
        assert!(applied["result_digest"].is_string(), "{applied}");
        tool.done("failback", &["--once"]).await;
        tool.done("finalize", &[]).await;
    }
}

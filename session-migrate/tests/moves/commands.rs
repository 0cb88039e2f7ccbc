//! What the commands on a move ask, say and refuse.

use session_migrate::{Activity, Approval, Move, Renewed};
use session_tests::database::Database;
use session_tests::on_every_database;

use crate::openwebui;
use crate::rollback::{cancelled_while_loading, of_source};
use crate::snapshot::{changes, snapshot};

on_every_database! {
    async fn destructive_commands_say_what_they_do_and_want_a_yes(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        let (before, tool) = (snapshot(&source).await, tool.unconfirmed());
        for (call, says) in [
            ("rollback", "removes its 7 sessions"),
            ("abort", "removes its 7 sessions"),
            ("finalize", "no rollback is possible"),
        ] {
            let answer = tool.run(call, &[]).await;
            answer.ends(2, says);
            answer.ends(2, "confirm with --yes");
        }
        assert_eq!(changes(&before, &snapshot(&source).await), [""; 0]);
        tool.done("rollback", &["--yes"]).await;
    }

    async fn long_commands_tell_how_far_they_are(database: Database) {
        let source = openwebui::source(database, 6).await;
        let moving = Move::new(openwebui::tool(&source).options("openwebui"));
        let is_at = |activity: Activity, rows: u64| {
            let now = *moving.progress().borrow();
            assert_eq!((now.activity, now.counts.read, now.counts.expected), (Some(activity), rows, rows));
        };
        moving.plan().await.unwrap();
        is_at(Activity::Plan, 11);
        moving.apply(Approval::Unreviewed).await.unwrap();
        assert_eq!(moving.progress().borrow().activity, None);
        moving.verify(|_| ()).await.unwrap();
        is_at(Activity::Verify, 11);
        let mut progress = moving.progress();
        let wrote = async { progress.wait_for(|now| now.activity == Some(Activity::WriteBack)).await.is_ok() };
        let (rolled, wrote) = tokio::join!(moving.rollback(Renewed::WriteBack), wrote);
        assert!(rolled.unwrap().is_done && wrote);
        is_at(Activity::Remove, 11);
    }

    async fn an_abort_without_a_move_names_empty_tables(database: Database) {
        let source = openwebui::source(database, 1).await;
        let tool = openwebui::tool(&source);
        assert_eq!(tool.done("abort", &[]).await["has_empty_tables"], false);
        // As an apply leaves them that is killed before its first entry.
        source.database.migrate().await;
        let said = tool.run("abort", &[]).await.out;
        assert!(said.contains("session-migrate down"), "{said}");
    }

    async fn a_rollback_names_tables_that_it_did_not_make(database: Database) {
        let source = openwebui::source(database, 1).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        assert_eq!(tool.done("rollback", &[]).await["has_empty_tables"], false);
        source.database.migrate().await;
        tool.moved().await;
        let said = tool.run("rollback", &[]).await.out;
        assert!(said.contains("session-migrate down"), "{said}");
        tool.moved().await;
        assert_eq!(tool.done("abort", &[]).await["has_empty_tables"], true);
    }

    async fn an_apply_that_fails_names_the_way_back_and_abort_takes_it(database: Database) {
        let source = openwebui::source(database, 20).await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        assert!(tool.done("abort", &[]).await["was"].is_null(), "there is none");
        cancelled_while_loading(&tool, true).await;
        let wrong = tool.clone().key("another key");
        wrong.run("apply", &["--yes"]).await.ends(2, "session-migrate abort");
        // It takes no keys.
        let aborted = tool.clone().without_keys().without_source_key().done("abort", &[]).await;
        assert_eq!((&aborted["was"], &aborted["is_done"]), (&"fill".into(), &true.into()));
        assert_eq!(changes(&before, &snapshot(&source).await), [""; 0]);
    }

    async fn abort_takes_back_what_is_open_and_half_of_a_rollback(database: Database) {
        let source = openwebui::source(database, 3).await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        tool.done("abort", &[]).await;
        assert_eq!(changes(&before, &snapshot(&source).await), [""; 0]);
        tool.moved().await;
        source.run("UPDATE session_move SET phase = 'roll_back', state = 'held'").await;
        tool.run("apply", &["--yes"]).await.ends(1, "rolled back");
        tool.done("abort", &[]).await;
        assert_eq!(changes(&of_source(&before), &of_source(&snapshot(&source).await)), [""; 0]);
        tool.moved().await;
        tool.done("finalize", &[]).await;
        tool.run("abort", &[]).await.ends(1, "finalized");
    }

    async fn a_finished_move_is_not_paused(database: Database) {
        let source = openwebui::source(database, 3).await;
        let tool = openwebui::tool(&source);
        tool.moved().await;
        for call in ["pause", "resume"] {
            let report = tool.done(call, &[]).await;
            assert_eq!((&report["is_over"], &report["is_paused"]), (&true.into(), &false.into()));
            let answer = tool.run(call, &[]).await;
            assert!(answer.out.contains("nothing to pause"), "{answer:?}");
        }
        assert_eq!(tool.done("status", &[]).await["moves"][0]["next"], "finalize, or rollback");
    }

    async fn the_status_tells_what_the_source_shows(database: Database) {
        let source = openwebui::source(database, 20).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        cancelled_while_loading(&tool, true).await;
        source.run("UPDATE oauth_session SET token = 'x' WHERE id = 'id-001'").await;
        let call = async |words: &[&str]| {
            let answer = openwebui::tool(&source).run("status", words).await;
            assert_eq!(answer.code, Some(0), "{answer:?}");
            answer.out
        };
        let text = call(&[]).await;
        for line in ["writes to the source: allowed", "change log: 1 entries", "last progress: 0 s ago", "abort"] {
            assert!(text.contains(line), "no {line:?} in {text}");
        }
        tool.done("apply", &["--yes"]).await;
        let text = call(&[]).await;
        assert!(text.contains("writes refused: oauth_session"), "{text}");
        assert!(text.contains("change log: 0 entries"), "{text}");
    }
}

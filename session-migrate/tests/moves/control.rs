//! Pause and resume, a second process, and the lock of a process that was killed.

use std::time::Duration;

use serde_json::Value;
use session_tests::database::Kind;
use session_tests::on_every_database;
use tokio::process::Child;

use crate::kill::kill;
use crate::seed::{USERS, rows};
use crate::site::{Site, Stage, text};

pub(crate) const WORDS: [&str; 5] = ["--max-sessions", "2", "--online", "--batch", "4"];

pub(crate) async fn site(kind: Kind) -> Site {
    let users: Vec<String> = (0..USERS).map(|at| format!("u{at}")).collect();
    Site::new(kind, &users, &rows(320), false).await
}

pub(crate) fn apply(site: &Site) -> Child {
    site.spawn("apply", &[WORDS.as_slice(), &["--yes"]].concat())
}

/// Starts an apply and pauses it in `fill`.
async fn paused(site: &Site) -> Child {
    let mut child = apply(site);
    assert!(site.reaches(&mut child, Stage::Fill).await);
    site.succeed("pause", &WORDS).await;
    let mut last = progress(site).await;
    loop {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let now = progress(site).await;
        if now["counts"] == last["counts"] {
            break;
        }
        last = now;
    }
    assert_eq!(last["phase"], "fill", "{last}");
    assert!(child.try_wait().unwrap().is_none(), "it is paused");
    child
}

/// Returns the move in the output of `status`.
async fn progress(site: &Site) -> Value {
    let text = site.succeed("status", &["--json"]).await;
    let status: Value = serde_json::from_str(&text).unwrap();
    status["moves"][0].clone()
}

pub(crate) async fn is_moved(site: &Site) {
    assert_eq!(site.journal_entry().await.stage, Stage::Done);
    assert_eq!(site.verified(&WORDS).await["mismatches"], 0);
}

on_every_database! {
    async fn a_paused_apply_continues_after_a_resume(kind: Kind) {
        let site = site(kind).await;
        let mut child = paused(&site).await;
        assert_eq!(progress(&site).await["is_paused"], true);
        let resumed = site.succeed("resume", &[WORDS.as_slice(), &["--json"]].concat()).await;
        let resumed: Value = serde_json::from_str(&resumed).unwrap();
        // The paused process continues, so this call applied nothing.
        assert_eq!((&resumed["is_paused"], resumed["applied"].is_null()), (&Value::Bool(false), true));
        assert!(child.wait().await.unwrap().success());
        is_moved(&site).await;
    }

    async fn resume_continues_a_paused_apply_that_was_killed(kind: Kind) {
        let site = site(kind).await;
        assert!(kill(paused(&site).await).await);
        assert_eq!(progress(&site).await["is_paused"], true);
        let resumed = site.succeed("resume", &[WORDS.as_slice(), &["--json"]].concat()).await;
        let resumed: Value = serde_json::from_str(&resumed).unwrap();
        assert!(!resumed["applied"].is_null(), "{resumed}");
        is_moved(&site).await;
    }

    async fn a_second_process_is_told_the_owner_of_the_lock(kind: Kind) {
        let site = site(kind).await;
        let mut child = paused(&site).await;
        let words = [WORDS.as_slice(), &["--yes"]].concat();
        for task in ["apply", "rollback"] {
            let words = if task == "apply" { words.as_slice() } else { WORDS.as_slice() };
            let second = site.call(task, words).await;
            let holder = format!("process {}", child.id().unwrap());
            assert_eq!(second.status.code(), Some(1), "{}", text(&second));
            assert!(text(&second).contains(&holder), "not {holder}: {}", text(&second));
        }
        assert!(child.try_wait().unwrap().is_none(), "the first process is not affected");
        site.succeed("resume", &WORDS).await;
        assert!(child.wait().await.unwrap().success());
        is_moved(&site).await;
    }

    async fn the_lock_of_a_killed_process_is_released_immediately(kind: Kind) {
        let site = site(kind).await;
        for _ in 0..6 {
            let mut child = apply(&site);
            assert!(site.reaches(&mut child, Stage::Fill).await);
            if !kill(child).await {
                break;
            }
            // It would fail after a moment if the lock were still taken.
            let mut next = apply(&site);
            assert!(site.reaches(&mut next, Stage::Fill).await, "{}", text(&next.wait_with_output().await.unwrap()));
            if !kill(next).await {
                break;
            }
        }
        site.succeed("apply", &[WORDS.as_slice(), &["--yes"]].concat()).await;
        is_moved(&site).await;
    }

    async fn unlock_ends_a_stuck_process(kind: Kind) {
        let site = site(kind).await;
        let child = paused(&site).await;
        let unlocked = site.call("unlock", &WORDS).await;
        if kind == Kind::Sqlite {
            // The lock of a file is held by a live process and cannot be taken from it.
            assert_eq!(unlocked.status.code(), Some(1), "{}", text(&unlocked));
            let holder = format!("process {}", child.id().unwrap());
            assert!(text(&unlocked).contains(&holder), "{}", text(&unlocked));
            assert!(kill(child).await);
            site.succeed("resume", &WORDS).await;
        } else {
            assert!(unlocked.status.success(), "{}", text(&unlocked));
            // The connections of the first process are gone, and so it ends.
            let first = child.wait_with_output().await.unwrap();
            assert_eq!(first.status.code(), Some(1), "{}", text(&first));
            site.succeed("resume", &WORDS).await;
        }
        is_moved(&site).await;
    }
}

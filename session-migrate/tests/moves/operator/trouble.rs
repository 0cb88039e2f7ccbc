//! What an operator does wrong, and what interrupts it.

use std::time::Duration;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait as _, QueryResult, Statement};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::{OTHER_KEYS, World};
use crate::signal;
use crate::tool::PROGRAM;

impl World {
    /// Holds an apply up before its cutover, and kills it there or lets it go on. What is half done is
    /// what wrong keys can harm.
    pub(super) async fn held_up(&mut self, at: usize) {
        let flag = std::env::temp_dir().join(format!("session-flag-{}", Uuid::now_v7()));
        std::fs::write(&flag, "").unwrap();
        let words = ["--yes", "--json", "--cutover-when-removed", flag.to_str().unwrap()];
        let mut child = self.sides[at].tool.spawn("apply", &words);
        let is_held_up = self.is_held_up(&mut child).await;
        if is_held_up && self.random.below(3) > 0 {
            signal(&child, "-KILL").await;
        } else if child.id().is_some() && self.random.below(2) == 0 {
            signal(&child, "-TERM").await;
        }
        if is_held_up {
            self.note(format!("{} apply is held up", self.sides[at].name));
        }
        let _ = std::fs::remove_file(&flag);
        let output = child.wait_with_output().await.unwrap();
        self.note(format!("{} apply with a flag file: {:?}", self.sides[at].name, output.status));
        if is_held_up {
            self.with_wrong_keys(at).await;
        }
    }

    /// Waits until a process waits for its flag file; returns `false` if it ended.
    pub(super) async fn is_held_up(&self, child: &mut Child) -> bool {
        let mark = "\"waiting\":\"flag_file\"";
        while child.try_wait().unwrap().is_none() {
            let backend = self.target.connection.get_database_backend();
            let sql = Statement::from_string(backend, "SELECT progress, owner FROM session_move");
            let rows = self.target.connection.query_all_raw(sql).await.unwrap_or_default();
            let owner = format!("process {} ", child.id().unwrap_or_default());
            let text = |row: &QueryResult, at: usize| {
                row.try_get_by_index::<Option<String>>(at).unwrap().unwrap_or_default()
            };
            let is_its = |row: &_| {
                let of = text(row, 1).replace(',', " ");
                text(row, 0).contains(mark) && of.starts_with(&owner)
            };
            if rows.iter().any(is_its) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        false
    }

    /// Renews a session in the target, and goes on with wrong keys: what is newer there is what they
    /// can harm.
    pub(super) async fn renewed_with_wrong_keys(&mut self, at: usize) {
        self.new_application_renews(at).await;
        self.with_wrong_keys(at).await;
    }

    pub(super) async fn with_wrong_keys(&mut self, at: usize) {
        let tool = self.sides[at].tool.clone();
        let (tool, what) = match self.random.below(3) {
            0 => (tool.key("another key"), "another source key"),
            1 => (tool.target_keys(OTHER_KEYS), "other keys"),
            _ => (tool.without_source_key(), "no source key"),
        };
        let verified = self.call(at, "verify", &[]).await;
        let report: Value = serde_json::from_str(&verified.out).unwrap_or_default();
        let phase = report["phase"].as_str().unwrap_or_default();
        // Where no move was begun, one may begin with any keys of the target.
        let is_begun = !verified.errors.contains("no such move");
        let calls = ["rollback", "resume", "verify", "failback", "apply", "apply"];
        let call = calls[self.random.below(if is_begun { 6 } else { 4 })];
        let words: &[&str] = match call {
            "apply" => &["--yes"],
            "failback" => &["--once"],
            _ => &[],
        };
        let answer = tool.run(call, words).await;
        self.note(format!(
            "{} {call} with {what}: {:?} {}",
            self.sides[at].name,
            answer.code,
            answer.errors.trim()
        ));
        let needs_keys = match call {
            "apply" | "resume" => !matches!(phase, "" | "switched" | "roll_back"),
            "failback" => true,
            call => call == "rollback" && phase == "switched",
        };
        assert!(!needs_keys || answer.code != Some(0), "{call} in {phase}\n{}", self.story());
    }

    /// Starts a command, and kills or terminates it.
    pub(super) async fn interrupted(&mut self, at: usize, call: &str, words: &[&str]) {
        let child = self.sides[at].tool.spawn(call, &[words, &["--json"]].concat());
        let name = ["-KILL", "-KILL", "-TERM"][self.random.below(3)];
        let max = [20, 50, 120, 400][self.random.below(4)];
        tokio::time::sleep(self.random.within(Duration::from_millis(max))).await;
        if child.id().is_some() {
            signal(&child, name).await;
        }
        let output = child.wait_with_output().await.unwrap();
        self.note(format!("{} {call} with {name}: {:?}", self.sides[at].name, output.status));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        if matches!(call, "rollback" | "abort") {
            self.forget_lost(at, &report);
        } else if call == "apply" && self.random.below(2) == 0 {
            // What is half done is what wrong keys can harm.
            self.with_wrong_keys(at).await;
        }
    }

    pub(super) async fn paused(&mut self, at: usize) {
        self.call(at, "pause", &[]).await;
        self.interrupted(at, "apply", &["--yes"]).await;
        self.call(at, "resume", &[]).await;
    }

    pub(super) async fn unblocked(&mut self, at: usize) {
        let mut command = Command::new(PROGRAM);
        command.args(["unblock", "--yes", "--from", self.sides[at].source.database.url()]);
        command.args(["--to", self.target.database.url()]);
        let output = command.output().await.unwrap();
        self.note(format!(
            "{} unblock: {:?} {}",
            self.sides[at].name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
        assert!(output.status.success(), "{}", self.story());
        self.takes_writes(at).await;
        self.sides[at].is_lifted = true;
    }

    pub(super) async fn down(&mut self) {
        let mut command = Command::new(PROGRAM);
        let output = command.args(["down", "--yes", "--to", self.target.database.url()]).output();
        let output = output.await.unwrap();
        self.note(format!("down: {:?} {}", output.status, String::from_utf8_lossy(&output.stderr)));
        if output.status.success() {
            // It says that it drops every session.
            self.begun.clear();
        }
    }

    /// Finalizes a move; if that is done, the source is dropped, and the side is played no more.
    pub(super) async fn finalized(&mut self, at: usize) {
        if self.call(at, "finalize", &[]).await.code == Some(0) {
            self.look().await;
            for (key, newest) in &self.sides[at].newest {
                let is_there = self.seen.is_in_target(&format!("u{key}"), newest);
                assert!(is_there, "{key} is not in the target\n{}", self.story());
            }
            let other = Self::new(self.kind, &mut self.random).await;
            let log = std::mem::take(&mut self.log);
            *self = Self { log, ..other };
            self.note("a new world".to_owned());
        }
    }
}

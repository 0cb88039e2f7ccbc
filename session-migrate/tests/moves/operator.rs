//! A random operator: commands in any order, with right and wrong keys, on two sources of one target,
//! killed and terminated, while both applications write.
//!
//! After each step no token set is lost unless the tool said so, no block stands that the tool cannot
//! lift, and what exited with 0 is as reported. `SESSION_TEST_SEED` repeats a run, and
//! `SESSION_TEST_STEPS` makes it longer.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use serde_json::Value;
use session_core::manager::Resolution;
use session_core::middleware::SessionManagerExt as _;
use session_core::session::SecretDigest;
use session_core::testing::ScriptedProvider;
use session_core::token::{Sealed, SealedTokens};
use session_core::{ProviderName, SessionId, TokenSet, UserId};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::projects::openwebui::TABLES;
use session_tests::source::Source;
use tokio::process::Command;

use crate::openwebui::{insert, token, tool};
use crate::random::Random;
use crate::rollback::all_opened;
use crate::signal;
use crate::target::Target;
use crate::tool::{CallOutput, PROGRAM, Tool, keyring};

/// The number of steps on each database, unless the environment says otherwise.
const STEPS: usize = 70;

const ROWS: usize = 6;

const OTHER_KEYS: &str = "k1:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

type Tokens = [String; 2];

/// A source, and the newest tokens of each of its sessions, whichever side holds them.
struct Side {
    name: char,
    source: Source,
    tool: Tool,
    newest: BTreeMap<String, Tokens>,
}

struct World {
    kind: Kind,
    random: Random,
    target: Source,
    sides: Vec<Side>,
    provider: ScriptedProvider,
    /// The number of the last tokens that the old applications got.
    tokens: usize,
    log: Vec<String>,
}

impl World {
    async fn new(kind: Kind, random: &mut Random) -> Self {
        let target = Source::on(Database::create(kind).await).await;
        let mut world = Self {
            kind,
            random: random.fork(),
            target,
            sides: Vec::new(),
            provider: ScriptedProvider::new(),
            tokens: 1000,
            log: Vec::new(),
        };
        for name in ['a', 'b'] {
            let source = Source::with(Database::create(kind).await, TABLES).await;
            let is_online = world.random.below(2) == 0;
            let words: &[&str] =
                if is_online { &["--online", "--batch", "2"] } else { &["--batch", "2"] };
            let tool = tool(&source).words(words).to(world.target.database.url());
            let mut side = Side { name, source, tool, newest: BTreeMap::new() };
            for at in 0..ROWS {
                let (key, user) = (format!("{name}{at}"), format!("u{name}{at}"));
                side.source.run(&format!("INSERT INTO «user» VALUES ('{user}', 'e')")).await;
                world.tokens += 1;
                insert(&side.source, &key, &user, "oidc", &token(world.tokens)).await;
                side.newest.insert(key, tokens(world.tokens));
            }
            world.sides.push(side);
        }
        world
    }

    /// Returns the tokens of the live sessions in the target, by user.
    async fn in_target(&self) -> BTreeMap<String, Tokens> {
        let sql = "SELECT id, user_id, provider, sealed_tokens, sealed_refresh_token \
            FROM login_session WHERE ended_at IS NULL";
        let sql = Statement::from_string(self.target.connection.get_database_backend(), sql);
        let rows = self.target.connection.query_all_raw(sql).await.unwrap_or_default();
        let opened = rows.iter().map(|row| {
            let id = SessionId::from_uuid(row.try_get_by_index::<Uuid>(0).unwrap());
            let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
            let bytes = |at: usize| Sealed::from_bytes(row.try_get_by_index(at).unwrap());
            let sealed = SealedTokens { tokens: bytes(3), refresh_token: Some(bytes(4)) };
            let (user, provider) =
                (UserId::new(text(1)).unwrap(), ProviderName::new(text(2)).unwrap());
            let tokens = TokenSet::open(&sealed, &keyring(), id, &user, &provider).unwrap();
            let both = [tokens.access_token(), tokens.refresh_token().unwrap()];
            (text(1), both.map(str::to_owned))
        });
        opened.collect()
    }

    /// Checks that each side's newest tokens are on one of the sides.
    async fn nothing_is_lost(&self) {
        let in_target = self.in_target().await;
        for side in &self.sides {
            let in_source = all_opened(&side.source).await;
            for (key, newest) in &side.newest {
                let is_there = in_source.get(key) == Some(newest)
                    || in_target.get(&format!("u{key}")) == Some(newest);
                assert!(
                    is_there,
                    "{}: the tokens {newest:?} of {key} are lost: {in_source:?}\n{in_target:?}\n{}",
                    self.kind,
                    self.story()
                );
            }
        }
    }

    fn story(&self) -> String {
        let from = self.log.len().saturating_sub(25);
        self.log[from..].join("\n")
    }

    async fn step(&mut self) {
        let at = self.random.below(2);
        match self.random.below(30) {
            0..=3 => self.old_application_writes(at).await,
            4..=6 => self.new_application_renews(at).await,
            7 => drop(self.call(at, "plan", &[]).await),
            8 => drop(self.call(at, "verify", &[]).await),
            9 => drop(self.call(at, "status", &[]).await),
            10..=13 => drop(self.call(at, "apply", &["--yes"]).await),
            14 => drop(self.call(at, "rollback", &[]).await),
            15 => drop(self.call(at, "abort", &[]).await),
            16..=17 => self.with_wrong_keys(at).await,
            18..=20 => self.interrupted(at, "apply", &["--yes"]).await,
            21..=22 => self.interrupted(at, "rollback", &[]).await,
            23..=24 => self.interrupted(at, "abort", &[]).await,
            25 => self.paused(at).await,
            26 => self.unblocked(at).await,
            27 => self.down().await,
            28 => drop(self.call(at, "rollback", &["--discard-renewed"]).await),
            _ if self.random.below(3) == 0 => self.finalized(at).await,
            _ => self.interrupted(at, "finalize", &["--batch", "no number"]).await,
        }
        self.nothing_is_lost().await;
    }

    fn note(&mut self, line: String) {
        self.log.push(line);
    }

    /// Runs a command, and checks what it reports.
    async fn call(&mut self, at: usize, call: &str, words: &[&str]) -> CallOutput {
        let words = [words, &["--json"]].concat();
        let tool = self.sides[at].tool.clone();
        let answer = tokio::time::timeout(Duration::from_secs(90), tool.run(call, &words)).await;
        let Ok(answer) = answer else { panic!("{call} hangs\n{}", self.story()) };
        self.note(format!(
            "{} {call} {words:?}: {:?} {}",
            self.sides[at].name,
            answer.code,
            answer.errors.trim()
        ));
        self.is_true(at, call, &answer).await;
        answer
    }

    async fn is_true(&mut self, at: usize, call: &str, answer: &CallOutput) {
        let report: Value = serde_json::from_str(&answer.out).unwrap_or_default();
        if matches!(call, "rollback" | "abort") {
            self.forget_lost(at, &report);
        }
        if answer.code != Some(0) {
            return;
        }
        let (side, in_target) = (&self.sides[at], self.in_target().await);
        let in_source = all_opened(&side.source).await;
        for (key, newest) in &side.newest {
            let in_target = in_target.get(&format!("u{key}"));
            match call {
                "apply" => assert!(in_target.is_some(), "{key} is not moved\n{}", self.story()),
                "rollback" | "abort" => {
                    assert_eq!(in_source.get(key), Some(newest), "{key}\n{}", self.story());
                    assert_eq!(in_target, None, "{key}\n{}", self.story());
                }
                _ => {}
            }
        }
        if matches!(call, "rollback" | "abort" | "finalize") {
            self.takes_writes(at).await;
        }
    }

    /// Takes what the source has for the sessions that a rollback reports as lost.
    fn forget_lost(&mut self, at: usize, report: &Value) {
        for lost in report["lost"].as_array().into_iter().flatten() {
            if report["is_done"] == true {
                let user = lost["user"].as_str().unwrap_or_default();
                self.sides[at].newest.remove(user.trim_start_matches('u'));
            }
        }
    }

    async fn takes_writes(&self, at: usize) {
        let write = "UPDATE oauth_session SET expires_at = expires_at WHERE id = 'none' OR 1 = 1";
        let done = self.sides[at].source.connection.execute_unprepared(write).await;
        assert!(done.is_ok(), "{done:?}\n{}", self.story());
    }

    /// The old application renews a session, if the source takes it.
    async fn old_application_writes(&mut self, at: usize) {
        self.tokens += 1;
        let (new, tokens) = (token(self.tokens), tokens(self.tokens));
        let key = format!("{}{}", self.sides[at].name, self.random.below(ROWS));
        // An application whose tokens are elsewhere finds them revoked, and does not renew; after a
        // sign-in was lost, the user signs in anew.
        let newest = self.sides[at].newest.get(&key);
        if newest.is_some() && all_opened(&self.sides[at].source).await.get(&key) != newest {
            return;
        }
        let write = format!("UPDATE oauth_session SET token = '{new}' WHERE id = '{key}'");
        let is_written = self.sides[at].source.connection.execute_unprepared(&write).await.is_ok();
        self.note(format!("the old application renews {key}: {is_written}"));
        if is_written {
            self.sides[at].newest.insert(key, tokens);
        }
    }

    /// The new application renews a session, if it may.
    async fn new_application_renews(&mut self, at: usize) {
        let key = format!("{}{}", self.sides[at].name, self.random.below(ROWS));
        let known = self.in_target().await;
        let newest = self.sides[at].newest.get(&key);
        if newest.is_none() || known.get(&format!("u{key}")) != newest {
            return;
        }
        let target = Target::with(&self.target.database, self.provider.clone()).await;
        let live = target.manager.resolve(&SecretDigest::of(&key), None).await;
        if let Ok(Resolution::Live(live)) = live
            && let Ok(live) = target.manager.with_valid_token(&live).await
        {
            let tokens = live.tokens();
            let new = [tokens.access_token(), tokens.refresh_token().unwrap()].map(str::to_owned);
            self.note(format!("the new application has {new:?} for {key}"));
            self.sides[at].newest.insert(key, new);
        }
        target.close().await;
    }

    async fn with_wrong_keys(&mut self, at: usize) {
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
        let calls = ["rollback", "resume", "verify", "apply", "apply"];
        let call = calls[self.random.below(if is_begun { 5 } else { 3 })];
        let words: &[&str] = if call == "apply" { &["--yes"] } else { &[] };
        let answer = tool.run(call, words).await;
        self.note(format!(
            "{} {call} with {what}: {:?} {}",
            self.sides[at].name,
            answer.code,
            answer.errors.trim()
        ));
        let needs_keys = match call {
            "apply" | "resume" => !matches!(phase, "" | "switched" | "roll_back"),
            call => call == "rollback" && phase == "switched",
        };
        assert!(!needs_keys || answer.code != Some(0), "{call} in {phase}\n{}", self.story());
    }

    /// Starts a command, and kills or terminates it.
    async fn interrupted(&mut self, at: usize, call: &str, words: &[&str]) {
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

    async fn paused(&mut self, at: usize) {
        self.call(at, "pause", &[]).await;
        self.interrupted(at, "apply", &["--yes"]).await;
        self.call(at, "resume", &[]).await;
    }

    async fn unblocked(&mut self, at: usize) {
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
    }

    async fn down(&mut self) {
        let mut command = Command::new(PROGRAM);
        let output = command.args(["down", "--yes", "--to", self.target.database.url()]).output();
        let output = output.await.unwrap();
        self.note(format!("down: {:?} {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }

    /// Finalizes a move; if that is done, the source is dropped, and the side is played no more.
    async fn finalized(&mut self, at: usize) {
        if self.call(at, "finalize", &[]).await.code == Some(0) {
            let (side, in_target) = (&self.sides[at], self.in_target().await);
            for (key, newest) in &side.newest {
                let is_there = in_target.get(&format!("u{key}")) == Some(newest);
                assert!(is_there, "{key} is not in the target\n{}", self.story());
            }
            let other = Self::new(self.kind, &mut self.random).await;
            let log = std::mem::take(&mut self.log);
            *self = Self { log, ..other };
            self.note("a new world".to_owned());
        }
    }
}

/// Returns the tokens that `token` seals.
fn tokens(at: usize) -> Tokens {
    [format!("at-{at}"), format!("rt-{at}")]
}

on_every_database! {
    async fn nothing_is_lost_whatever_is_called(kind: Kind) {
        let steps = std::env::var("SESSION_TEST_STEPS").ok().and_then(|text| text.parse().ok());
        let mut random = Random::new(&format!("a random operator on {kind}"));
        let mut world = World::new(kind, &mut random).await;
        for _ in 0..steps.unwrap_or(STEPS) {
            world.step().await;
        }
        // In the end everything can be taken back or lifted.
        for at in 0..2 {
            world.unblocked(at).await;
        }
        println!("{}", world.log.join("\n"));
    }
}

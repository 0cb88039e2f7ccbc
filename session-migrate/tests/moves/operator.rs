//! A random operator: commands in any order, with right and wrong keys, on two sources of one target,
//! killed and terminated, while both applications write and users sign in and out.
//!
//! After each step no token set is lost unless the tool said so, no block stands that the tool cannot
//! lift, and what exited with 0 is as reported. `SESSION_TEST_SEED` repeats a run, and
//! `SESSION_TEST_STEPS` makes it longer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use serde_json::Value;
use session_core::manager::Resolution;
use session_core::manager::SignIn;
use session_core::middleware::SessionManagerExt as _;
use session_core::session::SecretDigest;
use session_core::testing::ScriptedProvider;
use session_core::testing::sample::{provider, user};
use session_core::token::{Sealed, SealedTokens};
use session_core::{EndReason, ProviderName, SessionId, TokenResponse, TokenSet, UserId};
use session_migrate::source::codec::Fernet;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::projects::openwebui::{KEY, TABLES};
use session_tests::source::Source;
use tokio::process::Command;

use crate::openwebui::{insert, token, tool};
use crate::random::Random;
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
    /// Whether the block was lifted since the move was last taken back: then the old application writes
    /// what no target knows of.
    is_lifted: bool,
}

struct World {
    kind: Kind,
    random: Random,
    target: Source,
    sides: Vec<Side>,
    provider: ScriptedProvider,
    /// The newest tokens of each session that began in the target, by user; a user has one.
    begun: BTreeMap<String, Tokens>,
    /// The digests of their cookies.
    cookies: BTreeMap<String, SecretDigest>,
    /// What both sides hold, read once in each step.
    seen: Seen,
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
            begun: BTreeMap::new(),
            cookies: BTreeMap::new(),
            seen: Seen::default(),
            tokens: 1_000_000,
            log: Vec::new(),
        };
        for name in ['a', 'b'] {
            let source = Source::with(Database::create(kind).await, TABLES).await;
            let is_online = world.random.below(2) == 0;
            let words: &[&str] =
                if is_online { &["--online", "--batch", "2"] } else { &["--batch", "2"] };
            let tool = tool(&source).words(words).to(world.target.database.url());
            let mut side = Side { name, source, tool, newest: BTreeMap::new(), is_lifted: false };
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

    /// Reads both sides.
    async fn look(&mut self) {
        self.seen.target = self.in_target().await;
        self.seen.sources.clear();
        for side in &self.sides {
            self.seen.sources.push(all_opened(&side.source).await);
        }
    }

    /// Returns the tokens of the live sessions in the target, by user.
    async fn in_target(&self) -> BTreeMap<String, BTreeSet<Tokens>> {
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
        let mut found: BTreeMap<String, BTreeSet<Tokens>> = BTreeMap::new();
        for (user, tokens) in opened {
            found.entry(user).or_default().insert(tokens);
        }
        found
    }

    /// Checks that each side's newest tokens are on one of the sides.
    async fn nothing_is_lost(&mut self) {
        self.look().await;
        for (side, in_source) in self.sides.iter().zip(&self.seen.sources) {
            for (key, newest) in &side.newest {
                let is_there = in_source.get(key) == Some(newest)
                    || self.seen.is_in_target(&format!("u{key}"), newest);
                assert!(is_there, "{}", self.lost(key, newest));
            }
        }
        for (user, newest) in &self.begun {
            let mut rows = self.seen.sources.iter().flat_map(BTreeMap::values);
            let is_there =
                self.seen.is_in_target(user, newest) || rows.any(|tokens| tokens == newest);
            assert!(is_there, "{}", self.lost(user, newest));
        }
    }

    fn lost(&self, whose: &str, newest: &Tokens) -> String {
        let Seen { target, sources } = &self.seen;
        format!(
            "{}: the tokens {newest:?} of {whose} are lost: {sources:?}\n{target:?}\n{}",
            self.kind,
            self.story()
        )
    }

    fn story(&self) -> String {
        let from = self.log.len().saturating_sub(25);
        self.log[from..].join("\n")
    }

    async fn step(&mut self) {
        let at = self.random.below(2);
        match self.random.below(47) {
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
            30..=31 => self.user_signs_in().await,
            32 => self.user_signs_out(at).await,
            33..=35 => drop(self.call(at, "failback", &["--once"]).await),
            36..=37 => self.interrupted(at, "failback", &[]).await,
            38..=40 => self.held_up(at).await,
            41 => drop(self.call(at, "resume", &["--set", "batch=3"]).await),
            42..=43 => self.renewed_with_wrong_keys(at).await,
            44 => self.new_application_renews_begun().await,
            45 => self.lifted_while_current(at).await,
            46 => self.renewed_after_a_failback(at).await,
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
        self.look().await;
        let (side, in_source) = (&self.sides[at], &self.seen.sources[at]);
        for (key, newest) in &side.newest {
            let in_target = self.seen.target.get(&format!("u{key}"));
            match call {
                "apply" => assert!(
                    side.is_lifted || in_target.is_some(),
                    "{key} is not moved\n{}",
                    self.story()
                ),
                "rollback" | "abort" => {
                    assert_eq!(in_source.get(key), Some(newest), "{key}\n{}", self.story());
                    assert_eq!(in_target, None, "{key}\n{}", self.story());
                }
                "failback" => {
                    assert_eq!(in_source.get(key), Some(newest), "{key}\n{}", self.story());
                }
                _ => {}
            }
        }
        if call == "failback" && report["skipped"] == serde_json::json!([]) {
            let new = self.begun_since_the_only_move().await;
            for (user, newest) in self.begun.iter().filter(|(user, _)| new.contains(*user)) {
                let is_there = in_source.values().any(|tokens| tokens == newest);
                assert!(is_there, "{user} is not in the source\n{}", self.story());
            }
        }
        if matches!(call, "rollback" | "abort" | "finalize") {
            self.takes_writes(at).await;
            self.sides[at].is_lifted = false;
        }
    }

    /// Returns the users whose live sessions began in the target since the move began, if there is one.
    async fn begun_since_the_only_move(&self) -> BTreeSet<String> {
        let sql = "SELECT user_id FROM login_session WHERE moved_by IS NULL AND ended_at IS NULL AND \
            created_at >= (SELECT MAX(started_at) FROM session_move) AND \
            (SELECT COUNT(*) FROM session_move) = 1";
        let sql = Statement::from_string(self.target.connection.get_database_backend(), sql);
        let rows = self.target.connection.query_all_raw(sql).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// Takes what the source has for the sessions that a rollback reports as lost.
    fn forget_lost(&mut self, at: usize, report: &Value) {
        for lost in report["lost"].as_array().into_iter().flatten() {
            if report["is_done"] == true {
                let user = lost["user"].as_str().unwrap_or_default();
                self.sides[at].newest.remove(user.trim_start_matches('u'));
                self.begun.remove(user);
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
        let source = &self.sides[at].source.connection;
        let written = source.execute_unprepared(&write).await;
        let is_written = match written {
            // A failback has removed the row of a session that ended.
            Ok(done) if done.rows_affected() == 0 => {
                let row = format!("'{key}', 'u{key}', 'oidc', '{new}', 1760000000, 1000, 2000");
                let insert = format!("INSERT INTO oauth_session VALUES ({row})");
                source.execute_unprepared(&insert).await.is_ok()
            }
            done => done.is_ok(),
        };
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
        let is_known = newest.is_some_and(|newest| {
            known.get(&format!("u{key}")).is_some_and(|of| of.contains(newest))
        });
        if !is_known {
            return;
        }
        let known = newest.cloned().unwrap_or_default();
        let new = self.renewed(&SecretDigest::of(&key), &format!("u{key}"), known).await;
        self.note(format!("the new application has {new:?} for {key}"));
        self.sides[at].newest.insert(key, new);
    }

    /// Lets a request with this cookie renew the session of a user, and returns the tokens that it has
    /// then.
    async fn renewed(&self, cookie: &SecretDigest, user: &str, known: Tokens) -> Tokens {
        let target = Target::with(&self.target.database, self.provider.clone()).await;
        let mut given = known;
        if let Ok(Resolution::Live(live)) = target.manager.resolve(cookie, None).await
            && let Ok(live) = target.manager.with_valid_token(&live).await
        {
            let tokens = live.tokens();
            given = [tokens.access_token(), tokens.refresh_token().unwrap()].map(str::to_owned);
        }
        // A renewal that began beside the request has ended by then.
        target.close().await;
        self.stored(user, given).await
    }

    /// Returns the tokens of a user's session: other ones than a request was given, if a renewal beside
    /// it has finished since.
    async fn stored(&self, user: &str, given: Tokens) -> Tokens {
        let known = self.in_target().await;
        let others = known.get(user).filter(|of| of.len() == 1 && !of.contains(&given));
        others.and_then(|of| of.first().cloned()).unwrap_or(given)
    }

    /// A user signs in to the new application, where there is one.
    async fn user_signs_in(&mut self) {
        if self.target.connection.execute_unprepared("SELECT 1 FROM login_session").await.is_err() {
            return;
        }
        self.tokens += 1;
        let id = format!("n{}", self.tokens);
        let target = Target::with(&self.target.database, self.provider.clone()).await;
        let tokens = tokens(self.tokens);
        // They are due soon, so that they can be renewed.
        let response = TokenResponse::bearer(&tokens[0]).with_refresh_token(&tokens[1]);
        let response = response.with_expires_in(Duration::from_secs(1));
        let sign_in = SignIn::new(&user(&id), &provider("oidc"), response);
        let signed_in = target.manager.sign_in(sign_in).await;
        target.close().await;
        self.note(format!("{id} signs in to the new application: {}", signed_in.is_ok()));
        if let Ok(signed_in) = signed_in {
            self.cookies.insert(id.clone(), signed_in.secret.digest());
            self.begun.insert(id, tokens);
        }
    }

    /// The new application renews a session that began there.
    async fn new_application_renews_begun(&mut self) {
        let users: Vec<String> = self.begun.keys().cloned().collect();
        let Some(id) = users.get(self.random.below(users.len().max(1))).cloned() else { return };
        let (Some(cookie), known) = (self.cookies.get(&id).copied(), self.in_target().await) else {
            return;
        };
        if !known.get(&id).is_some_and(|of| of.contains(&self.begun[&id])) {
            return;
        }
        let new = self.renewed(&cookie, &id, self.begun[&id].clone()).await;
        self.note(format!("the new application has {new:?} for {id}"));
        self.begun.insert(id, new);
    }

    /// Moves one side while the other is not on record.
    async fn alone(&mut self, at: usize) {
        self.call(1 - at, "abort", &[]).await;
        self.call(at, "abort", &[]).await;
        self.call(at, "apply", &["--yes"]).await;
    }

    /// The source is current, and its block is lifted: then the old application renews what the target
    /// holds too, and no failback may overwrite it.
    async fn lifted_while_current(&mut self, at: usize) {
        self.alone(at).await;
        self.new_application_renews(at).await;
        self.call(at, "failback", &["--once"]).await;
        self.unblocked(at).await;
        for _ in 0..6 {
            self.old_application_writes(at).await;
        }
        self.call(at, "failback", &["--once"]).await;
    }

    /// Sessions that began in the target are rows of the source, and are renewed before a rollback.
    async fn renewed_after_a_failback(&mut self, at: usize) {
        self.alone(at).await;
        for _ in 0..3 {
            self.user_signs_in().await;
        }
        self.call(at, "failback", &["--once"]).await;
        self.call(at, "verify", &[]).await;
        self.call(at, "plan", &[]).await;
        for _ in 0..4 {
            self.new_application_renews_begun().await;
        }
        self.call(at, "rollback", &[]).await;
    }

    /// A user signs out of the new application.
    async fn user_signs_out(&mut self, at: usize) {
        let side = &self.sides[at];
        let ids = side.newest.keys().map(|key| format!("u{key}")).chain(self.begun.keys().cloned());
        let ids: Vec<String> = ids.collect();
        let Some(id) = ids.get(self.random.below(ids.len().max(1))).cloned() else { return };
        let known = self.in_target().await;
        let newest = self.sides[at].newest.get(id.trim_start_matches('u')).or(self.begun.get(&id));
        if !newest.is_some_and(|newest| known.get(&id).is_some_and(|of| of.contains(newest))) {
            return;
        }
        let target = Target::with(&self.target.database, self.provider.clone()).await;
        let ended = target.manager.end_all(&user(&id), None, EndReason::SignedOut).await;
        target.close().await;
        self.note(format!("{id} signs out of the new application: {}", ended.is_ok()));
        if ended.is_ok() {
            self.begun.remove(&id);
            for side in &mut self.sides {
                side.newest.remove(id.trim_start_matches('u'));
            }
        }
    }

    /// Holds an apply up before its cutover, and kills it there or lets it go on. What is half done is
    /// what wrong keys can harm.
    async fn held_up(&mut self, at: usize) {
        let flag = std::env::temp_dir().join(format!("session-flag-{}", Uuid::now_v7()));
        std::fs::write(&flag, "").unwrap();
        let words = ["--yes", "--json", "--cutover-when-removed", flag.to_str().unwrap()];
        let mut child = self.sides[at].tool.spawn("apply", &words);
        let is_held_up = self.is_held_up(at, &mut child).await;
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
    async fn is_held_up(&self, at: usize, child: &mut tokio::process::Child) -> bool {
        let mark = "\"waiting\":\"flag_file\"";
        while child.try_wait().unwrap().is_none() {
            let backend = self.target.connection.get_database_backend();
            let sql = Statement::from_string(backend, "SELECT progress, owner FROM session_move");
            let rows = self.target.connection.query_all_raw(sql).await.unwrap_or_default();
            let owner = format!("process {} ", child.id().unwrap_or_default());
            let text = |row: &sea_orm_migration::sea_orm::QueryResult, at: usize| {
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
        let _ = at;
        false
    }

    /// Renews a session in the target, and goes on with wrong keys: what is newer there is what they
    /// can harm.
    async fn renewed_with_wrong_keys(&mut self, at: usize) {
        self.new_application_renews(at).await;
        self.with_wrong_keys(at).await;
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
        self.sides[at].is_lifted = true;
    }

    async fn down(&mut self) {
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
    async fn finalized(&mut self, at: usize) {
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

/// What both sides hold.
#[derive(Debug, Default)]
struct Seen {
    /// The tokens of the live sessions, by user.
    target: BTreeMap<String, BTreeSet<Tokens>>,
    /// The tokens of the rows of each source, by key.
    sources: Vec<BTreeMap<String, Tokens>>,
}

impl Seen {
    fn is_in_target(&self, user: &str, tokens: &Tokens) -> bool {
        self.target.get(user).is_some_and(|of| of.contains(tokens))
    }
}

/// Opens the tokens of each row of a source that opens, without reading its schema.
pub(crate) async fn all_opened(source: &Source) -> BTreeMap<String, Tokens> {
    let codec = Fernet::new(&SourceKeys::new(KEY)).unwrap();
    let sql = "SELECT id, token FROM oauth_session";
    let sql = Statement::from_string(source.connection.get_database_backend(), sql);
    let rows = source.connection.query_all_raw(sql).await.unwrap();
    let opened = rows.iter().filter_map(|row| {
        let sealed: String = row.try_get_by_index(1).unwrap();
        let opened = codec.open(&Cell::Text(sealed)).ok()?;
        let json: Value = serde_json::from_slice(opened.plain()).unwrap();
        let token = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let key = row.try_get_by_index::<String>(0).unwrap();
        Some((key, [token("access_token"), token("refresh_token")]))
    });
    opened.collect()
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

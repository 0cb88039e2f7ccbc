//! A random operator: commands in any order, with right and wrong keys, on two sources of one target,
//! killed and terminated, while both applications write and users sign in and out.
//!
//! After each step no token set is lost unless the tool said so, no block stands that the tool cannot
//! lift, and what exited with 0 is as reported. `SESSION_TEST_SEED` repeats a run, and
//! `SESSION_TEST_STEPS` makes it longer.

mod applications;
mod meanwhile;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use serde_json::Value;
use session_core::session::SecretDigest;
use session_core::testing::ScriptedProvider;
use session_core::token::{Sealed, SealedTokens};
use session_core::{ProviderName, SessionId, TokenSet, UserId};
use session_migrate::source::codec::Fernet;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::projects::openwebui::{KEY, TABLES};
use session_tests::source::Source;

use crate::openwebui::{insert, token, tool};
use crate::random::Random;
use crate::tool::{CallOutput, Tool, keyring};

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
        let step = self.log.iter().rev().find(|line| line.starts_with("-- step"));
        let step = step.map_or("", String::as_str);
        format!("{step}:\n{}", self.log[from..].join("\n"))
    }

    async fn step(&mut self) {
        let at = self.random.below(2);
        match self.random.below(50) {
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
            47 => self.rolled_back_under_writes(at).await,
            48 => self.renewed_while_handed_over(at).await,
            49 => self.renewed_with_a_bound_token(at).await,
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
        if !words.contains(&"--discard-renewed") {
            self.gives_nothing_up(&answer);
        }
        self.is_true(at, call, &answer).await;
        answer
    }

    /// Checks that a command that was not told to give sign-ins up has lost only what had ended.
    fn gives_nothing_up(&self, answer: &CallOutput) {
        let report: Value = serde_json::from_str(&answer.out).unwrap_or_default();
        let lost = report["lost"].as_array().into_iter().flatten();
        let mut given_up = lost.filter(|lost| lost["why"] != "it has ended in the target");
        let is_kept = report["is_done"] != true || given_up.next().is_none();
        assert!(is_kept, "{report}\n{}", self.story());
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
                "failback" if !is_bound(&report, key) => {
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
}

/// Returns whether a failback has left a session out because its tokens are bound to a key.
fn is_bound(report: &Value, key: &str) -> bool {
    let mut skipped = report["skipped"].as_array().into_iter().flatten();
    let why = |of: &Value| of["why"].as_str().is_some_and(|why| why.contains("DPoP"));
    skipped.any(|of| of["user"] == format!("u{key}") && why(of))
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
        for step in 0..steps.unwrap_or(STEPS) {
            world.note(format!("-- step {step}"));
            world.step().await;
        }
        // In the end everything can be taken back or lifted.
        for at in 0..2 {
            world.unblocked(at).await;
        }
        println!("{}", world.log.join("\n"));
    }
}

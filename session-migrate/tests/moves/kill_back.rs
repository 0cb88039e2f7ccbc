//! `kill -9` at any moment of a rollback, an abort, a finalize or a failback of a move with a cap: run
//! again, the command completes it, and loses nothing. Together these kill a hundred processes on each
//! database.

use std::collections::BTreeMap;
use std::time::Duration;

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::failback::{signed_in, target_of};
use crate::openwebui::{self, insert, token};
use crate::random::Random;
use crate::rollback::{all_opened, of_source, renewed};
use crate::site::text;
use crate::snapshot::snapshot;
use crate::target::Target;
use crate::tool::Tool;

/// The minimum number of kills at each stage, and the maximum number of moves for them.
const MIN_KILLS: usize = 9;
const MAX_MOVES: usize = 90;

/// What a command that ends a move has come to, as the target shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing is changed yet.
    Begin,
    /// Tokens are written back.
    WriteBack,
    /// The source is unblocked, the rows are removed.
    Remove,
    /// Tables are dropped.
    Drop,
    /// A finalized move removes its triggers.
    Finalized,
    Done,
}

/// Returns the stage; `Done` without a move on record.
async fn stage(source: &Source) -> Stage {
    let backend = source.connection.get_database_backend();
    let one = async |sql: &str| {
        let row = source.connection.query_one_raw(Statement::from_string(backend, sql)).await;
        row.ok().flatten()
    };
    let Some(row) = one("SELECT phase, switched_at FROM session_move").await else {
        return Stage::Done;
    };
    let phase: String = row.try_get_by_index(0).unwrap();
    let is_open = row.try_get_by_index::<Option<i64>>(1).unwrap().is_some();
    match (phase.as_str(), is_open) {
        ("finalized", _) => Stage::Finalized,
        ("roll_back", true) => Stage::WriteBack,
        ("roll_back", false) if one("SELECT COUNT(*) FROM login_session").await.is_some() => {
            Stage::Remove
        }
        ("roll_back", false) => Stage::Drop,
        _ => Stage::Begin,
    }
}

/// The kills of one test, and what they wait for.
struct Kills {
    random: Random,
    hits: BTreeMap<Stage, usize>,
    stages: Vec<Stage>,
}

impl Kills {
    fn of(what: &str, kind: Kind, stages: &[Stage]) -> Self {
        let random = Random::new(&format!("{what} killed on {kind}"));
        Self { random, hits: BTreeMap::new(), stages: stages.to_vec() }
    }

    fn hits(&self, stage: Stage) -> usize {
        self.hits.get(&stage).copied().unwrap_or(0)
    }

    fn is_enough(&self) -> bool {
        self.stages.iter().all(|stage| self.hits(*stage) >= MIN_KILLS)
    }

    /// Runs a command until it completes, and kills it at the stages that were killed least.
    async fn until_done(&mut self, source: &Source, tool: &Tool, command: &str) {
        loop {
            let from = stage(source).await;
            let due = self.stages.iter().copied();
            let due = due.filter(|at| *at >= from && self.hits(*at) < MIN_KILLS);
            let wanted = due.min_by_key(|at| self.hits(*at));
            let Some(wanted) = wanted else {
                let answer = tool.run(command, &["--batch", "3"]).await;
                return is_done(answer.code, &format!("{answer:?}"));
            };
            let mut child = tool.spawn(command, &["--batch", "3"]);
            let mut is_over = false;
            while !is_over && stage(source).await < wanted {
                is_over = child.try_wait().unwrap().is_some();
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
            let max = if wanted == from { 100 } else { 4 };
            tokio::time::sleep(self.random.within(Duration::from_millis(max))).await;
            // Without a move there is nothing to kill.
            if stage(source).await != Stage::Done {
                child.start_kill().unwrap();
            }
            let output = child.wait_with_output().await.unwrap();
            if output.status.code().is_some() {
                return is_done(output.status.code(), &text(&output));
            }
            *self.hits.entry(stage(source).await).or_default() += 1;
        }
    }
}

/// Checks that a command completed; one before it may have been killed between its work and its exit.
#[track_caller]
fn is_done(code: Option<i32>, text: &str) {
    assert!(code == Some(0) || text.contains("no such move"), "{text}");
}

/// Creates a source of which a cap of one prunes rows.
async fn source(database: Database) -> (Source, Tool) {
    let source = openwebui::source(database, 30).await;
    for at in 0..10 {
        insert(&source, &format!("second-{at}"), &format!("u{at}"), "oidc", &token(500 + at)).await;
    }
    let words = ["--max-sessions", "1", "--partition", "user,provider"];
    let tool = openwebui::tool(&source).words(&words);
    (source, tool)
}

/// Gives the sessions that will be renewed tokens that have expired, as a sign-in long ago would.
async fn sign_in_anew(source: &Source) {
    for at in 12..24 {
        let token = token(at);
        source
            .run(&format!("UPDATE oauth_session SET token = '{token}' WHERE id = 'id-{at:03}'"))
            .await;
    }
}

/// Renews some sessions in the target, and returns what the source has to hold after a rollback.
async fn with_renewals(source: &Source, target: &Target) -> BTreeMap<String, [String; 2]> {
    let mut expected = all_opened(source).await;
    for at in 12..24 {
        let key = format!("id-{at:03}");
        let tokens = renewed(target, &key).await;
        expected.insert(key, tokens);
    }
    expected
}

/// Checks that the source holds these tokens, and that nothing else is left of the move.
async fn is_back(source: &Source, before: &[String], expected: &BTreeMap<String, [String; 2]>) {
    assert_eq!(&all_opened(source).await, expected);
    let objects = |lines: &[String]| -> Vec<String> {
        let lines = of_source(lines);
        lines.into_iter().filter(|line| !line.starts_with("row of oauth_session")).collect()
    };
    assert_eq!(objects(&snapshot(source).await), objects(before));
}

/// Starts an apply and kills it a moment after its first entry in the journal.
async fn half_applied(source: &Source, tool: &Tool, random: &mut Random) {
    let mut child = tool.spawn("apply", &["--yes", "--batch", "3"]);
    while stage(source).await == Stage::Done && child.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(random.within(Duration::from_millis(100))).await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
}

/// How much of what has changed in the target is in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Brought {
    Nothing,
    Some,
    All,
}

async fn brought(source: &Source, changed: &[[String; 2]]) -> Brought {
    let there = crate::operator::all_opened(source).await;
    let is_there = |of: &&[String; 2]| there.values().any(|tokens| tokens == *of);
    match changed.iter().filter(is_there).count() {
        0 => Brought::Nothing,
        some if some == changed.len() => Brought::All,
        _ => Brought::Some,
    }
}

/// Renews sessions in the target, begins some and ends one; returns what the source has to hold then,
/// by user, and the tokens that are new.
async fn with_changes(source: &Source, target: &Target) -> (Vec<[String; 2]>, Vec<[String; 2]>) {
    let mut expected = with_renewals(source, target).await;
    let mut changed: Vec<_> = (12..24).map(|at| expected[&format!("id-{at:03}")].clone()).collect();
    for at in 0..6 {
        let (_, tokens) = signed_in(target, &format!("new-{at}")).await;
        expected.insert(format!("new-{at}"), tokens.clone());
        changed.push(tokens);
    }
    let mut all: Vec<_> = expected.into_values().collect();
    all.sort();
    (all, changed)
}

on_every_database! {
    async fn a_killed_failback_brings_each_change_once(kind: Kind) {
        let mut random = Random::new(&format!("failbacks killed on {kind}"));
        let mut hits: BTreeMap<Brought, usize> = BTreeMap::new();
        for _ in 0..MAX_MOVES {
            let (source, tool) = source(Database::create(kind).await).await;
            sign_in_anew(&source).await;
            tool.done("apply", &["--yes"]).await;
            let target = target_of(&source.database).await;
            let (expected, changed) = with_changes(&source, &target).await;
            target.close().await;
            for kills in 0.. {
                let mut child = tool.spawn("failback", &["--once", "--json"]);
                let wanted = [Brought::Nothing, Brought::Some][random.below(2)];
                while child.try_wait().unwrap().is_none() && brought(&source, &changed).await < wanted {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                tokio::time::sleep(random.within(Duration::from_millis(5))).await;
                // The last one may complete.
                if kills < 5 {
                    let _ = child.start_kill();
                }
                let output = child.wait_with_output().await.unwrap();
                if let Some(code) = output.status.code() {
                    assert_eq!(code, 0, "{}", text(&output));
                    break;
                }
                *hits.entry(brought(&source, &changed).await).or_default() += 1;
            }
            let mut there: Vec<_> = all_opened(&source).await.into_values().collect();
            there.sort();
            assert_eq!(there, expected, "each token set is there, and once");
            let rolled = tool.done("rollback", &[]).await;
            assert_eq!((&rolled["is_done"], &rolled["handed_over"]), (&true.into(), &6.into()), "{rolled}");
            let mut there: Vec<_> = all_opened(&source).await.into_values().collect();
            there.sort();
            assert_eq!(there, expected, "the rollback loses none");
            let is_enough = |at: &Brought| hits.get(at).is_some_and(|hits| *hits >= MIN_KILLS);
            // Once all is there, nothing is left that a kill could lose.
            if [Brought::Nothing, Brought::Some].iter().all(is_enough) {
                println!("{hits:?}");
                return;
            }
        }
        panic!("some stages were not hit: {hits:?}");
    }

    async fn a_killed_rollback_loses_nothing(database: Database) {
        let stages = [Stage::Begin, Stage::WriteBack, Stage::Remove, Stage::Drop];
        let mut kills = Kills::of("rollbacks", database.kind(), &stages);
        let (source, tool) = source(database).await;
        let before = snapshot(&source).await;
        for _ in 0..MAX_MOVES {
            sign_in_anew(&source).await;
            tool.done("apply", &["--yes"]).await;
            let target = Target::of(&source.database).await;
            let expected = with_renewals(&source, &target).await;
            target.close().await;
            // Tables with events of their own would stay.
            source.run("DELETE FROM login_session_event").await;
            kills.until_done(&source, &tool, "rollback").await;
            is_back(&source, &before, &expected).await;
            if kills.is_enough() {
                println!("{:?}", kills.hits);
                return;
            }
        }
        panic!("some stages were not hit: {:?}", kills.hits);
    }

    async fn a_killed_abort_leaves_nothing(database: Database) {
        let stages = [Stage::Begin, Stage::Remove, Stage::Drop];
        let mut kills = Kills::of("aborts", database.kind(), &stages);
        let (source, tool) = source(database).await;
        let tool = tool.words(&["--online"]);
        let (before, expected) = (snapshot(&source).await, all_opened(&source).await);
        for _ in 0..MAX_MOVES {
            half_applied(&source, &tool, &mut kills.random).await;
            kills.until_done(&source, &tool, "abort").await;
            is_back(&source, &before, &expected).await;
            if kills.is_enough() {
                println!("{:?}", kills.hits);
                return;
            }
        }
        panic!("some stages were not hit: {:?}", kills.hits);
    }

    async fn a_killed_finalize_leaves_no_trigger(kind: Kind) {
        let mut kills = Kills::of("finalizes", kind, &[Stage::Begin, Stage::Finalized]);
        for _ in 0..MAX_MOVES {
            let (source, tool) = source(Database::create(kind).await).await;
            let (before, tool) = (snapshot(&source).await, tool.words(&["--online"]));
            let moved = tool.done("apply", &["--yes"]).await;
            kills.until_done(&source, &tool, "finalize").await;
            let after = snapshot(&source).await;
            assert_eq!(of_source(&after), of_source(&before));
            assert_eq!(tool.done("verify", &[]).await["target_rows"], moved["counts"]["moved"]);
            if kills.is_enough() {
                println!("{:?}", kills.hits);
                return;
            }
        }
        panic!("some stages were not hit: {:?}", kills.hits);
    }
}

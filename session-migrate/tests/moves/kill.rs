//! `kill -9` at any moment: running a move again completes it with the same result.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use session_tests::database::Kind;
use tokio::process::Child;

use crate::random::Random;
use crate::seed::{Row, USERS, rows};
use crate::site::{Site, Stage, text};

/// The number of processes that are killed on each database.
const KILLS: usize = 100;

/// The minimum number of kills at each stage.
const MIN_KILLS_PER_STAGE: usize = 3;

const ROWS: usize = 320;

/// The stages at which the processes of one move are killed, in order.
const KILL_AT: [Stage; 14] = [
    Stage::Expand,
    Stage::Expand,
    Stage::Capture,
    Stage::Capture,
    Stage::Fill,
    Stage::Fill,
    Stage::Fill,
    Stage::Fill,
    Stage::Fill,
    Stage::CatchUp,
    Stage::CatchUp,
    Stage::Switch,
    Stage::Switch,
    Stage::Switch,
];

/// The name makes the ids of all sources the same, so that their results can be compared.
const WORDS: [&str; 8] =
    ["--max-sessions", "2", "--partition", "user,provider", "--batch", "6", "--name", "killed"];

/// The kills of one test.
struct Tally {
    words: Vec<&'static str>,
    random: Random,
    hits: BTreeMap<Stage, usize>,
    /// The time from the start of a process to its first entry in the journal.
    start: Duration,
}

impl Tally {
    fn kills(&self) -> usize {
        self.hits.values().sum()
    }

    fn is_enough(&self, stages: &[Stage]) -> bool {
        let at = |stage: &Stage| self.hits.get(stage).copied().unwrap_or(0);
        self.kills() >= KILLS && stages.iter().all(|stage| at(stage) >= MIN_KILLS_PER_STAGE)
    }
}

/// Returns the maximum time at a stage before the kill.
fn max_delay(stage: Stage) -> Duration {
    Duration::from_millis(match stage {
        Stage::Fill => 150,
        // Behind the block there is little to do.
        Stage::Switch => 15,
        _ => 40,
    })
}

/// Starts a process and kills it at a stage, or a later one. Returns false if it completed first.
async fn killed(site: &Site, tally: &mut Tally, stage_to_kill: Stage) -> bool {
    let begun = Instant::now();
    let mut child = site.spawn("apply", &[tally.words.as_slice(), &["--yes"]].concat());
    if stage_to_kill == Stage::Expand {
        tokio::time::sleep(tally.random.within(tally.start)).await;
    } else if site.reaches(&mut child, stage_to_kill).await {
        if stage_to_kill == Stage::Capture {
            tally.start = begun.elapsed();
        }
        tokio::time::sleep(tally.random.within(max_delay(stage_to_kill))).await;
    }
    kill(child).await && {
        let stage = site.journal_entry().await.stage;
        if stage != Stage::Done {
            *tally.hits.entry(stage).or_default() += 1;
        }
        stage != Stage::Done
    }
}

/// Kills a process. Returns false if it had completed; then it must have succeeded.
pub(crate) async fn kill(mut child: Child) -> bool {
    // SIGKILL, which a process cannot handle.
    child.start_kill().unwrap();
    let output = child.wait_with_output().await.unwrap();
    match output.status.code() {
        None => true,
        Some(0) => false,
        Some(_) => panic!("it failed on its own: {}", text(&output)),
    }
}

fn users() -> Vec<String> {
    (0..USERS).map(|at| format!("u{at}")).collect()
}

/// Kills one move repeatedly and completes it. The report of `verify` must be that of an undisturbed
/// move.
async fn disturbed(kind: Kind, rows: &[Row], tally: &mut Tally, expected: &Value) {
    let site = Site::new(kind, &users(), rows, false).await;
    for stage_to_kill in KILL_AT {
        if !killed(&site, tally, stage_to_kill).await {
            break;
        }
    }
    site.succeed("apply", &[tally.words.as_slice(), &["--yes"]].concat()).await;
    assert_eq!(&site.verified(&tally.words).await, expected, "{kind}, {:?}", tally.hits);
}

async fn undisturbed(kind: Kind, rows: &[Row], words: &[&str]) -> Value {
    let site = Site::new(kind, &users(), rows, false).await;
    site.succeed("apply", &[words, &["--yes"]].concat()).await;
    let report = site.verified(words).await;
    assert_eq!(report["source_rows"], rows.len());
    assert_eq!(report["mismatches"], 0);
    for what in ["target_rows", "pruned", "unreadable", "orphans", "unclaimed"] {
        assert!(report[what].as_u64().unwrap() > 3, "{what}: {report}");
    }
    report
}

async fn is_the_same_after_kills(kind: Kind, is_online: bool) {
    if !kind.is_available() {
        return;
    }
    let mut words = WORDS.to_vec();
    if is_online {
        words.push("--online");
    }
    let rows = rows(ROWS);
    let begun = Instant::now();
    let expected = undisturbed(kind, &rows, &words).await;
    let random = Random::new(&format!("kills on {kind}"));
    let start = Duration::from_millis(200);
    let mut tally = Tally { words, random, hits: BTreeMap::new(), start };
    let mut moves = 0;
    // An offline move has no capture and no catch-up.
    let online = Stage::BEFORE_THE_END;
    let offline = online.into_iter().filter(|it| !matches!(it, Stage::Capture | Stage::CatchUp));
    let stages: Vec<Stage> = if is_online { online.to_vec() } else { offline.collect() };
    while !tally.is_enough(&stages) {
        disturbed(kind, &rows, &mut tally, &expected).await;
        moves += 1;
        assert!(moves < 60, "{kind}: some stages were not hit: {:?}", tally.hits);
    }
    let how = if is_online { "online" } else { "offline" };
    let (kills, took) = (tally.kills(), begun.elapsed().as_secs());
    println!("{kind} {how}: {kills} kills in {moves} moves, {took} s: {:?}", tally.hits);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_offline() {
    is_the_same_after_kills(Kind::Sqlite, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_online() {
    is_the_same_after_kills(Kind::Sqlite, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_online() {
    is_the_same_after_kills(Kind::Postgres, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_online() {
    is_the_same_after_kills(Kind::MariaDb, true).await;
}

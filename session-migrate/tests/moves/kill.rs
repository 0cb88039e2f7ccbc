//! `kill -9` wherever it hits: run again, a move ends as if nothing had been.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use session_tests::database::Kind;
use tokio::process::Child;

use crate::chance::Chance;
use crate::seed::{Row, USERS, rows};
use crate::site::{Site, Stage, text};

/// How many processes are killed on each database.
const KILLS: usize = 100;

/// How often every stage is hit at least.
const AT_LEAST: usize = 3;

const ROWS: usize = 320;

/// At which stages the processes of one move are killed, one after the other.
const WISHES: [Stage; 16] = [
    Stage::Expand,
    Stage::Expand,
    Stage::Capture,
    Stage::Capture,
    Stage::Fill,
    Stage::Fill,
    Stage::Fill,
    Stage::Fill,
    Stage::Rank,
    Stage::Rank,
    Stage::Rank,
    Stage::CatchUp,
    Stage::CatchUp,
    Stage::Switch,
    Stage::Switch,
    Stage::Switch,
];

const WORDS: [&str; 6] = ["--max-sessions", "2", "--partition", "user,provider", "--batch", "6"];

/// One database's tally of a test.
struct Tally {
    words: Vec<&'static str>,
    chance: Chance,
    hits: BTreeMap<Stage, usize>,
    /// From a process's start to its first note.
    start: Duration,
}

impl Tally {
    fn kills(&self) -> usize {
        self.hits.values().sum()
    }

    fn is_enough(&self, stages: &[Stage]) -> bool {
        let at = |stage: &Stage| self.hits.get(stage).copied().unwrap_or(0);
        self.kills() >= KILLS && stages.iter().all(|stage| at(stage) >= AT_LEAST)
    }
}

/// How long a process goes on at a stage before it is killed, at most.
fn most(stage: Stage) -> Duration {
    Duration::from_millis(match stage {
        Stage::Fill => 150,
        Stage::Rank | Stage::Switch => 100,
        _ => 40,
    })
}

/// Starts a process and kills it at a stage, or a later one. False if it came to its end first.
async fn killed(site: &Site, tally: &mut Tally, wish: Stage) -> bool {
    let begun = Instant::now();
    let mut child = site.spawn("apply", &[tally.words.as_slice(), &["--yes"]].concat());
    if wish == Stage::Expand {
        tokio::time::sleep(tally.chance.within(tally.start)).await;
    } else if site.reaches(&mut child, wish).await {
        if wish == Stage::Capture {
            tally.start = begun.elapsed();
        }
        tokio::time::sleep(tally.chance.within(most(wish))).await;
    }
    kill(child).await && {
        let stage = site.noted().await.stage;
        if stage != Stage::Over {
            *tally.hits.entry(stage).or_default() += 1;
        }
        stage != Stage::Over
    }
}

/// Kills a process. False if it was over; then it must have been good.
pub(crate) async fn kill(mut child: Child) -> bool {
    // By its number, with the signal that nothing can catch.
    child.start_kill().unwrap();
    let output = child.wait_with_output().await.unwrap();
    match output.status.code() {
        None => true,
        Some(0) => false,
        Some(_) => panic!("it failed by itself: {}", text(&output)),
    }
}

fn users() -> Vec<String> {
    (0..USERS).map(|at| format!("u{at}")).collect()
}

/// One move, killed again and again. What `verify` says in the end is what it says of a move that
/// nobody disturbed.
async fn disturbed(kind: Kind, rows: &[Row], tally: &mut Tally, expected: &Value) {
    let site = Site::new(kind, &users(), rows, false).await;
    for wish in WISHES {
        if !killed(&site, tally, wish).await {
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
    let chance = Chance::new(&format!("kills on {kind}"));
    let start = Duration::from_millis(200);
    let mut tally = Tally { words, chance, hits: BTreeMap::new(), start };
    let mut moves = 0;
    // Offline nothing is captured or caught up with: two of the stages last for no statement.
    let online = Stage::BEFORE_THE_END;
    let offline = online.into_iter().filter(|it| !matches!(it, Stage::Capture | Stage::CatchUp));
    let stages: Vec<Stage> = if is_online { online.to_vec() } else { offline.collect() };
    while !tally.is_enough(&stages) {
        disturbed(kind, &rows, &mut tally, &expected).await;
        moves += 1;
        assert!(moves < 60, "{kind}: stages are missed: {:?}", tally.hits);
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

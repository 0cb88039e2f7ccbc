//! An online move of a source to which an application keeps writing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use session_tests::database::Kind;
use session_tests::projects::openwebui::tokens;
use tokio::task::JoinSet;

use crate::application::{Application, hold_open, leavers, over_cap, short};
use crate::naive;
use crate::random::Random;
use crate::seed::{Row, USERS, rows};
use crate::site::{Site, Stage, text};

const ROWS: usize = 2400;
const LEAVERS: usize = 200;

/// How many moves may pass before every stage has had a write.
const MAX_MOVES: usize = 8;

/// Returns users, users that will be deleted, and rows without orphans, because of the foreign key.
fn source(tokens_of: &mut BTreeMap<String, naive::Tokens>) -> (Vec<String>, Vec<String>, Vec<Row>) {
    let users: Vec<String> = (0..USERS * 8).map(|at| format!("u{at}")).collect();
    let leavers: Vec<String> = (0..LEAVERS).map(|at| format!("leaver{at}")).collect();
    let mut rows = rows(ROWS);
    rows.retain(|row| !row.user.starts_with("gone"));
    for (at, row) in rows.iter_mut().enumerate() {
        if at % 5 == 2 {
            row.user = leavers[at % LEAVERS].clone();
        } else if at % 5 != 1 {
            row.user = users[at * 7 % users.len()].clone();
        }
        let name = format!("s{at}");
        if at % 11 == 4 {
            row.token = "no Fernet".to_owned();
        } else {
            row.token = tokens(&name);
            tokens_of.insert(row.token.clone(), named(&name));
        }
    }
    (users, leavers, rows)
}

fn named(name: &str) -> naive::Tokens {
    (format!("at-{name}"), Some(format!("rt-{name}")))
}

/// Starts writers of all kinds, about two hundred writes a second.
fn start(app: &Arc<Application>, random: &mut Random, kind: Kind) -> JoinSet<()> {
    let mut writers = JoinSet::new();
    for _ in 0..6 {
        writers.spawn(short(Arc::clone(app), random.fork(), Duration::from_millis(40)));
    }
    // SQLite has one writer at a time: an open transaction blocks all others.
    let (holders, max) = if kind == Kind::Sqlite { (1, 120) } else { (3, 1200) };
    let max = Duration::from_millis(max);
    for _ in 0..holders {
        writers.spawn(hold_open(Arc::clone(app), random.fork(), max));
    }
    writers.spawn(over_cap(Arc::clone(app), random.fork(), Duration::from_millis(50)));
    writers.spawn(leavers(Arc::clone(app), Duration::from_millis(60)));
    writers
}

/// Moves until every stage has had a write: a cutover takes a few milliseconds, in which a loaded
/// machine may let no writer run.
async fn agrees_at_the_cutover(kind: Kind, cap: Option<usize>) {
    if !kind.is_available() {
        return;
    }
    let stages = [Stage::Fill, Stage::CatchUp, Stage::Switch];
    let mut all = BTreeMap::new();
    for _ in 0..MAX_MOVES {
        all.extend(moved_under_writes(kind, cap).await);
        if stages.iter().all(|stage| all.contains_key(stage)) {
            return;
        }
    }
    panic!("{kind}: no write at one of {stages:?}: {all:?}");
}

/// Moves once while an application writes, and returns its writes by stage.
async fn moved_under_writes(kind: Kind, cap: Option<usize>) -> BTreeMap<Stage, usize> {
    let mut tokens_of = BTreeMap::new();
    let (users, leavers, rows) = source(&mut tokens_of);
    let everybody = [users.clone(), leavers.clone()].concat();
    let site = Site::new(kind, &everybody, &rows, true).await;
    let mut random = Random::new(&format!("an application on {kind}, {cap:?}"));
    let app = Application::new(&site, &rows, users, leavers).await;
    let begun = Instant::now();
    let mut writers = start(&app, &mut random, kind);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let words = words(kind, cap);
    let mut child = site.spawn("apply", &[words.as_slice(), &["--yes"]].concat());
    loop {
        app.set_stage(site.journal_entry().await.stage);
        if child.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let took = begun.elapsed();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{kind}: {}", text(&output));
    // Each writer ends when it is blocked, and fails on any other error.
    let ended = tokio::time::timeout(Duration::from_secs(30), async {
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
    });
    ended.await.unwrap();
    assert!(app.is_blocked.load(Ordering::Relaxed));
    let writes = app.writes.lock().unwrap().clone();
    let retries = app.retries.load(Ordering::Relaxed);
    let rate = writes.values().sum::<usize>() as f64 / took.as_secs_f64();
    println!(
        "{kind}, cap {cap:?}: {rate:.0} writes/s in {took:.1?}, {retries} contended: {writes:?}"
    );
    let report = site.verified(&words).await;
    tokens_of.extend(
        app.sealed.lock().unwrap().iter().map(|(token, name)| (token.clone(), named(name))),
    );
    let expected = naive::expected(&site, cap, |token| tokens_of.get(token).cloned()).await;
    let actual = naive::actual(&site).await;
    assert_eq!(expected.quarantined, actual.quarantined, "{kind}");
    assert!(expected == actual, "{kind}: {:?}", difference(&expected, &actual));
    assert_eq!(report["target_rows"], actual.live.len());
    writes
}

fn words(kind: Kind, cap: Option<usize>) -> Vec<&'static str> {
    // On SQLite each batch competes with the writers for the lock.
    let batch = if kind == Kind::Sqlite { "200" } else { "40" };
    let mut words = vec!["--online", "--batch", batch];
    match cap {
        None => {}
        Some(2) => words.extend(["--max-sessions", "2", "--partition", "user,provider"]),
        Some(other) => panic!("no words for {other}"),
    }
    words
}

/// Returns the first rows that only one side has.
fn difference(expected: &naive::Content, actual: &naive::Content) -> (Vec<String>, Vec<String>) {
    let only = |one: &naive::Content, other: &naive::Content| {
        let missing = one.live.keys().filter(|row| !other.live.contains_key(*row));
        missing.take(5).map(|row| format!("{row:?}")).collect()
    };
    (only(expected, actual), only(actual, expected))
}

mod capped {
    use super::{Kind, agrees_at_the_cutover};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        agrees_at_the_cutover(Kind::Sqlite, Some(2)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres() {
        agrees_at_the_cutover(Kind::Postgres, Some(2)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn mariadb() {
        agrees_at_the_cutover(Kind::MariaDb, Some(2)).await;
    }
}

mod uncapped {
    use super::{Kind, agrees_at_the_cutover};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        agrees_at_the_cutover(Kind::Sqlite, None).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres() {
        agrees_at_the_cutover(Kind::Postgres, None).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn mariadb() {
        agrees_at_the_cutover(Kind::MariaDb, None).await;
    }
}

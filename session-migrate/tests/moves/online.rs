//! An online move while an application writes all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use session_tests::database::Kind;
use tokio::task::JoinSet;

use crate::application::{Application, crowds, held, leavers, short};
use crate::chance::Chance;
use crate::naive;
use crate::seed::{Row, USERS, rows, tokens};
use crate::site::{Site, Stage, text};

const ROWS: usize = 2400;
const LEAVERS: usize = 200;

/// Users, those who leave, and rows: no orphans, for foreign keys take none.
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

/// Two hundred writes a second, of all sorts.
fn start(app: &Arc<Application>, chance: &mut Chance, kind: Kind) -> JoinSet<()> {
    let mut writers = JoinSet::new();
    for _ in 0..6 {
        writers.spawn(short(Arc::clone(app), chance.fork(), Duration::from_millis(40)));
    }
    // SQLite has one writer at a time: who holds a transaction open holds everybody up.
    let (holders, most) = if kind == Kind::Sqlite { (1, 120) } else { (3, 1200) };
    let most = Duration::from_millis(most);
    for _ in 0..holders {
        writers.spawn(held(Arc::clone(app), chance.fork(), most));
    }
    writers.spawn(crowds(Arc::clone(app), chance.fork(), Duration::from_millis(50)));
    writers.spawn(leavers(Arc::clone(app), Duration::from_millis(60)));
    writers
}

async fn agrees_at_the_switch(kind: Kind, cap: Option<usize>) {
    if !kind.is_available() {
        return;
    }
    let mut tokens_of = BTreeMap::new();
    let (users, leavers, rows) = source(&mut tokens_of);
    let everybody = [users.clone(), leavers.clone()].concat();
    let site = Site::new(kind, &everybody, &rows, true).await;
    let mut chance = Chance::new(&format!("an application on {kind}, {cap:?}"));
    let app = Application::new(&site, &rows, users, leavers).await;
    let begun = Instant::now();
    let mut writers = start(&app, &mut chance, kind);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let words = words(kind, cap);
    let mut child = site.spawn("apply", &[words.as_slice(), &["--yes"]].concat());
    loop {
        app.notes(site.noted().await.stage);
        if child.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let took = begun.elapsed();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{kind}: {}", text(&output));
    // Each ends when it is refused, and fails at any other error.
    let ended = tokio::time::timeout(Duration::from_secs(30), async {
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
    });
    ended.await.unwrap();
    assert!(app.is_refused.load(Ordering::Relaxed));
    let writes = app.writes.lock().unwrap().clone();
    let retries = app.retries.load(Ordering::Relaxed);
    let rate = writes.values().sum::<usize>() as f64 / took.as_secs_f64();
    println!(
        "{kind}, cap {cap:?}: {rate:.0} writes/s in {took:.1?}, {retries} in the way: {writes:?}"
    );
    let report = site.verified(&words).await;
    tokens_of.extend(
        app.sealed.lock().unwrap().iter().map(|(token, name)| (token.clone(), named(name))),
    );
    let wanted = naive::wanted(&site, cap, |token| tokens_of.get(token).cloned()).await;
    let held = naive::held(&site).await;
    assert_eq!(wanted.aside, held.aside, "{kind}");
    assert!(wanted == held, "{kind}: {:?}", difference(&wanted, &held));
    assert_eq!(report["target_rows"], held.live.len());
    let mut stages = vec![Stage::Fill, Stage::CatchUp, Stage::Switch];
    if cap.is_some() {
        stages.push(Stage::Rank);
    }
    for stage in stages {
        assert!(writes.contains_key(&stage), "{kind}: nobody wrote at {stage:?}: {writes:?}");
    }
}

fn words(kind: Kind, cap: Option<usize>) -> Vec<&'static str> {
    // On SQLite each batch waits for its turn among the writers.
    let batch = if kind == Kind::Sqlite { "200" } else { "40" };
    let mut words = vec!["--online", "--batch", batch, "--partition", "user,provider"];
    match cap {
        None => {}
        Some(2) => words.extend(["--max-sessions", "2"]),
        Some(other) => panic!("no words for {other}"),
    }
    words
}

/// The first rows that only one side has.
fn difference(wanted: &naive::Held, held: &naive::Held) -> (Vec<String>, Vec<String>) {
    let only = |one: &naive::Held, other: &naive::Held| {
        let missing = one.live.keys().filter(|row| !other.live.contains_key(*row));
        missing.take(5).map(|row| format!("{row:?}")).collect()
    };
    (only(wanted, held), only(held, wanted))
}

mod capped {
    use super::{Kind, agrees_at_the_switch};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        agrees_at_the_switch(Kind::Sqlite, Some(2)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres() {
        agrees_at_the_switch(Kind::Postgres, Some(2)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn mariadb() {
        agrees_at_the_switch(Kind::MariaDb, Some(2)).await;
    }
}

mod uncapped {
    use super::{Kind, agrees_at_the_switch};

    #[tokio::test(flavor = "multi_thread")]
    async fn sqlite() {
        agrees_at_the_switch(Kind::Sqlite, None).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn postgres() {
        agrees_at_the_switch(Kind::Postgres, None).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn mariadb() {
        agrees_at_the_switch(Kind::MariaDb, None).await;
    }
}

//! Killed while a move is taken back, or while a file is copied: nothing is left half done.

use std::time::Duration;

use sea_orm_migration::sea_orm::QueryResult;
use session_tests::database::Kind;
use session_tests::on_every_database;

use crate::chance::Chance;
use crate::seed::{USERS, rows};
use crate::site::{Site, Stage, text};

const WORDS: [&str; 5] = ["--max-sessions", "2", "--online", "--batch", "20"];

/// All that a rollback must leave as it was: names of tables and triggers, and every value.
async fn everything(site: &Site) -> Vec<String> {
    let catalog = match site.kind() {
        Kind::Sqlite => {
            vec!["SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master"]
        }
        Kind::Postgres => vec![
            "SELECT 'table ' || tablename FROM pg_tables WHERE schemaname = 'public'",
            "SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
        ],
        _ => vec![
            "SELECT CONCAT('table ', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()",
            "SELECT CONCAT('trigger ', TRIGGER_NAME) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
        ],
    };
    let mut lines = Vec::new();
    for sql in catalog {
        lines.extend(
            site.query(sql).await.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()),
        );
    }
    let sql = "SELECT id, user_id, provider, token, expires_at, created_at, updated_at FROM oauth_session";
    lines.extend(site.query(sql).await.iter().map(line));
    lines.sort();
    lines
}

fn line(row: &QueryResult) -> String {
    let texts = (0..4).map(|at| row.try_get_by_index::<String>(at).unwrap());
    let numbers = (4..7).map(|at| row.try_get_by_index::<i64>(at).unwrap().to_string());
    texts.chain(numbers).collect::<Vec<String>>().join("|")
}

fn users() -> Vec<String> {
    (0..USERS).map(|at| format!("u{at}")).collect()
}

/// Kills `rollback` again and again, later each time, until one comes to its end.
async fn back(site: &Site, chance: &mut Chance) -> usize {
    for kills in 0.. {
        let mut child = site.spawn("rollback", &WORDS);
        let most = Duration::from_millis(100 + 60 * u64::try_from(kills).unwrap());
        tokio::time::sleep(most / 2 + chance.within(most)).await;
        if child.try_wait().unwrap().is_none() {
            child.start_kill().unwrap();
        }
        let output = child.wait_with_output().await.unwrap();
        match output.status.code() {
            None => {}
            Some(0) => return kills,
            // The one before was killed when all was done but its exit; what is left is compared.
            Some(_) if kills > 0 && text(&output).contains("there is no such move") => {
                return kills;
            }
            Some(_) => panic!("after {kills} kills: {}", text(&output)),
        }
    }
    unreachable!("it counts without an end")
}

on_every_database! {
    async fn a_killed_rollback_is_run_again(kind: Kind) {
        let rows = rows(250);
        let mut chance = Chance::new(&format!("rollback on {kind}"));
        for is_switched in [true, false] {
            let site = Site::new(kind, &users(), &rows, false).await;
            let before = everything(&site).await;
            if is_switched {
                site.succeed("apply", &[WORDS.as_slice(), &["--yes"]].concat()).await;
            } else {
                let mut child = site.spawn("apply", &[WORDS.as_slice(), &["--yes"]].concat());
                assert!(site.reaches(&mut child, Stage::Rank).await);
                assert!(crate::kill::kill(child).await);
            }
            assert_ne!(everything(&site).await, before);
            let kills = back(&site, &mut chance).await;
            println!("{kind}: a rollback was killed {kills} times");
            assert_eq!(everything(&site).await, before, "{kind}, {is_switched}");
            // And it can be moved as if nothing had been.
            site.succeed("apply", &[WORDS.as_slice(), &["--yes"]].concat()).await;
            assert_eq!(site.verified(&WORDS).await["mismatches"], 0);
        }
    }
}

/// The files beside the database's own.
fn beside(site: &Site) -> Vec<std::path::PathBuf> {
    let path = site.database.url().trim_start_matches("sqlite://");
    let path = std::path::Path::new(path.split('?').next().unwrap());
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
    files.map(|file| file.unwrap().path()).filter(|it| it != path).collect()
}

fn is_partial(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|it| it == "partial")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_broken_off_is_made_anew() {
    let site = Site::new(Kind::Sqlite, &users(), &rows(60), false).await;
    site.run("CREATE TABLE large (bytes BLOB)").await;
    for _ in 0..24 {
        site.run("INSERT INTO large VALUES (randomblob(1000000))").await;
    }
    let mut broken_off = 0;
    while broken_off < 3 {
        let mut child = site.spawn("apply", &["--yes"]);
        while !beside(&site).iter().any(|path| is_partial(path)) {
            assert!(child.try_wait().unwrap().is_none(), "it was never seen at the copy");
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        assert!(crate::kill::kill(child).await);
        assert_eq!(site.noted().await.stage, Stage::Expand);
        broken_off += usize::from(beside(&site).iter().any(|path| is_partial(path)));
        for path in beside(&site) {
            // Whole copies that were faster than the kill.
            if path.to_string_lossy().contains(".before-") && !is_partial(&path) {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    site.succeed("apply", &["--yes"]).await;
    let copies = beside(&site);
    assert!(!copies.iter().any(|path| is_partial(path)), "{copies:?}");
    let copy = copies.iter().find(|path| path.to_string_lossy().contains(".before-")).unwrap();
    let url = format!("sqlite://{}", copy.display());
    let copy = sea_orm_migration::sea_orm::Database::connect(url).await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM large), (SELECT count(*) FROM oauth_session)";
    let sql = sea_orm_migration::sea_orm::Statement::from_string(copy.get_database_backend(), sql);
    use sea_orm_migration::sea_orm::ConnectionTrait as _;
    let row = copy.query_one_raw(sql).await.unwrap().unwrap();
    let counts: [i64; 2] = [0, 1].map(|at| row.try_get_by_index(at).unwrap());
    assert_eq!(counts, [24, 60]);
}

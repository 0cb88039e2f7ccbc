//! Rollbacks and file copies that are killed: running them again completes them.

use std::time::Duration;

use sea_orm_migration::sea_orm::QueryResult;
use session_tests::database::Kind;
use session_tests::on_every_database;

use crate::random::Random;
use crate::seed::{USERS, rows};
use crate::site::{Site, Stage, text};

const WORDS: [&str; 5] = ["--max-sessions", "2", "--online", "--batch", "20"];

/// Returns everything that a rollback must restore: tables, triggers and values.
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

/// Kills `rollback` repeatedly, later each time, until one completes; returns the number of kills.
async fn roll_back(site: &Site, random: &mut Random) -> usize {
    for kills in 0.. {
        let mut child = site.spawn("rollback", &WORDS);
        let max = Duration::from_millis(100 + 60 * u64::try_from(kills).unwrap());
        tokio::time::sleep(max / 2 + random.within(max)).await;
        if child.try_wait().unwrap().is_none() {
            child.start_kill().unwrap();
        }
        let output = child.wait_with_output().await.unwrap();
        match output.status.code() {
            None => {}
            Some(0) => return kills,
            // The previous one was killed after its work and before its exit.
            Some(_) if kills > 0 && text(&output).contains("there is no such move") => {
                return kills;
            }
            Some(_) => panic!("after {kills} kills: {}", text(&output)),
        }
    }
    unreachable!("the loop is infinite")
}

on_every_database! {
    async fn a_killed_rollback_is_run_again(kind: Kind) {
        let rows = rows(250);
        let mut random = Random::new(&format!("rollback on {kind}"));
        for is_cut_over in [true, false] {
            let site = Site::new(kind, &users(), &rows, false).await;
            let before = everything(&site).await;
            if is_cut_over {
                site.succeed("apply", &[WORDS.as_slice(), &["--yes"]].concat()).await;
            } else {
                let mut child = site.spawn("apply", &[WORDS.as_slice(), &["--yes"]].concat());
                assert!(site.reaches(&mut child, Stage::Fill).await);
                assert!(crate::kill::kill(child).await);
            }
            assert_ne!(everything(&site).await, before);
            let kills = roll_back(&site, &mut random).await;
            println!("{kind}: a rollback was killed {kills} times");
            assert_eq!(everything(&site).await, before, "{kind}, {is_cut_over}");
            // The source can be moved again.
            site.succeed("apply", &[WORDS.as_slice(), &["--yes"]].concat()).await;
            assert_eq!(site.verified(&WORDS).await["mismatches"], 0);
        }
    }
}

/// Returns the other files in the folder of the database.
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
async fn an_interrupted_copy_is_made_again() {
    let site = large().await;
    let mut interrupted = 0;
    while interrupted < 3 {
        let mut child = site.spawn("apply", &["--yes"]);
        while !beside(&site).iter().any(|path| is_partial(path)) {
            assert!(child.try_wait().unwrap().is_none(), "the copy was never observed");
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        assert!(crate::kill::kill(child).await);
        assert_eq!(site.journal_entry().await.stage, Stage::Expand);
        interrupted += usize::from(beside(&site).iter().any(|path| is_partial(path)));
        for path in beside(&site) {
            // Copies that completed before the kill.
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

/// Creates a file whose copy takes a moment.
async fn large() -> Site {
    let site = Site::new(Kind::Sqlite, &users(), &rows(60), false).await;
    site.run("CREATE TABLE large (bytes BLOB)").await;
    for _ in 0..24 {
        site.run("INSERT INTO large VALUES (randomblob(1000000))").await;
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(unix)]
async fn a_copy_is_never_readable_by_more_than_its_source() {
    use std::os::unix::fs::PermissionsExt as _;

    let site = large().await;
    let path =
        site.database.url().trim_start_matches("sqlite://").split('?').next().unwrap().to_owned();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut child = site.spawn("apply", &["--yes"]);
    let mut seen = 0;
    while child.try_wait().unwrap().is_none() {
        for copy in beside(&site).iter().filter(|copy| copy.to_string_lossy().contains(".before-"))
        {
            let Ok(metadata) = std::fs::metadata(copy) else { continue };
            let mode = metadata.permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{mode:o} {}", copy.display());
            seen += usize::from(is_partial(copy));
        }
    }
    assert!(seen > 0, "the copy was never observed");
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_fails_is_removed() {
    let site = large().await;
    let tool = crate::tool::Tool::preset(&site, "openwebui").key(crate::openwebui::KEY);
    // The disk is full after 8 MB.
    let refused = tool.file_blocks(8 * 1024).run("apply", &["--yes"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.errors.contains("cannot be backed up"), "{refused:?}");
    let copies = beside(&site);
    assert!(!copies.iter().any(|path| path.to_string_lossy().contains(".before-")), "{copies:?}");
}

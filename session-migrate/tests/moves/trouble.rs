//! Databases that are locked, read-only, full, or unavailable during a move.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use sea_orm_migration::sea_orm::ConnectionTrait as _;
use session_migrate::{Approval, Move};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use url::Url;

use crate::openwebui::{self, KEY};
use crate::snapshot::{changes, snapshot};
use crate::tool::Tool;
use session_tests::source::Source;

/// Waits until a move in this process has read some rows.
async fn started(moving: &Move) {
    let mut progress = moving.progress();
    let some = |progress: &session_migrate::Progress| progress.counts.read >= 2;
    let waited = tokio::time::timeout(Duration::from_secs(60), progress.wait_for(some)).await;
    drop(waited.expect("it starts").unwrap());
}

on_every_database! {
    async fn a_second_process_is_told_of_the_first(database: Database) {
        let source = openwebui::source(database, 60).await;
        let tool = openwebui::tool(&source);
        let first = Move::new(tool.options("openwebui").online(true).batch(1));
        let cancel = first.cancellation();
        let applying = async {
            let error = first.apply(Approval::Unreviewed).await.unwrap_err();
            assert_eq!(error.kind(), session_migrate::MigrateErrorKind::Cancelled, "{error}");
        };
        let second = async {
            started(&first).await;
            // A paused process keeps its lock.
            tool.done("pause", &[]).await;
            let holder = format!("process {}", std::process::id());
            let answer = tool.run("apply", &["--yes", "--online"]).await;
            answer.ends(1, &holder);
            assert!(answer.errors.contains("another process"), "{answer:?}");
            tool.run("rollback", &[]).await.ends(1, &holder);
            let status = tool.done("status", &[]).await;
            assert!(status["moves"][0]["owner"].as_str().unwrap().contains(&holder), "{status}");
            cancel.cancel();
            let words = tool.clone().words(&["--online"]);
            let resumed = words.run("resume", &["--json"]).await;
            assert!(matches!(resumed.code, Some(0 | 1)), "{resumed:?}");
        };
        tokio::join!(applying, second);
        let online = tool.clone().words(&["--online"]);
        online.done("apply", &["--yes"]).await;
        assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
    }

    async fn a_move_continues_after_an_outage(database: Database) {
        let source = openwebui::source(database, 40).await;
        let undisturbed = {
            let tool = openwebui::tool(&source);
            let verified = tool.moved().await;
            tool.done("rollback", &[]).await;
            verified["result_digest"].clone()
        };
        let link = source.database.link().await;
        let tool = Tool::new(link.url()).words(&["--preset", "openwebui"]).key(KEY);
        let moving = Move::new(tool.options("openwebui").batch(1));
        let applying = moving.apply(Approval::Unreviewed);
        let cutting = async {
            started(&moving).await;
            let outage = link.cut().await;
            // On SQLite the command waits for the lock.
            if link.kind() != Kind::Sqlite {
                let away = tool.run("apply", &["--yes"]).await;
                assert_eq!(away.code, Some(1), "{away:?}");
                assert!(away.errors.starts_with("error: "), "{away:?}");
            }
            outage.restore().await;
        };
        // On SQLite the move may wait for the lock; the connection to a server is closed.
        let (applied, ()) = tokio::join!(applying, cutting);
        if link.kind() != Kind::Sqlite {
            assert!(applied.is_err());
        }
        tool.done("apply", &["--yes"]).await;
        let verified = tool.done("verify", &[]).await;
        assert_eq!((&verified["mismatches"], &verified["result_digest"]), (&0.into(), &undisturbed));
    }

    async fn a_read_only_database_is_left_unchanged(database: Database) {
        let source = openwebui::source(database, 3).await;
        let before = snapshot(&source).await;
        let tool = openwebui::tool(&source);
        match source.kind() {
            // Root can write to read-only files, so the address makes it read-only.
            Kind::Sqlite => {
                let url = source.database.url().replace("mode=rwc", "mode=ro");
                let tool = Tool::new(&url).words(&["--preset", "openwebui"]).key(KEY);
                let answer = tool.run("apply", &["--yes"]).await;
                answer.ends(1, "readonly");
            }
            Kind::Postgres => {
                let mut url = Url::parse(source.database.url()).unwrap();
                let name = format!("reader_{}", uuid::Uuid::now_v7().simple());
                source.run(&format!("CREATE ROLE {name} LOGIN PASSWORD 'x';\nGRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")).await;
                url.set_username(&name).unwrap();
                url.set_password(Some("x")).unwrap();
                let reader = Tool::new(url.as_str()).words(&["--preset", "openwebui"]).key(KEY);
                let plan = reader.done("plan", &[]).await;
                assert_eq!(plan["target_has_tables"], false);
                let answer = reader.run("apply", &["--yes"]).await;
                source.run(&format!("DROP OWNED BY {name};\nDROP ROLE {name}")).await;
                answer.ends(1, "lacks the rights CREATE in the target's schema");
            }
            Kind::MariaDb | Kind::MySql => {
                let mut url = Url::parse(source.database.url()).unwrap();
                let name = format!("r{}", &uuid::Uuid::now_v7().simple().to_string()[8..]);
                let database = url.path().trim_start_matches('/').to_owned();
                let made = source.connection.execute_unprepared(&format!("CREATE USER '{name}'@'%' IDENTIFIED BY 'x'")).await;
                if made.is_err() {
                    return;
                }
                source.run(&format!("GRANT SELECT ON `{database}`.* TO '{name}'@'%'")).await;
                url.set_username(&name).unwrap();
                url.set_password(Some("x")).unwrap();
                let reader = Tool::new(url.as_str()).words(&["--preset", "openwebui"]).key(KEY);
                reader.done("plan", &[]).await;
                let answer = reader.run("apply", &["--yes"]).await;
                source.run(&format!("DROP USER '{name}'@'%'")).await;
                answer.ends(1, "lacks the rights CREATE on the target's database");
            }
        }
        assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
        tool.moved().await;
    }
}

fn file(source: &Source) -> std::path::PathBuf {
    let url = source.database.url().strip_prefix("sqlite://").unwrap();
    url.split('?').next().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_and_the_move_continues_later() {
    let source = openwebui::source(Database::create(Kind::Sqlite).await, 400).await;
    let before = snapshot(&source).await;
    let target = Database::create(Kind::Sqlite).await;
    // Into another file, whose size is limited.
    let tool = openwebui::tool(&source).to(target.url());
    let full = tool.clone().file_blocks(160);
    let answer = full.run("apply", &["--yes", "--batch", "20"]).await;
    assert_eq!(answer.code, Some(1), "{answer:?}");
    let is_named = ["full", "disk I/O error"].iter().any(|word| answer.errors.contains(word));
    assert!(is_named, "{answer:?}");
    assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
    // Without the limit it continues.
    tool.done("apply", &["--yes"]).await;
    assert_eq!(tool.done("verify", &[]).await["mismatches"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_not_created() {
    let database = Database::create(Kind::Sqlite).await;
    let source = openwebui::source(database, 1).await;
    let path = file(&source).with_file_name("none.sqlite");
    let tool = Tool::new(&format!("sqlite://{}?mode=rwc", path.display()));
    let tool = tool.words(&["--preset", "openwebui"]).key(KEY);
    for call in [&["plan"][..], &["apply", "--yes"], &["verify"], &["status"]] {
        let answer = tool.run(call[0], &call[1..]).await;
        assert_eq!(answer.code, Some(1), "{call:?} {answer:?}");
        assert!(!path.exists(), "{call:?}");
    }
    assert!(std::fs::metadata(file(&source)).unwrap().permissions().mode() & 0o400 != 0);
}

//! A table whose writes are blocked.

use sea_orm::ConnectionTrait as _;
use session_migrate::capture::ChangeCapture;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::migrate_change::watched::{Watched, long, tokens};

async fn filled(database: Database) -> Watched {
    let watched = tokens(database).await;
    watched.noted_of("INSERT INTO tokens VALUES ('a', 'u', 'p', 't', 1)").await;
    watched
}

fn writes(kind: Kind) -> Vec<&'static str> {
    let mut writes = vec![
        "INSERT INTO tokens VALUES ('b', 'u', 'p', 't', 1)",
        "UPDATE tokens SET t = 'x'",
        "UPDATE tokens SET seen = 2",
        "DELETE FROM tokens",
    ];
    match kind {
        Kind::Sqlite => writes.extend([
            "INSERT OR IGNORE INTO tokens VALUES ('b', 'u', 'p', 't', 1)",
            "INSERT OR REPLACE INTO tokens VALUES ('a', 'u', 'p', 'r', 1)",
            "UPDATE OR IGNORE tokens SET t = 'x'",
            "UPDATE OR FAIL tokens SET t = 'x'",
        ]),
        Kind::Postgres => writes.extend([
            "INSERT INTO tokens VALUES ('a', 'u', 'p', 't', 1) ON CONFLICT DO NOTHING",
            "TRUNCATE tokens",
        ]),
        _ => writes.extend([
            "INSERT IGNORE INTO tokens VALUES ('b', 'u', 'p', 't', 1)",
            "UPDATE IGNORE tokens SET t = 'x'",
            "DELETE IGNORE FROM tokens",
            "REPLACE INTO tokens VALUES ('a', 'u', 'p', 'r', 1)",
        ]),
    }
    writes
}

on_every_database! {
    async fn every_write_is_refused_with_a_reason(database: Database) {
        let watched = filled(database).await;
        let connection = &watched.source.connection;
        let standing = watched.watch.state(connection).await.unwrap();
        assert_eq!((standing.is_capturing, standing.is_blocked, standing.is_clean), (true, false, false));
        watched.watch.block(connection, &long()).await.unwrap();
        watched.watch.block(connection, &long()).await.unwrap();
        assert!(watched.watch.state(connection).await.unwrap().is_blocked);
        for sql in writes(watched.kind()) {
            let error = connection.execute_unprepared(sql).await.expect_err(sql);
            assert!(error.to_string().contains(ChangeCapture::BLOCK_TEXT), "{error}");
        }
        // What changes nothing is let through, and so is reading.
        connection.execute_unprepared("DELETE FROM tokens WHERE id = 'nobody'").await.unwrap();
        let (rows, _) = watched.table.batch(connection, None, 9).await.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].tokens.opened().unwrap().access(), Some("t"));
        assert!(watched.noted().await.is_empty());
    }

    async fn it_can_be_lifted(database: Database) {
        let watched = filled(database).await;
        let connection = &watched.source.connection;
        watched.watch.block(connection, &long()).await.unwrap();
        watched.watch.unblock(connection, &long()).await.unwrap();
        watched.watch.unblock(connection, &long()).await.unwrap();
        let standing = watched.watch.state(connection).await.unwrap();
        assert_eq!((standing.is_capturing, standing.is_blocked), (true, false));
        assert_eq!(watched.noted_of("UPDATE tokens SET t = 'x'").await, ["text \"a\""]);
        watched.watch.block(connection, &long()).await.unwrap();
        watched.stop().await;
        assert!(watched.watch.state(connection).await.unwrap().is_clean);
        watched.source.run("DELETE FROM tokens").await;
    }

    async fn a_half_bar_is_none(database: Database) {
        let watched = filled(database).await;
        let connection = &watched.source.connection;
        watched.watch.block(connection, &long()).await.unwrap();
        let drop = watched.watch.statements().unblock.into_iter().find(|sql| sql.contains("_bar_delete"));
        connection.execute_unprepared(&drop.unwrap()).await.unwrap();
        assert!(!watched.watch.state(connection).await.unwrap().is_blocked);
        watched.watch.block(connection, &long()).await.unwrap();
        assert!(watched.watch.state(connection).await.unwrap().is_blocked);
        assert!(connection.execute_unprepared("DELETE FROM tokens").await.is_err());
    }
}

#[test]
fn the_text_fits_every_database() {
    assert!(ChangeCapture::BLOCK_TEXT.len() <= 128 && ChangeCapture::BLOCK_TEXT.is_ascii());
    assert!(!ChangeCapture::BLOCK_TEXT.contains(['\'', '%', '\\']));
}

//! What a cutover does while writes are blocked, and how often a move reads a row.

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Statement};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;

use crate::openwebui;
use crate::refusals::File;
use crate::tool::{Tool, rows};

/// Runs an update, which must end with a condition, when the journal notes that the cutover has begun:
/// after the last comparison before it.
pub(crate) async fn run_at_cutover(source: &Source, change: &str) {
    source
        .run(&match source.kind() {
            Kind::Sqlite => format!(
                "CREATE TRIGGER unseen AFTER UPDATE ON session_move WHEN NEW.phase = 'switch' AND OLD.phase <> 'switch' BEGIN {change}; END"
            ),
            Kind::Postgres => format!(
                "CREATE FUNCTION unseen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change}; RETURN NULL; END $$;
CREATE TRIGGER unseen AFTER UPDATE ON session_move FOR EACH ROW WHEN (NEW.phase = 'switch' AND OLD.phase <> 'switch') EXECUTE FUNCTION unseen()"
            ),
            Kind::MariaDb | Kind::MySql => {
                format!("CREATE TRIGGER unseen AFTER UPDATE ON session_move FOR EACH ROW {change} AND NEW.phase = 'switch' AND OLD.phase <> 'switch'")
            }
        })
        .await;
}

on_every_database! {
    async fn rows_that_no_log_names_are_not_compared_behind_the_block_but_after_it(database: Database) {
        let source = openwebui::source(database, 20).await;
        source.database.migrate().await;
        // A row of the target, and no row of the source.
        let change = "UPDATE login_session SET account = 'another' WHERE user_id = 'u1'";
        run_at_cutover(&source, change).await;
        let tool = openwebui::tool(&source).words(&["--online"]);
        let differs = async || {
            let applied = tool.run("apply", &["--yes"]).await;
            assert_eq!(applied.code, Some(1), "{applied:?}");
            assert!(applied.errors.contains("1 rows differ although the target is open"), "{applied:?}");
        };
        differs().await;
        let status = openwebui::tool(&source).done("status", &[]).await;
        assert_eq!(status["moves"][0]["phase"], "switched");
        // The comparison is still due.
        differs().await;
        source.run("UPDATE login_session SET account = NULL WHERE user_id = 'u1'").await;
        let applied = tool.done("apply", &["--yes"]).await;
        let verified = tool.done("verify", &[]).await;
        assert_eq!(applied["result_digest"], verified["result_digest"]);
        assert_eq!(applied["counts"]["moved"], verified["target_rows"]);
    }
}

const MAPPING: &str = r#"
    [[mapping]]
    table = "holders"
    key = ["id"]
    user = { column = "person" }
    provider = { column = "provider" }
    tokens.access = { column = "token" }
    created = { column = "made", unit = "s" }
    newest_by = "created"
"#;

on_every_database! {
    async fn a_row_that_loses_its_user_before_the_block_is_applied_behind_it(database: Database) {
        let source = Source::on(database).await;
        source.run("CREATE TABLE holders (id {id}, person VARCHAR(64) NULL, provider VARCHAR(9), token TEXT, made BIGINT)").await;
        for at in 1..=9 {
            source.run(&format!("INSERT INTO holders VALUES ({at}, 'ann', 'p', 't-{at}', {at})")).await;
        }
        source.database.migrate().await;
        // The row that leaves makes room for one that the cap had pruned.
        run_at_cutover(&source, "UPDATE holders SET person = NULL WHERE id = 9 AND person IS NOT NULL").await;
        let file = File::with(MAPPING);
        let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        let tool = tool.words(&["--online", "--max-sessions", "2"]);
        tool.done("apply", &["--yes"]).await;
        let verified = tool.done("verify", &["--rows"]).await;
        let live = rows(&verified).iter().filter(|row| row["state"] == "live");
        let live: Vec<&str> = live.map(|row| row["source_key"].as_str().unwrap()).collect();
        assert_eq!(live.len(), 2, "{live:?}");
        assert!(["7", "8"].iter().all(|key| live.iter().any(|row| row.contains(key))), "{live:?}");
        assert_eq!(verified["unreadable"], 1);
    }
}

/// Returns how many rows of the source PostgreSQL has read.
async fn rows_read(source: &Source) -> i64 {
    let sql = "SELECT (seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables \
        WHERE relname = 'oauth_session'";
    let statement = Statement::from_string(source.connection.get_database_backend(), sql);
    let row = source.connection.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Returns how many rows of the source an offline move of five rows for each user reads.
async fn rows_read_by_a_move(rows: i64, has_index: bool, cap: &[&str]) -> i64 {
    let source = openwebui::source(Database::create(Kind::Postgres).await, 0).await;
    let token = openwebui::token(1);
    source
        .run(&format!(
            "INSERT INTO oauth_session SELECT 'row-' || n, 'user-' || n / 5, 'oidc', '{token}', 1760000000, n, n \
             FROM generate_series(1, {rows}) AS n;\nVACUUM ANALYZE oauth_session"
        ))
        .await;
    if !has_index {
        source.run("DROP INDEX idx_oauth_session_user_id").await;
    }
    // A table as small as this is else scanned for each page, where a large one is not.
    let name = source.database.url().rsplit_once('/').unwrap().1;
    source.run(&format!("ALTER DATABASE {name} SET random_page_cost = 1")).await;
    let before = rows_read(&source).await;
    let tool = openwebui::tool(&source).words(&["--batch", "50"]);
    tool.done("apply", &[&["--yes"], cap].concat()).await;
    rows_read(&source).await - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_with_a_cap_reads_each_row_as_often_as_one_without() {
    if !Kind::Postgres.is_available() {
        return;
    }
    const ROWS: i64 = 4000;
    for has_index in [true, false] {
        let without = rows_read_by_a_move(ROWS, has_index, &[]).await;
        let with = rows_read_by_a_move(ROWS, has_index, &["--max-sessions", "2"]).await;
        println!("{ROWS} rows, {has_index}: {without} read without a cap, {with} with one");
        // The users of each page are looked up once for each time that the rows are read, and are
        // listed before where there is no index.
        assert!(with < without * 3, "{has_index}: {without} without, {with} with a cap");
    }
}

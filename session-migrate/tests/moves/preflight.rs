//! What a plan finds that would fail later, and what it counts.

use sea_orm_migration::sea_orm::ConnectionTrait as _;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;
use session_tests::source::Source;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::openwebui::{self, insert, token};
use crate::refusals::File;
use crate::snapshot::{changes, snapshot};
use crate::tool::{KEYS, PROGRAM, Tool};

const SHARED: &str = r#"
[[mapping]]
table = "grants"
key = ["id"]
user = { column = "person" }
provider = { constant = "github" }
tokens.access = { column = "token" }
created = { column = "created", unit = "s" }
newest_by = "created"
cookie = { column = "cookie" }
"#;

on_every_database! {
    async fn rows_that_share_a_cookie(database: Database) {
        let source = Source::with(database, "
CREATE TABLE grants (id INTEGER NOT NULL PRIMARY KEY, person VARCHAR(20), token VARCHAR(20),
  created BIGINT, cookie VARCHAR(60));
INSERT INTO grants VALUES (1, 'ann', 'at-1', 1, 'a cookie of random text'), (2, 'bob', 'at-2', 2, NULL),
  (3, 'ann', 'at-3', 3, 'a cookie of random text'), (4, 'ann', NULL, 4, 'a cookie of random text'),
  (5, 'zoe', 'at-5', 5, 'another cookie')").await;
        let file = File::with(SHARED);
        let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        let plan = tool.done("plan", &[]).await;
        assert_eq!(plan["mappings"][0]["shared_cookies"], 2, "a row without tokens has none");
        let said = tool.run("plan", &[]).await.out;
        assert!(said.contains("grants: 2 rows have the same cookie"), "{said}");
        let before = snapshot(&source).await;
        for words in [&["--yes"][..], &["--plan", plan["digest"].as_str().unwrap()]] {
            tool.run("apply", words).await.ends(1, "2 rows of grants have the same cookie");
        }
        assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
        // A cap that keeps one row of the cookie lets the move go on.
        let applied = tool.done("apply", &["--yes", "--max-sessions", "1"]).await;
        assert_eq!(applied["counts"]["moved"], 3);
    }

    async fn rows_are_counted_as_an_apply_counts_them(database: Database) {
        let source = openwebui::source(database, 3).await;
        for id in ["odd-1", "odd-2"] {
            insert(&source, id, "a\u{7}b", "oidc", &token(1)).await;
        }
        insert(&source, "odd-3", "u1", "oidc", "no Fernet").await;
        for words in [&[][..], &["--max-sessions", "1"]] {
            let tool = openwebui::tool(&source).words(words);
            let plan = tool.done("plan", &[]).await;
            let applied = tool.done("apply", &["--yes"]).await;
            let (planned, counts) = (&plan["mappings"][0], &applied["counts"]);
            assert_eq!(planned["unreadable"], counts["unreadable"], "{words:?}");
            assert_eq!(planned["pruned"], counts["pruned"], "{words:?}");
            assert_eq!(planned["total"]["without_tokens"], counts["empty"], "{words:?}");
            tool.done("rollback", &[]).await;
        }
        let plan = openwebui::tool(&source).done("plan", &[]).await;
        assert_eq!(plan["mappings"][0]["total"]["unreadable"]["no_name"], 2);
        assert_eq!(plan["mappings"][0]["unreadable"], 4);
    }

    async fn what_is_not_listed_is_counted(database: Database) {
        let source = openwebui::source(database, 1).await;
        for at in 0..14 {
            insert(&source, &format!("more-{at:02}"), "u0", "oidc", &token(at)).await;
        }
        let tool = openwebui::tool(&source).words(&["--max-sessions", "1"]);
        let said = tool.run("plan", &[]).await.out;
        assert!(said.contains("over the cap: 14\n") && said.contains("and 4 more"), "{said}");
    }

    async fn quarantined_rows_have_an_exit_code(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        assert_eq!(tool.run("plan", &["--strict"]).await.code, Some(3));
        assert_eq!(tool.run("apply", &["--yes", "--strict"]).await.code, Some(3));
        assert_eq!(tool.run("verify", &["--strict"]).await.code, Some(3));
        assert_eq!(tool.run("verify", &[]).await.code, Some(0));
    }

    async fn options_that_contradict_the_move(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        tool.done("apply", &["--yes", "--max-sessions", "3"]).await;
        for call in ["verify", "rollback", "finalize", "pause", "resume"] {
            tool.run(call, &["--max-sessions", "2"]).await.ends(2, "begun with another cap");
            tool.run(call, &["--online"]).await.ends(2, "begun with another mode");
        }
        tool.done("verify", &["--max-sessions", "3"]).await;
        tool.done("rollback", &[]).await;
    }

    async fn a_move_on_record(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source);
        assert_eq!(tool.done("plan", &[]).await["phase"], serde_json::Value::Null);
        tool.done("apply", &["--yes"]).await;
        let plan = tool.done("plan", &[]).await;
        assert_eq!(plan["phase"], "switched");
        let said = tool.run("plan", &[]).await.out;
        assert!(said.contains("its cutover is done"), "{said}");
    }

    async fn a_key_that_is_missing(database: Database) {
        let source = openwebui::source(database, 2).await;
        let tool = openwebui::tool(&source).without_source_key();
        tool.run("apply", &["--yes"]).await.ends(1, "no key was given: set SESSION_MIGRATE_SOURCE_KEY");
        let wrong = openwebui::tool(&source).key("another key");
        wrong.run("apply", &["--yes"]).await.ends(1, "give the source's key");
    }
}

/// As `verify --rows | head -1` does.
#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_a_list_quietly() {
    let source = openwebui::source(Database::create(Kind::Sqlite).await, 600).await;
    let tool = openwebui::tool(&source);
    tool.done("apply", &["--yes"]).await;
    for words in [&["--rows"][..], &["--rows", "--json"]] {
        let mut child = tool.spawn("verify", words);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next_line().await.unwrap().unwrap();
        drop(lines);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert!(output.status.success(), "{}", output.status);
    }
}

#[tokio::test]
async fn a_file_in_utf_16_is_refused() {
    let database = Database::create(Kind::Sqlite).await;
    let source = Source::on(database).await;
    source.connection.execute_unprepared("PRAGMA encoding = 'UTF-16le'").await.unwrap();
    source.run("CREATE TABLE grants (id INTEGER PRIMARY KEY, person TEXT, token TEXT, created INT, cookie TEXT)").await;
    let file = File::with(SHARED);
    let tool = Tool::new(source.database.url()).words(&["--mapping", file.path()]);
    for (call, words) in
        [("plan", &[][..]), ("apply", &["--yes"]), ("prune", &["--max-sessions", "1"])]
    {
        tool.run(call, words).await.ends(2, "does not store text as UTF-8");
    }
}

/// Checks that a plan names what is wrong with a target, and that an apply writes nothing.
async fn refuses_target(source: &Source, to: &str, wrong: &str) {
    let tool = openwebui::tool(source).to(to);
    let said = tool.run("plan", &[]).await.out;
    assert!(said.contains("an apply will be refused: ") && said.contains(wrong), "{said}");
    let before = snapshot(source).await;
    tool.run("apply", &["--yes"]).await.ends(1, wrong);
    assert_eq!(changes(&before, &snapshot(source).await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_utf_16_is_refused() {
    let source = openwebui::source(Database::create(Kind::Sqlite).await, 2).await;
    let target = Source::on(Database::create(Kind::Sqlite).await).await;
    target.connection.execute_unprepared("PRAGMA encoding = 'UTF-16le'").await.unwrap();
    target.run("CREATE TABLE other (id INTEGER PRIMARY KEY)").await;
    refuses_target(&source, target.database.url(), "the target stores text as UTF-16le").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_latin_1_is_refused() {
    if !Kind::Postgres.is_available() {
        return;
    }
    let source = openwebui::source(Database::create(Kind::Postgres).await, 2).await;
    let name = format!("latin_{}", uuid::Uuid::now_v7().simple());
    let create = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    source
        .connection
        .execute_unprepared(&format!("CREATE DATABASE {name} {create}"))
        .await
        .unwrap();
    let mut url: url::Url = source.database.url().parse().unwrap();
    url.set_path(&name);
    refuses_target(&source, url.as_str(), "the target stores text as LATIN1").await;
    source.connection.execute_unprepared(&format!("DROP DATABASE {name}")).await.unwrap();
}

/// The folder for temporary files that every user may enter, as that of a test run is not.
#[cfg(unix)]
const FOR_ALL: &str = "/tmp";

/// A folder with a database and a copy of the command, as a user sees it who may write neither.
#[cfg(unix)]
struct ReadOnlyFolder(std::path::PathBuf);

#[cfg(unix)]
impl ReadOnlyFolder {
    async fn with(source: &Source) -> Self {
        let name = format!("session-migrate-{}", uuid::Uuid::now_v7().simple());
        let folder = std::path::Path::new(FOR_ALL).join(name);
        std::fs::create_dir(&folder).unwrap();
        source.run(&format!("VACUUM INTO '{}'", folder.join("webui.db").display())).await;
        std::fs::copy(PROGRAM, folder.join("session-migrate")).unwrap();
        let this = Self(folder);
        this.allow(0o444, 0o555);
        this
    }

    fn allow(&self, file: u32, folder: u32) {
        use std::os::unix::fs::PermissionsExt as _;

        for (path, mode) in [(self.0.join("webui.db"), file), (self.0.clone(), folder)] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Runs the command; root may write everything, so that it runs as another user.
    async fn run(&self, call: &str, words: &[&str]) -> String {
        use std::os::unix::fs::MetadataExt as _;

        let mut command = tokio::process::Command::new(self.0.join("session-migrate"));
        let from = format!("sqlite://{}", self.0.join("webui.db").display());
        command.args([call, "--from", &from, "--preset", "openwebui"]).args(words);
        command.env("SESSION_KEYS", KEYS).env("SESSION_MIGRATE_SOURCE_KEY", openwebui::KEY);
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(65534).gid(65534);
        }
        let output = command.current_dir("/").output().await.unwrap();
        crate::site::text(&output)
    }
}

#[cfg(unix)]
impl Drop for ReadOnlyFolder {
    fn drop(&mut self) {
        self.allow(0o644, 0o755);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_that_take_no_writes_are_named() {
    let source = openwebui::source(Database::create(Kind::Sqlite).await, 2).await;
    let folder = ReadOnlyFolder::with(&source).await;
    let offline = folder.run("plan", &[]).await;
    assert!(
        offline.contains("a backup of the source: this user may not create files"),
        "{offline}"
    );
    assert!(offline.contains("the target: this user may not write"), "{offline}");
    let online = folder.run("plan", &["--online"]).await;
    assert!(online.contains("the source: this user may not write"), "{online}");
    let elsewhere = format!("{FOR_ALL}/{}.db", uuid::Uuid::now_v7().simple());
    let to = format!("sqlite://{elsewhere}");
    let applied = folder.run("apply", &["--yes", "--to", &to]).await;
    assert!(
        applied.contains("a backup of the source: this user may not create files"),
        "{applied}"
    );
    let left = source_tables(&to).await;
    let _ = std::fs::remove_file(&elsewhere);
    assert_eq!(left, 0, "nothing was written");
    // With the rights nothing is in the way.
    folder.allow(0o666, 0o777);
    let allowed = folder.run("plan", &[]).await;
    assert!(!allowed.contains("will be refused"), "{allowed}");
}

#[cfg(unix)]
async fn source_tables(url: &str) -> usize {
    let connection = session_migrate::source::connect_read_only(url).await.unwrap();
    let tables = session_migrate::source::Schema::read(&connection).await.unwrap().tables.len();
    connection.close().await.unwrap();
    tables
}

/// A database with one session, and a user who may only read it.
async fn read_only(kind: Kind) -> Option<(Source, Tool, String)> {
    if !kind.is_available() {
        return None;
    }
    let source = openwebui::source(Database::create(kind).await, 3).await;
    let mut url: url::Url = source.database.url().parse().unwrap();
    let name = format!("reader_{}", uuid::Uuid::now_v7().simple());
    let grants = match kind {
        Kind::Postgres => format!(
            "CREATE ROLE {name} LOGIN PASSWORD 'reads'; GRANT ALL ON ALL \
             TABLES IN SCHEMA public TO {name}; REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
             GRANT pg_monitor TO {name}"
        ),
        _ => format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON {}.* TO '{name}'@'%' IDENTIFIED BY 'reads'",
            url.path().trim_start_matches('/')
        ),
    };
    for grant in grants.split("; ") {
        source.run(grant).await;
    }
    url.set_username(&name).unwrap();
    url.set_password(Some("reads")).unwrap();
    let tool =
        Tool::new(url.as_str()).words(&["--preset", "openwebui", "--online", "--name", "reader"]);
    Some((source, tool.key(openwebui::KEY), name))
}

async fn lacks_rights(kind: Kind, rights: &[&str]) {
    let Some((source, tool, name)) = read_only(kind).await else { return };
    let before = snapshot(&source).await;
    let said = tool.run("plan", &[]).await.out;
    let refused = tool.run("apply", &["--yes"]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for right in rights {
        assert!(
            said.contains("an apply will be refused") && said.contains(right),
            "{right}: {said}"
        );
        assert!(refused.errors.contains(right), "{right}: {refused:?}");
    }
    assert_eq!(changes(&before, &snapshot(&source).await), Vec::<String>::new());
    if kind == Kind::Postgres {
        source.run(&format!("DROP OWNED BY {name}")).await;
    }
    source
        .run(&format!("DROP {} {name}", if kind == Kind::Postgres { "ROLE" } else { "USER" }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_named_on_postgres() {
    lacks_rights(
        Kind::Postgres,
        &[
            "CREATE in the target's schema",
            // The right TRIGGER is granted, and does not suffice.
            "ownership of the source's table public.oauth_session",
            "ownership of the source's table public.user",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rights_are_named_on_mariadb() {
    lacks_rights(
        Kind::MariaDb,
        &["CREATE on the target's database", "TRIGGER on the source's database"],
    )
    .await;
}

/// On MySQL and MariaDB a cascade fires no trigger, so that its parents are blocked as well.
#[tokio::test(flavor = "multi_thread")]
async fn cascades_are_named_on_mariadb() {
    if !Kind::MariaDb.is_available() {
        return;
    }
    let tables = session_tests::projects::openwebui::cascading_tables();
    let source = Source::with(Database::create(Kind::MariaDb).await, &tables).await;
    let said = openwebui::tool(&source).run("plan", &[]).await.out;
    assert!(said.contains("in user cascade into oauth_session"), "{said}");
}

//! The four shapes of Auth.js.

use session_migrate::source::SourceKeys;
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::source::Source;

/// Two identities of one provider, a duplicate of one, providers that differ in case and padding,
/// a provider without tokens, and a user who is gone.
const ACCOUNTS: [(&str, &str, &str, &str, &str); 7] = [
    ("1", "google", "g-1", "'at-1', 'rt-1'", "1760000000"),
    ("1", "google", "g-2", "'at-2', 'rt-2'", "1760000000"),
    ("1", "Google", "g-3", "'at-3', NULL", "NULL"),
    ("1", "google ", "g-4", "'at-4', ''", "0"),
    ("2", "github", "h-1", "'at-5', NULL", "NULL"),
    ("2", "resend", "ann@example.invalid", "NULL, NULL", "NULL"),
    ("9", "google", "g-9", "'at-9', 'rt-9'", "1760000000"),
];

pub(crate) async fn fill(source: &Source, table: &str, id: impl Fn(usize) -> Option<String>) {
    for (at, (user, provider, account, tokens, expires)) in ACCOUNTS.iter().enumerate() {
        let id = id(at + 1);
        let column = if id.is_some() { "id, " } else { "" };
        let id = id.map(|id| format!("{id}, ")).unwrap_or_default();
        source
            .run(&format!(
                "INSERT INTO «{table}» ({column}«userId», type, provider, «providerAccountId», \
                 access_token, refresh_token, expires_at) VALUES \
                 ({id}'{user}', 'oauth', '{provider}', '{account}', {tokens}, {expires})"
            ))
            .await;
    }
}

fn expected(key: impl Fn(usize, &str, &str) -> String) -> Vec<String> {
    let rest = [
        "at-1 rt-1 1760000000",
        "at-2 rt-2 1760000000",
        "at-3 - -",
        "at-4 - 0",
        "at-5 - -",
        "no tokens -",
        "at-9 rt-9 1760000000 orphan",
    ];
    let accounts = ACCOUNTS.iter().zip(rest).enumerate();
    let mut lines: Vec<String> = accounts
        .map(|(at, ((user, provider, account, ..), rest))| {
            let key = key(at + 1, provider, account);
            format!("{key} {user} {provider:?} {account} {rest}")
        })
        .collect();
    lines.sort();
    lines
}

on_every_database! {
    async fn pg_has_numbers_and_no_constraints(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE users (id {id}, name VARCHAR(255));
            CREATE TABLE accounts (id {id}, «userId» INTEGER NOT NULL, type VARCHAR(255) NOT NULL,
              provider VARCHAR(255) NOT NULL, «providerAccountId» VARCHAR(255) NOT NULL,
              refresh_token TEXT, access_token TEXT, expires_at BIGINT, id_token TEXT, scope TEXT,
              session_state TEXT, token_type TEXT);
            CREATE TABLE sessions (id {id}, «userId» INTEGER NOT NULL, expires {zoned},
              «sessionToken» VARCHAR(255) NOT NULL);
            INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')").await;
        fill(&source, "accounts", |at| Some(at.to_string())).await;
        let lines = source.lines("authjs-pg", SourceKeys::none()).await;
        assert_eq!(lines, expected(|at, _, _| at.to_string()));
        let inspection = source.inspect(SourceKeys::none()).await;
        let report = &inspection.recognised[0].sources[0];
        let total = &report.total;
        assert_eq!((report.pairs, total.without_tokens, total.orphans), (6, 1, 1));
        assert_eq!((total.readable, total.opened_by["none"]), (6, 6));
    }

    async fn prisma_has_ids_of_text_and_times(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE «_prisma_migrations» (id VARCHAR(36) PRIMARY KEY);
            CREATE TABLE «User» (id VARCHAR(30) PRIMARY KEY, name VARCHAR(255));
            CREATE TABLE «Account» (id VARCHAR(30) PRIMARY KEY, «userId» VARCHAR(30) NOT NULL,
              type VARCHAR(191) NOT NULL, provider VARCHAR(191) NOT NULL,
              «providerAccountId» VARCHAR(191) NOT NULL, refresh_token TEXT, access_token TEXT,
              expires_at INTEGER, token_type TEXT, scope TEXT, id_token TEXT, session_state TEXT,
              «createdAt» {naive}, «updatedAt» {naive});
            INSERT INTO «User» VALUES ('1', 'Ann'), ('2', 'Bob')").await;
        fill(&source, "Account", |at| Some(format!("'cuid-{at}'"))).await;
        // On SQLite, Prisma writes milliseconds into a column of times.
        let moment = match source.kind() {
            Kind::Sqlite => "1760011200500",
            _ => "'2025-10-09 12:00:00.5'",
        };
        source.run(&format!("UPDATE «Account» SET «createdAt» = {moment}")).await;
        let lines = source.lines("authjs-prisma", SourceKeys::none()).await;
        assert_eq!(lines, expected(|at, _, _| format!("cuid-{at}")));
        let fit = source.recognised("authjs-prisma").await;
        let codecs = session_migrate::source::Codecs::new(SourceKeys::none());
        let rows = source.rows(&fit.mappings.mapping[0], &codecs).await;
        let created = rows[0].created_at.unwrap().as_millis();
        assert_eq!((created, rows[0].renewed_at), (1_760_011_200_500, None));
    }

    async fn drizzle_has_no_id(database: Database) {
        let source = Source::on(database).await;
        // Under MariaDB's collation `google` and `Google` are one key only with one account.
        source.run("
            CREATE TABLE «user» (id VARCHAR(100) PRIMARY KEY, name VARCHAR(255));
            CREATE TABLE account («userId» VARCHAR(100) NOT NULL, type VARCHAR(100) NOT NULL,
              provider VARCHAR(100) NOT NULL, «providerAccountId» VARCHAR(100) NOT NULL,
              refresh_token VARCHAR(255), access_token VARCHAR(255), expires_at INT,
              token_type VARCHAR(255), scope VARCHAR(255), id_token VARCHAR(2048),
              session_state VARCHAR(255), PRIMARY KEY (provider, «providerAccountId»));
            INSERT INTO «user» VALUES ('1', 'Ann'), ('2', 'Bob')").await;
        fill(&source, "account", |_| None).await;
        let key = |_, provider: &str, account: &str| format!("[{provider:?},{account:?}]");
        assert_eq!(source.lines("authjs-drizzle", SourceKeys::none()).await, expected(key));
    }

    async fn a_prefix_holds_for_the_users_too(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE chat_user (id VARCHAR(100) PRIMARY KEY);
            CREATE TABLE shop_user (id VARCHAR(100) PRIMARY KEY);
            CREATE TABLE shop_account («userId» VARCHAR(100) NOT NULL, type VARCHAR(100) NOT NULL,
              provider VARCHAR(100) NOT NULL, «providerAccountId» VARCHAR(100) NOT NULL,
              refresh_token TEXT, access_token TEXT, expires_at INT,
              PRIMARY KEY (provider, «providerAccountId»));
            INSERT INTO shop_user VALUES ('1'), ('2')").await;
        fill(&source, "shop_account", |_| None).await;
        let key = |_, provider: &str, account: &str| format!("[{provider:?},{account:?}]");
        assert_eq!(source.lines("authjs-drizzle", SourceKeys::none()).await, expected(key));
        source.run("DROP TABLE shop_user").await;
        let fit = source.recognised("authjs-drizzle").await;
        assert!(fit.mappings.mapping[0].parent.is_empty(), "{fit:?}");
    }

    async fn typeorm_has_uuids(database: Database) {
        let source = Source::on(database).await;
        source.run("
            CREATE TABLE typeorm_metadata (type VARCHAR(255) NOT NULL);
            CREATE TABLE users (id {uuid} PRIMARY KEY, name VARCHAR(255));
            CREATE TABLE accounts (id {uuid} PRIMARY KEY, «userId» VARCHAR(36) NOT NULL,
              type VARCHAR(255) NOT NULL, provider VARCHAR(255) NOT NULL,
              «providerAccountId» VARCHAR(255) NOT NULL, refresh_token VARCHAR(255),
              access_token VARCHAR(255), expires_at BIGINT, token_type VARCHAR(255),
              scope VARCHAR(255), id_token VARCHAR(255), session_state VARCHAR(255));
            CREATE TABLE sessions (id {uuid} PRIMARY KEY, «sessionToken» VARCHAR(255),
              «userId» VARCHAR(36), expires VARCHAR(255))").await;
        let uuid = |at: usize| format!("018f0000-0000-7000-8000-00000000000{at}");
        fill(&source, "accounts", |at| Some(format!("'{}'", uuid(at)))).await;
        for user in [1, 2] {
            let id = uuid(user);
            source.run(&format!("INSERT INTO users VALUES ('{id}', 'x')")).await;
            source
                .run(&format!("UPDATE accounts SET «userId» = '{id}' WHERE «userId» = '{user}'"))
                .await;
        }
        let lines = source.lines("authjs-typeorm", SourceKeys::none()).await;
        let mut expected = expected(|at, _, _| uuid(at));
        for line in &mut expected {
            for user in [1, 2] {
                *line = line.replacen(&format!(" {user} \""), &format!(" {} \"", uuid(user)), 1);
            }
        }
        assert_eq!(lines, expected);
    }
}

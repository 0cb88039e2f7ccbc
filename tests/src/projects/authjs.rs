//! The four layouts of Auth.js.

use crate::database::{Database, Kind};
use crate::source::Source;

macro_rules! account {
    () => {
        "type VARCHAR(255) NOT NULL, provider VARCHAR(190) NOT NULL,
  «providerAccountId» VARCHAR(190) NOT NULL, refresh_token TEXT, access_token TEXT,
  expires_at BIGINT, id_token TEXT, scope TEXT, session_state TEXT, token_type TEXT"
    };
}

/// The tables of `@auth/pg-adapter`: numeric ids, and no constraints.
pub const AUTHJS_PG: &str = concat!(
    "CREATE TABLE users (id {id}, name VARCHAR(255));
CREATE TABLE accounts (id {id}, «userId» INTEGER NOT NULL, ",
    account!(),
    ");
CREATE TABLE sessions (id {id}, «userId» INTEGER NOT NULL, expires {zoned}, «sessionToken» VARCHAR(255) NOT NULL)"
);

/// The tables of `@auth/prisma-adapter`: text ids, and times.
pub const AUTHJS_PRISMA: &str = concat!(
    "CREATE TABLE «_prisma_migrations» (id VARCHAR(36) PRIMARY KEY);
CREATE TABLE «User» (id VARCHAR(30) PRIMARY KEY, name VARCHAR(255));
CREATE TABLE «Account» (id VARCHAR(30) PRIMARY KEY, «userId» VARCHAR(30) NOT NULL, ",
    account!(),
    ", «createdAt» {naive}, «updatedAt» {naive})"
);

/// The tables of `@auth/drizzle-adapter`: a key of provider and account, without an id.
pub const AUTHJS_DRIZZLE: &str = concat!(
    "CREATE TABLE «user» (id VARCHAR(100) PRIMARY KEY, name VARCHAR(255));
CREATE TABLE account («userId» VARCHAR(100) NOT NULL, ",
    account!(),
    ", PRIMARY KEY (provider, «providerAccountId»))"
);

/// The tables of `@auth/typeorm-adapter`: UUIDs.
pub const AUTHJS_TYPEORM: &str = concat!(
    "CREATE TABLE typeorm_metadata (type VARCHAR(255) NOT NULL);
CREATE TABLE users (id {uuid} PRIMARY KEY, name VARCHAR(255));
CREATE TABLE accounts (id {uuid} PRIMARY KEY, «userId» VARCHAR(36) NOT NULL, ",
    account!(),
    ");
CREATE TABLE sessions (id {uuid} PRIMARY KEY, «sessionToken» VARCHAR(255), «userId» VARCHAR(36), expires VARCHAR(255))"
);

/// User, provider, account, access and refresh token, expiry: two accounts at one provider,
/// providers that differ in case and in a trailing space, one without tokens, and an orphan.
const ACCOUNTS: [(&str, &str, &str, &str, &str); 7] = [
    ("1", "google", "g-1", "'at-1', 'rt-1'", "1760000000"),
    ("1", "google", "g-2", "'at-2', 'rt-2'", "1760000000"),
    ("1", "Google", "g-3", "'at-3', NULL", "NULL"),
    ("1", "google ", "g-4", "'at-4', ''", "0"),
    ("2", "github", "h-1", "'at-5', NULL", "NULL"),
    ("2", "resend", "ann@example.invalid", "NULL, NULL", "NULL"),
    ("9", "google", "g-9", "'at-9', 'rt-9'", "1760000000"),
];

/// Returns user, provider and account of each row.
pub fn accounts() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    ACCOUNTS.iter().map(|(user, provider, account, ..)| (*user, *provider, *account))
}

async fn fill(source: &Source, table: &str, id: impl Fn(usize) -> Option<String>) {
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

/// Creates the layout of `@auth/pg-adapter` with rows.
pub async fn authjs_pg(database: Database) -> Source {
    let source = Source::with(database, AUTHJS_PG).await;
    source.run("INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')").await;
    fill(&source, "accounts", |at| Some(at.to_string())).await;
    source
}

/// Creates the layout of `@auth/prisma-adapter` with rows; their ids are `cuid-N`.
pub async fn authjs_prisma(database: Database) -> Source {
    let source = Source::with(database, AUTHJS_PRISMA).await;
    source.run("INSERT INTO «User» VALUES ('1', 'Ann'), ('2', 'Bob')").await;
    fill(&source, "Account", |at| Some(format!("'cuid-{at}'"))).await;
    // On SQLite, Prisma writes milliseconds into a column of times.
    let created = match source.kind() {
        Kind::Sqlite => "1760011200500",
        _ => "'2025-10-09 12:00:00.5'",
    };
    source.run(&format!("UPDATE «Account» SET «createdAt» = {created}")).await;
    source
}

/// Creates the layout of `@auth/drizzle-adapter` with rows.
pub async fn authjs_drizzle(database: Database) -> Source {
    let source = Source::with(database, AUTHJS_DRIZZLE).await;
    source.run("INSERT INTO «user» VALUES ('1', 'Ann'), ('2', 'Bob')").await;
    // The collation of MariaDB keeps `google` and `Google` apart only by their accounts.
    fill(&source, "account", |_| None).await;
    source
}

/// Creates the layout of `@auth/typeorm-adapter` with rows; each id is the UUID of its number.
pub async fn authjs_typeorm(database: Database) -> Source {
    let source = Source::with(database, AUTHJS_TYPEORM).await;
    let uuid = |at: &str| format!("018f0000-0000-7000-8000-00000000000{at}");
    fill(&source, "accounts", |at| Some(format!("'{}'", uuid(&at.to_string())))).await;
    for user in ["1", "2"] {
        let id = uuid(user);
        source.run(&format!("INSERT INTO users VALUES ('{id}', 'x')")).await;
        source
            .run(&format!("UPDATE accounts SET «userId» = '{id}' WHERE «userId» = '{user}'"))
            .await;
    }
    source
}

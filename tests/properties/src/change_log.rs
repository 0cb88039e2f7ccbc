//! Keys in the change log of a migration: each change names its row, whatever its key is.

use arbitrary::{Arbitrary, Unstructured};
use sea_orm::{
    ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, Statement,
    TransactionTrait as _, Value,
};
use session_core::SessionId;
use session_core::clock::SystemClock;
use session_migrate::capture::{CaptureOwner, ChangeCapture, ChangedRows, RetryBudget};
use session_migrate::source::{Cell, Codecs, Mappings, Schema, SourceKeys, SourceTable};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

use crate::hidden::{CANARY, assert_debug_hides};

/// Columns without a type keep each value as it is.
const TABLE: &str = "CREATE TABLE tokens (a, b, u TEXT, p TEXT, t TEXT, PRIMARY KEY (a, b))";

const MAPPING: &str = r#"
    [[mapping]]
    table = "tokens"
    key = ["a", "b"]
    user = { column = "u" }
    provider = { column = "p" }
    tokens.access = { column = "t" }
"#;

const MAX_WRITES: usize = 4;

/// A part of a key.
#[derive(Debug, Arbitrary)]
enum Part<'a> {
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Bytes that SQLite is told are a text.
    AnyText(&'a [u8]),
}

type Key<'a> = [Part<'a>; 2];

/// A write of the application.
#[derive(Debug, Arbitrary)]
enum Write<'a> {
    Insert(Key<'a>),
    Delete(Key<'a>),
    Update { from: Key<'a>, to: Key<'a> },
}

/// A table whose changes are logged.
struct Watched {
    runtime: Runtime,
    connection: DatabaseConnection,
    table: SourceTable,
    capture: ChangeCapture,
}

thread_local! {
    static WATCHED: Watched = Watched::new();
}

impl Watched {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (connection, table, capture) = runtime.block_on(async {
            let connection = Database::connect("sqlite::memory:").await.unwrap();
            connection.execute_unprepared(TABLE).await.unwrap();
            let schema = Schema::read(&connection).await.unwrap();
            let mapping = Mappings::from_toml(MAPPING).unwrap().mapping.remove(0);
            let codecs = Codecs::new(SourceKeys::none());
            let table = SourceTable::open(&connection, &schema, &mapping, &codecs).await.unwrap();
            let owner = CaptureOwner::with_tag(SessionId::derived(&[b"a move"]), "0a1b2c3d");
            let capture = ChangeCapture::new(&table, 0, &owner).unwrap();
            let budget = RetryBudget::new(Arc::new(SystemClock::new()), Duration::from_secs(30));
            capture.start(&connection, &budget).await.unwrap();
            (connection, table, capture)
        });
        Self { runtime, connection, table, capture }
    }
}

/// Checks a few writes, whose transaction is rolled back.
pub(crate) fn check(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let writes = (0..MAX_WRITES).map_while(|_| Write::arbitrary(&mut input).ok());
    let writes: Vec<_> = writes.collect();
    WATCHED.with(|watched| watched.runtime.block_on(check_writes(watched, &writes)));
}

async fn check_writes(watched: &Watched, writes: &[Write<'_>]) {
    let transaction = watched.connection.begin().await.unwrap();
    let mut expected = Vec::new();
    for write in writes {
        expected.extend(run(&transaction, write).await);
    }
    let changes = watched.capture.changes(&transaction, 100).await.unwrap();
    let logged = changes.iter().map(|change| {
        assert_debug_hides(change, &[CANARY]);
        match &change.what {
            ChangedRows::Key(cells) => cells.clone(),
            what => panic!("a write of one row is logged as {what:?}"),
        }
    });
    let logged: Vec<_> = logged.collect();
    assert!(expected.iter().all(|key| logged.contains(key)), "a change is not logged");
    assert!(logged.iter().all(|key| expected.contains(key)), "a row that no write touched");
    check_found(watched, &transaction, &logged).await;
    watched.capture.forget(&transaction, &changes).await.unwrap();
    assert_eq!(watched.capture.count(&transaction).await.unwrap(), 0);
    transaction.rollback().await.unwrap();
}

/// The logged keys lead to all rows that are there, and each row has the key that was logged.
async fn check_found(watched: &Watched, transaction: &DatabaseTransaction, logged: &[Vec<Cell>]) {
    let statement = Statement::from_string(DbBackend::Sqlite, "SELECT COUNT(*) FROM tokens");
    let count = transaction.query_one_raw(statement).await.unwrap().unwrap();
    let count: i64 = count.try_get_by_index(0).unwrap();
    let found = watched.table.rows_by_keys(transaction, logged).await.unwrap();
    assert_eq!(i64::try_from(found.len()).unwrap(), count, "rows behind the logged keys");
    for row in &found {
        assert!(logged.iter().any(|key| key == row.key.cells()), "a row with another key");
    }
    let mut forms: Vec<_> = found.iter().map(|row| row.key.canonical()).collect();
    forms.sort();
    forms.dedup();
    assert_eq!(forms.len(), found.len(), "two keys with one canonical form");
}

/// Runs a write, and returns the keys of the row that it changed; none if it changed none.
async fn run(transaction: &DatabaseTransaction, write: &Write<'_>) -> Vec<Vec<Cell>> {
    let mut values = Vec::new();
    let (sql, keys) = match write {
        Write::Insert(key) => {
            let [a, b] = bound(key, &mut values);
            (format!("INSERT OR IGNORE INTO tokens VALUES ({a}, {b}, 'u', 'p', 't')"), vec![key])
        }
        Write::Delete(key) => {
            let [a, b] = bound(key, &mut values);
            (format!("DELETE FROM tokens WHERE a = {a} AND b = {b}"), vec![key])
        }
        Write::Update { from, to } => {
            let [to_a, to_b] = bound(to, &mut values);
            let [a, b] = bound(from, &mut values);
            let set = format!("a = {to_a}, b = {to_b}");
            let sql = format!("UPDATE OR IGNORE tokens SET {set} WHERE a = {a} AND b = {b}");
            (sql, vec![from, to])
        }
    };
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
    let result = transaction.execute_raw(statement).await.unwrap();
    if result.rows_affected() == 0 { Vec::new() } else { keys.into_iter().map(cells).collect() }
}

/// Returns the placeholders of a key.
fn bound(key: &Key<'_>, values: &mut Vec<Value>) -> [String; 2] {
    key.each_ref().map(|part| {
        let (value, placeholder) = match part {
            Part::Integer(number) => (Value::from(*number), "?"),
            Part::Real(number) => (Value::from(real(*number)), "?"),
            Part::Text(text) => (Value::from(*text), "?"),
            Part::Bytes(bytes) => (Value::from(bytes.to_vec()), "?"),
            Part::AnyText(bytes) => (Value::from(bytes.to_vec()), "CAST(? AS TEXT)"),
        };
        values.push(value);
        placeholder.to_owned()
    })
}

/// SQLite stores what is not a number as `NULL`.
const fn real(number: f64) -> f64 {
    if number.is_nan() { 0.5 } else { number }
}

fn cells(key: &Key<'_>) -> Vec<Cell> {
    let cells = key.iter().map(|part| match part {
        Part::Integer(number) => Cell::Integer(*number),
        Part::Real(number) => Cell::Real(real(*number)),
        Part::Text(text) => Cell::Text((*text).to_owned()),
        Part::Bytes(bytes) => Cell::Bytes(bytes.to_vec()),
        Part::AnyText(bytes) => Cell::from_text_bytes(bytes.to_vec()),
    });
    cells.collect()
}

//! A move of a whole table, compared with one `INSERT … SELECT` plus decrypting and sealing the same
//! values in memory.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait as _;
use session_core::{Keyring, ProviderName, SessionId, Timestamp, TokenResponse, TokenSet, UserId};
use session_migrate::cap::Cap;
use session_migrate::source::{Cell, Codecs, Preset, SourceKeys, TokenCodec};
use session_migrate::{Approval, Layout, Move, MoveOptions, Phase};
use session_tests::database::{Database, Kind};

use crate::median;
use crate::rows::filled_with;

pub(crate) const SOURCE_KEY: &str = "a secret";
pub(crate) const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The cap of the moves that have one: 26 rows in 100 are over it.
const CAP: u32 = 10;

pub(crate) async fn print(rows: u64, runs: usize) {
    println!("apply of {rows} rows, offline, into the same database; medians of {runs} runs");
    println!(
        "{:<10} {:>9} {:>9} {:>9} {:>7} {:>9} {:>7}",
        "", "by hand", "crypto", "apply", "ratio", "with cap", "ratio"
    );
    let sealed = sealed();
    for kind in Kind::available() {
        let mut columns: [Vec<f64>; 6] = std::array::from_fn(|_| Vec::new());
        for run in 0..runs {
            let crypto = crypto(rows, &sealed);
            let by_hand = by_hand(&filled_with(kind, rows, &sealed).await).await;
            // Whatever the machine does meanwhile slows each of them in turn.
            let mut took = [0.0; 2];
            for at in [run % 2, 1 - run % 2] {
                let cap = (at == 1).then_some(CAP);
                took[at] = apply(&filled_with(kind, rows, &sealed).await, cap).await;
            }
            let [without, with] = took;
            let measured =
                [by_hand, crypto, without, without / (by_hand + crypto), with, with / without];
            columns.iter_mut().zip(measured).for_each(|(column, value)| column.push(value));
        }
        let [by_hand, crypto, without, ratio, with, cap_ratio] = columns.map(median);
        println!(
            "{:<10} {by_hand:>7.2} s {crypto:>7.2} s {without:>7.2} s {ratio:>7.2} {with:>7.2} s \
             {cap_ratio:>7.2}",
            kind.to_string(),
        );
    }
}

fn codec() -> Arc<dyn TokenCodec> {
    Codecs::new(SourceKeys::new(SOURCE_KEY)).find("fernet").unwrap()
}

/// Returns a token response as Open WebUI stores it.
pub(crate) fn sealed() -> String {
    let access = "a".repeat(120);
    let json = format!(
        r#"{{"access_token": "{access}", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r-{access}", "scope": "openid email", "expires_at": 1760003600}}"#
    );
    let cell = codec()
        .seal(
            json.as_bytes(),
            &Cell::Text(String::new()),
            Timestamp::from_millis(1_760_000_000_000),
        )
        .unwrap();
    cell.as_text().unwrap().into_owned()
}

/// Returns the seconds that decrypting and sealing take alone, on two threads.
fn crypto(rows: u64, sealed: &str) -> f64 {
    let begun = Instant::now();
    let work = || {
        let (codec, stored) = (codec(), Cell::Text(sealed.to_owned()));
        let keyring = Keyring::parse(KEYS).unwrap();
        let (user, provider) = (UserId::new("ann").unwrap(), ProviderName::new("google").unwrap());
        let id = SessionId::generate(Timestamp::from_millis(0));
        for _ in 0..rows / 2 {
            let opened = codec.open(&stored).unwrap();
            let response = TokenResponse::from_json(opened.plain()).unwrap();
            let tokens =
                TokenSet::new(response, Timestamp::from_millis(0), Duration::from_secs(3600));
            std::hint::black_box(tokens.seal(&keyring, id, &user, &provider).unwrap());
        }
    };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    begun.elapsed().as_secs_f64()
}

async fn by_hand(database: &Database) -> f64 {
    session_migrate::up(database.url()).await.unwrap();
    let connection = database.connect().await;
    let [id, digest, partition, tokens, refresh] = match database.kind() {
        Kind::Sqlite => [
            "randomblob(16)",
            "randomblob(32)",
            "randomblob(32)",
            "CAST(token AS BLOB)",
            "CAST(substr(token, 1, 200) AS BLOB)",
        ],
        Kind::Postgres => [
            "md5(id)::uuid",
            "sha256(id::bytea)",
            "sha256((user_id || provider)::bytea)",
            "token::bytea",
            "left(token, 200)::bytea",
        ],
        Kind::MariaDb | Kind::MySql => [
            "UNHEX(MD5(id))",
            "UNHEX(SHA2(id, 256))",
            "UNHEX(SHA2(CONCAT(user_id, provider), 256))",
            "token",
            "LEFT(token, 200)",
        ],
    };
    let sql = format!(
        "INSERT INTO login_session (id, digest, user_id, provider, partition_key, admission, \
         device, origin, created_at, last_seen_at, timeouts_from, renewed_at, revision, \
         sealed_tokens, sealed_refresh_token, seal_key) SELECT {id}, {digest}, user_id, provider, \
         {partition}, created_at, 'Unknown device', 'imported', created_at * 1000, \
         1760000000000, 1760000000000, updated_at * 1000, 1, {tokens}, {refresh}, 'k1' \
         FROM oauth_session"
    );
    let begun = Instant::now();
    connection.execute_unprepared(&sql).await.unwrap();
    let took = begun.elapsed().as_secs_f64();
    connection.close().await.unwrap();
    took
}

/// Returns the options of a move, with a cap or without.
pub(crate) fn options(database: &Database, cap: Option<u32>) -> MoveOptions {
    let preset: Preset = "openwebui".parse().unwrap();
    let options = MoveOptions::new(database.url(), Layout::Preset(preset))
        .codecs(Codecs::new(SourceKeys::new(SOURCE_KEY)))
        .keyring(Keyring::parse(KEYS).unwrap());
    match cap {
        Some(max) => options.cap(Cap::max_sessions(NonZeroU32::new(max).unwrap())),
        None => options,
    }
}

/// Returns the seconds that a move takes.
async fn apply(database: &Database, cap: Option<u32>) -> f64 {
    let begun = Instant::now();
    let report = Move::new(options(database, cap)).apply(Approval::Unreviewed).await.unwrap();
    assert_eq!(report.phase, Phase::Open);
    begun.elapsed().as_secs_f64()
}

//! Sources in Open WebUI's shape, with what lies about in real ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use session_core::Timestamp;
use session_migrate::source::{Cell, SourceKeys, TokenCodec as _, codec::Fernet};
use sha2::{Digest as _, Sha256};

pub(crate) const KEY: &str = "the current secret";
const OLD_KEY: &str = "last year";

/// A row of `oauth_session`.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) provider: &'static str,
    pub(crate) token: String,
    pub(crate) created: i64,
}

/// A value as Open WebUI encrypts it.
pub(crate) fn sealed(secret: &str, json: &str) -> String {
    let codec = Fernet::new(&SourceKeys::new(secret)).unwrap();
    let now = Timestamp::from_millis(1_750_000_000_000);
    let cell = codec.seal(json.as_bytes(), &Cell::Text(String::new()), now).unwrap();
    cell.as_text().unwrap().into_owned()
}

/// The tokens of a row, told apart by a name.
pub(crate) fn tokens(name: &str) -> String {
    let json = format!(r#"{{"access_token": "at-{name}", "refresh_token": "rt-{name}"}}"#);
    sealed(KEY, &json)
}

/// What the key is, what opens what it does not open, and nothing else.
pub(crate) fn environment() -> [(&'static str, String); 3] {
    [
        ("SESSION_MIGRATE_SOURCE_KEY", KEY.to_owned()),
        ("SESSION_MIGRATE_SOURCE_OLD_KEYS", OLD_KEY.to_owned()),
        ("SESSION_KEYS", target_keys()),
    ]
}

/// The target's key: as random as it must look.
pub(crate) fn target_keys() -> String {
    format!("k1:{}", STANDARD.encode(Sha256::digest(b"the target's key")))
}

/// Users that are there; the rows of others are orphans.
pub(crate) const USERS: usize = 90;

/// Some hundred rows: crowds with ties, orphans, unreadable rows of both sorts, tool clients.
pub(crate) fn rows(count: usize) -> Vec<Row> {
    (0..count)
        .map(|at| {
            // A quarter of the users have most of the rows.
            let user = match at % 3 {
                0 => at % USERS,
                _ => at % (USERS / 4),
            };
            let is_orphan = at % 29 == 0;
            let provider = ["google", "oidc", "Google", "mcp:docs", "oidc"][at % 5];
            Row {
                id: format!("{:08x}-{at:04}", at.wrapping_mul(2_654_435_761) % 0xffff_ffff),
                user: if is_orphan { format!("gone-{at}") } else { format!("u{user}") },
                provider,
                token: token(at),
                // Ties: seven rows of a moment.
                created: 1_700_000_000 + i64::try_from(at / 7).unwrap(),
            }
        })
        .collect()
}

fn token(at: usize) -> String {
    match at {
        _ if at % 17 == 5 => sealed("nobody's", "{}"),
        _ if at % 31 == 7 => "no Fernet".to_owned(),
        _ if at % 13 == 3 => sealed(OLD_KEY, &format!(r#"{{"access_token": "at-{at}"}}"#)),
        _ => tokens(&at.to_string()),
    }
}

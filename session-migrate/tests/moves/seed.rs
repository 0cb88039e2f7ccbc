//! Rows of Open WebUI, with what goes wrong in real ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use session_tests::projects::openwebui::{KEY, sealed, tokens};
use sha2::{Digest as _, Sha256};

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

/// Returns the environment of the command: the source's current and old key, and the target's.
pub(crate) fn environment() -> [(&'static str, String); 3] {
    [
        ("SESSION_MIGRATE_SOURCE_KEY", KEY.to_owned()),
        ("SESSION_MIGRATE_SOURCE_OLD_KEYS", OLD_KEY.to_owned()),
        ("SESSION_KEYS", target_keys()),
    ]
}

/// Returns the target's key, which must look random.
pub(crate) fn target_keys() -> String {
    format!("k1:{}", STANDARD.encode(Sha256::digest(b"the target's key")))
}

/// The number of users; rows of other users are orphans.
pub(crate) const USERS: usize = 90;

/// Returns rows: partitions over the cap with ties, orphans, unreadable rows, and tool clients.
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
                // Ties: seven rows have the same time.
                created: 1_700_000_000 + i64::try_from(at / 7).unwrap(),
            }
        })
        .collect()
}

fn token(at: usize) -> String {
    match at {
        _ if at % 17 == 5 => sealed("an unknown key", "{}"),
        _ if at % 31 == 7 => "no Fernet".to_owned(),
        _ if at % 13 == 3 => sealed(OLD_KEY, &format!(r#"{{"access_token": "at-{at}"}}"#)),
        _ => tokens(&at.to_string()),
    }
}

//! What the target must hold, worked out from the source's rows without any of the tool's code.

use std::collections::BTreeMap;

use sea_orm_migration::sea_orm::prelude::Uuid;
use session_core::token::{Sealed, SealedTokens};
use session_core::{Keyring, ProviderName, SessionId, TokenSet, UserId};
use sha2::{Digest as _, Sha256};

use crate::seed::target_keys;
use crate::site::Site;

/// Access and refresh token.
pub(crate) type Tokens = (String, Option<String>);

/// User, provider, tokens, and the digest of the cookie.
type Live = (String, String, Tokens, Option<Vec<u8>>);

/// How many rows of one user and provider are aside, by how.
type Aside = (String, String, String);

/// What is in the target, or should be; with how often.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Held {
    pub(crate) live: BTreeMap<Live, usize>,
    pub(crate) aside: BTreeMap<Aside, usize>,
}

struct Row {
    id: String,
    tokens: Option<Tokens>,
    created: i64,
}

/// What the source asks for. `opened` says which tokens are in a stored value, `None` if none.
pub(crate) async fn wanted(
    site: &Site,
    cap: Option<usize>,
    opened: impl Fn(&str) -> Option<Tokens>,
) -> Held {
    let mut pairs: BTreeMap<(String, String), Vec<Row>> = BTreeMap::new();
    for row in
        site.query("SELECT id, user_id, provider, token, created_at FROM oauth_session").await
    {
        let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
        let created: i64 = row.try_get_by_index(4).unwrap();
        let row = Row { id: text(0), tokens: opened(&text(3)), created };
        let id = text(1);
        pairs.entry((id, text(2))).or_default().push(row);
    }
    let mut held = Held::default();
    for ((user, provider), mut rows) in pairs {
        // The first are kept: those that open, then the newer, then the higher key.
        rows.sort_by(|one, other| {
            let rank = |row: &Row| (row.tokens.is_some(), row.created, row.id.clone());
            rank(other).cmp(&rank(one))
        });
        for (place, row) in rows.into_iter().enumerate() {
            let is_pruned = cap.is_some_and(|cap| place >= cap);
            let (user, provider) = (user.clone(), provider.clone());
            match (row.tokens, is_pruned) {
                (_, true) => {
                    *held.aside.entry(("pruned".to_owned(), user, provider)).or_default() += 1;
                }
                (None, false) => {
                    *held.aside.entry(("unreadable".to_owned(), user, provider)).or_default() += 1;
                }
                (Some(tokens), false) => {
                    let has_cookie = !provider.starts_with("mcp:");
                    let digest = has_cookie.then(|| Sha256::digest(row.id.as_bytes()).to_vec());
                    *held.live.entry((user, provider, tokens, digest)).or_default() += 1;
                }
            }
        }
    }
    held
}

/// What the target holds, opened with its own key.
pub(crate) async fn held(site: &Site) -> Held {
    let keyring = Keyring::parse(&target_keys()).unwrap();
    let mut held = Held::default();
    let sql = "SELECT id, user_id, provider, sealed_tokens, sealed_refresh_token, digest \
        FROM login_session WHERE ended_at IS NULL";
    for row in site.query(sql).await {
        let id = SessionId::from_uuid(row.try_get_by_index::<Uuid>(0).unwrap());
        let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
        let bytes = |at: usize| row.try_get_by_index::<Option<Vec<u8>>>(at).unwrap();
        let (user, provider) = (text(1), text(2));
        let sealed = SealedTokens {
            tokens: Sealed::from_bytes(bytes(3).unwrap()),
            refresh_token: bytes(4).map(Sealed::from_bytes),
        };
        let (of, at) = (UserId::new(&user).unwrap(), ProviderName::new(&provider).unwrap());
        let tokens = TokenSet::open(&sealed, &keyring, id, &of, &at).unwrap();
        let tokens = (tokens.access_token().to_owned(), tokens.refresh_token().map(str::to_owned));
        *held.live.entry((user, provider, tokens, bytes(5))).or_default() += 1;
    }
    for row in site.query("SELECT state, user_id, provider FROM session_move_aside").await {
        let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
        *held.aside.entry((text(0), text(1), text(2))).or_default() += 1;
    }
    held
}

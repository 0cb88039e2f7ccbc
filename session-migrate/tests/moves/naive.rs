//! The expected content of the target, computed from the rows of the source without the tool's code.

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

/// State, user and provider of quarantined rows.
type Quarantined = (String, String, String);

/// The content of a target, with the number of equal rows.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Content {
    pub(crate) live: BTreeMap<Live, usize>,
    pub(crate) quarantined: BTreeMap<Quarantined, usize>,
}

struct Row {
    id: String,
    tokens: Option<Tokens>,
    created: i64,
}

/// Computes the expected content. `opened` returns the tokens in a stored value, if any.
pub(crate) async fn expected(
    site: &Site,
    cap: Option<usize>,
    opened: impl Fn(&str) -> Option<Tokens>,
) -> Content {
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
    let mut content = Content::default();
    for ((user, provider), mut rows) in pairs {
        // The first rows are kept: readable before unreadable, then newer, then the higher key.
        rows.sort_by(|one, other| {
            let order = |row: &Row| (row.tokens.is_some(), row.created, row.id.clone());
            order(other).cmp(&order(one))
        });
        for (rank, row) in rows.into_iter().enumerate() {
            let is_pruned = cap.is_some_and(|cap| rank >= cap);
            let (user, provider) = (user.clone(), provider.clone());
            match (row.tokens, is_pruned) {
                (_, true) => {
                    *content
                        .quarantined
                        .entry(("pruned".to_owned(), user, provider))
                        .or_default() += 1;
                }
                (None, false) => {
                    *content
                        .quarantined
                        .entry(("unreadable".to_owned(), user, provider))
                        .or_default() += 1;
                }
                (Some(tokens), false) => {
                    let has_cookie = !provider.starts_with("mcp:");
                    let digest = has_cookie.then(|| Sha256::digest(row.id.as_bytes()).to_vec());
                    *content.live.entry((user, provider, tokens, digest)).or_default() += 1;
                }
            }
        }
    }
    content
}

/// Reads the content of the target and opens its tokens.
pub(crate) async fn actual(site: &Site) -> Content {
    let keyring = Keyring::parse(&target_keys()).unwrap();
    let mut content = Content::default();
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
        *content.live.entry((user, provider, tokens, bytes(5))).or_default() += 1;
    }
    for row in site.query("SELECT state, user_id, provider FROM session_move_aside").await {
        let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
        *content.quarantined.entry((text(0), text(1), text(2))).or_default() += 1;
    }
    content
}

//! Tokens that are bound to a key, in a process that is built without the feature `dpop`.

use session_core::TokenSet;
use session_core::provider::{Provider as _, ProviderErrorKind};
use session_core::testing::sample::{self, Login};
use session_core::token::{SealContext, SealedPart, SealedTokens};

use crate::everything_shown;
use crate::issuer::Issuer;

const KEY: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

#[tokio::test]
async fn a_key_is_kept_and_no_refresh_token_is_sent_without_its_proof() {
    let (login, keyring) = (Login::of("ann", "okta"), sample::keyring());
    let session = &login.session;
    let (id, user, provider) = (session.id, &session.user, &session.provider);
    let context = |part| SealContext { session: id, user, provider, part };
    let plain = format!(
        r#"{{"access_token": "at", "token_type": "DPoP", "dpop_key": "{KEY}", "refresh_key": "{KEY}",
            "received_at": 0, "expires_at": 1, "extra": {{}}}}"#
    );
    let sealed = SealedTokens {
        tokens: keyring.seal(context(SealedPart::Tokens), plain.as_bytes()).unwrap(),
        refresh_token: Some(keyring.seal(context(SealedPart::RefreshToken), b"rt").unwrap()),
    };
    let held = TokenSet::open(&sealed, keyring, id, user, provider).unwrap();
    assert!(held.is_sender_constrained());

    let issuer = Issuer::new();
    let error = issuer.provider().await.renew(&held).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::Unsupported);
    assert!(everything_shown(&error).contains("with the feature `dpop`"));
    assert!(issuer.requests_to("/token").is_empty());

    let sealed = held.seal(keyring, id, user, provider).unwrap();
    let plain = keyring.open(context(SealedPart::Tokens), &sealed.tokens).unwrap();
    let plain: serde_json::Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!((&plain["dpop_key"], &plain["refresh_key"]), (&KEY.into(), &KEY.into()));
}

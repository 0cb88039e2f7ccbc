//! The records of the ledger, and what goes in and comes out.

use std::sync::Arc;

use openidconnect::{AccessToken, PkceCodeChallenge, PkceCodeVerifier, RefreshToken};
use subtle::ConstantTimeEq;

use crate::user::User;

/// How long a code is good. RFC 6749, 4.1.2 allows ten minutes.
const CODE_LIFETIME_MS: i64 = 60_000;
/// How long a code is remembered, so that its reuse is seen.
const CODE_MEMORY_MS: i64 = 600_000;

/// One person signed in once, for one client: a family of refresh tokens.
#[derive(Debug)]
pub(crate) struct Login {
    /// Epoch milliseconds.
    pub(crate) auth_time: i64,
    pub(crate) client_id: String,
    pub(crate) nonce: Option<String>,
    pub(crate) scope: Vec<String>,
    pub(crate) sid: String,
    pub(crate) user: User,
}

/// What a grant gave. The `Debug` of tokens is redacted by their types.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access_token: AccessToken,
    pub(crate) login: Arc<Login>,
    pub(crate) refresh_token: Option<RefreshToken>,
    pub(crate) scope: Vec<String>,
}

/// Why a grant was refused (RFC 6749, 5.2), in words for the developer at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidGrant(&'static str),
    InvalidScope(&'static str),
}

/// What became of a token that was to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// It was issued to another client, and lives on.
    AnotherClients,
    /// It is over now, with its family where it was a refresh token.
    Done,
    /// Nothing is known of it: it was over before.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Access {
    pub(super) expires_at: i64,
    pub(super) sid: String,
}

/// What a person agreed to by signing in: the authorization request as far as the exchange needs it.
#[derive(Debug)]
pub(crate) struct CodeGrant {
    /// The `S256` code challenge.
    pub(crate) challenge: Option<String>,
    pub(crate) login: Login,
    pub(crate) redirect_uri: String,
}

/// What a client presents with a code.
pub(crate) struct Redemption<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct Code {
    pub(super) challenge: Option<String>,
    pub(super) issued_at: i64,
    pub(super) login: Arc<Login>,
    pub(super) redirect_uri: String,
    pub(super) spent: bool,
}

impl Code {
    pub(super) fn is_forgotten(&self, now: i64) -> bool {
        now >= self.issued_at.saturating_add(CODE_MEMORY_MS)
    }

    pub(super) fn check(&self, presented: &Redemption<'_>, now: i64) -> Result<(), Refusal> {
        if now >= self.issued_at.saturating_add(CODE_LIFETIME_MS) {
            return Err(Refusal::InvalidGrant("the code has expired"));
        }
        if presented.redirect_uri != Some(self.redirect_uri.as_str()) {
            return Err(Refusal::InvalidGrant(
                "redirect_uri is not that of the authorization request",
            ));
        }
        if !proves_possession(self.challenge.as_deref(), presented.verifier) {
            return Err(Refusal::InvalidGrant("code_verifier does not fit the code challenge"));
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Refresh {
    pub(super) sid: String,
    /// When it was rotated, in epoch milliseconds.
    pub(super) used_at: Option<i64>,
}

/// RFC 7636, 4.6; a verifier without a challenge is refused too (RFC 9700, 2.1.1).
fn proves_possession(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        // The lengths of RFC 7636, 4.1, outside of which the library panics.
        (Some(challenge), Some(verifier)) if (43..=128).contains(&verifier.len()) => {
            let verifier = PkceCodeVerifier::new(verifier.to_owned());
            let computed = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
            computed.as_str().as_bytes().ct_eq(challenge.as_bytes()).into()
        }
        _ => false,
    }
}

//! The records of the ledger, and the arguments and results of its methods.

use std::sync::Arc;

use openidconnect::{AccessToken, PkceCodeChallenge, PkceCodeVerifier, RefreshToken};
use subtle::ConstantTimeEq;

use crate::user::User;

/// The lifetime of a code. RFC 6749, 4.1.2 allows ten minutes.
const CODE_LIFETIME_MS: i64 = 60_000;
/// How long a code is kept, to detect its reuse.
const CODE_MEMORY_MS: i64 = 600_000;

/// One sign-in of a user at a client: a family of refresh tokens.
#[derive(Debug)]
pub(crate) struct Login {
    /// The level at which the user authenticated.
    pub(crate) acr: Option<String>,
    /// Epoch milliseconds.
    pub(crate) auth_time: i64,
    pub(crate) client_id: String,
    pub(crate) nonce: Option<String>,
    /// What its tokens are for (RFC 8707); `None` for any resource.
    pub(crate) resource: Option<String>,
    pub(crate) scope: Vec<String>,
    pub(crate) sid: String,
    pub(crate) user: User,
}

impl Login {
    /// Returns the audience of an access token: the resource of the login, which a request may repeat,
    /// or else that of the request (RFC 8707, 2.2).
    pub(super) fn audience(&self, requested: Option<&str>) -> Result<Option<String>, GrantError> {
        match (self.resource.as_deref(), requested) {
            (Some(granted), Some(requested)) if granted != requested => {
                Err(GrantError::Target("resource is not that of the authorization request"))
            }
            (granted, requested) => Ok(granted.or(requested).map(str::to_owned)),
        }
    }
}

/// The tokens of a grant. Their types redact them in `Debug`.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access_token: AccessToken,
    pub(crate) login: Arc<Login>,
    pub(crate) refresh_token: Option<RefreshToken>,
    pub(crate) scope: Vec<String>,
}

/// What is invalid of a rejected grant (RFC 6749, 5.2; RFC 8707, 2), with the description for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantError {
    Grant(&'static str),
    Scope(&'static str),
    Target(&'static str),
}

/// The result of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    /// The token was issued to another client, and stays valid.
    AnotherClients,
    /// The token is revoked, with its family if it is a refresh token.
    Done,
    /// The token is unknown or was already invalid.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Access {
    pub(super) audience: Option<String>,
    pub(super) expires_at: i64,
    pub(super) sid: String,
}

/// The parts of the authorization request that the code exchange needs.
#[derive(Debug)]
pub(crate) struct CodeGrant {
    /// The `S256` code challenge.
    pub(crate) challenge: Option<String>,
    /// Epoch milliseconds.
    pub(crate) issued_at: i64,
    pub(crate) login: Login,
    pub(crate) redirect_uri: String,
}

/// The parameters with which a client redeems a code.
pub(crate) struct Redemption<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) code: &'a str,
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) resource: Option<&'a str>,
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

    pub(super) fn check(&self, presented: &Redemption<'_>, now: i64) -> Result<(), GrantError> {
        if now >= self.issued_at.saturating_add(CODE_LIFETIME_MS) {
            return Err(GrantError::Grant("the code has expired"));
        }
        if presented.redirect_uri != Some(self.redirect_uri.as_str()) {
            return Err(GrantError::Grant("redirect_uri is not that of the authorization request"));
        }
        if !proves_possession(self.challenge.as_deref(), presented.verifier) {
            return Err(GrantError::Grant("code_verifier does not fit the code challenge"));
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
        // The library panics on lengths that RFC 7636, 4.1 does not allow.
        (Some(challenge), Some(verifier)) if (43..=128).contains(&verifier.len()) => {
            let verifier = PkceCodeVerifier::new(verifier.to_owned());
            let computed = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
            computed.as_str().as_bytes().ct_eq(challenge.as_bytes()).into()
        }
        _ => false,
    }
}

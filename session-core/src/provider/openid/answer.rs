//! Responses of a provider, and what they mean for a session.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use openidconnect::HttpResponse;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::retry_after::retry_after;
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::token::TokenResponse;

/// The maximum length of a response, in bytes. A longer one is not read: its parsing would cost many
/// times its length.
const MAX_BYTES: usize = 1024 * 1024;

/// Status, `Retry-After` and body of a response; the oauth2 crate keeps only the body.
pub(super) struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Zeroizing<Vec<u8>>,
}

impl Answer {
    pub(super) fn of(response: HttpResponse) -> Self {
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        Self { status, retry_after, body: Zeroizing::new(response.into_body()) }
    }

    /// Parses a public document.
    pub(super) fn into_document<T: DeserializeOwned>(self) -> Result<T, ProviderError> {
        let body = self.checked_body()?;
        // The position alone: an error of the parser quotes the document.
        serde_json::from_slice(body).map_err(|error| {
            let cause = InvalidJson { line: error.line(), column: error.column() };
            self.error_of(ProviderErrorKind::Malformed).caused_by(cause)
        })
    }

    /// Parses the token response, with all of its fields (RFC 6749, section 5.1).
    pub(super) fn into_token_response(self) -> Result<TokenResponse, ProviderError> {
        TokenResponse::from_json(self.checked_body()?)
            .map_err(|malformed| self.error_of(ProviderErrorKind::Malformed).caused_by(malformed))
    }

    /// Returns the body of a success, if it is not too long.
    fn checked_body(&self) -> Result<&[u8], ProviderError> {
        match self.body.len() {
            _ if !self.status.is_success() => Err(self.as_error()),
            length if length > MAX_BYTES => {
                Err(self.error_of(ProviderErrorKind::Malformed).caused_by(TooLong))
            }
            _ => Ok(&self.body),
        }
    }

    /// Succeeds if the token was revoked or was invalid already (RFC 7009, section 2.2; V2, V3).
    pub(super) fn into_revocation(self) -> Result<(), ProviderError> {
        let is_client_error = self.status.is_client_error();
        match error_code(&self.body) {
            _ if self.status.is_success() => Ok(()),
            Some("invalid_grant" | "invalid_token" | "unsupported_token_type")
                if is_client_error && !self.asks_to_wait() =>
            {
                Ok(())
            }
            _ => Err(self.as_error()),
        }
    }

    /// Returns the error of this response; a successful status counts as malformed.
    fn as_error(&self) -> ProviderError {
        let code = error_code(&self.body);
        let cause = ErrorAnswer { status: self.status, code };
        self.error_of(kind_of(self.status, code)).caused_by(cause)
    }

    const fn error_of(&self, kind: ProviderErrorKind) -> ProviderError {
        ProviderError::new(kind).retry_after(self.retry_after)
    }

    fn asks_to_wait(&self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
    }
}

/// Returns the `error` of a JSON error response (RFC 6749, section 5.2), never a part of another
/// text (R4).
pub(super) fn error_code(body: &[u8]) -> Option<&'static str> {
    if body.len() > MAX_BYTES {
        return None;
    }
    // A map, since a struct would also be read from an array.
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    body.get("error")?.as_str().map(known_code)
}

/// Returns the kind of an error response. Only a 4xx status with the JSON error `invalid_grant`
/// means that a grant is over. A 503 with the same body is an outage, and a wrong client secret must
/// not sign users out (F7, F42).
fn kind_of(status: StatusCode, code: Option<&str>) -> ProviderErrorKind {
    match (status.as_u16(), code) {
        (429, _) | (400..=499, Some("slow_down")) => ProviderErrorKind::Throttled,
        (408 | 500..=599, _) | (400..=499, Some("server_error" | "temporarily_unavailable")) => {
            ProviderErrorKind::Unavailable
        }
        // They speak of the proof, as of this node's clock, and not of the token.
        (400..=499, Some("invalid_dpop_proof" | "use_dpop_nonce")) => {
            ProviderErrorKind::Unavailable
        }
        (400..=499, Some("invalid_grant")) => ProviderErrorKind::Refused,
        (400..=499, Some("invalid_client" | "unauthorized_client")) => {
            ProviderErrorKind::Misconfigured
        }
        (400..=499, _) => ProviderErrorKind::Rejected,
        _ => ProviderErrorKind::Malformed,
    }
}

/// RFC 6749 sections 4.1.2.1 and 5.2, RFC 6750, RFC 7009, RFC 8628, RFC 9449, OpenID Connect Core
/// 3.1.2.6.
const ERROR_CODES: [&str; 19] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_token",
    "login_required",
    "server_error",
    "slow_down",
    "temporarily_unavailable",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "use_dpop_nonce",
];

/// Returns the code as a constant of this file: a provider may write anything there, even a token
/// (R8).
pub(super) fn known_code(code: &str) -> &'static str {
    ERROR_CODES.into_iter().find(|known| *known == code).unwrap_or("an unknown error code")
}

/// The reason why a response is not read.
#[derive(Debug, thiserror::Error)]
#[error("the response is longer than a mebibyte")]
struct TooLong;

/// A document that is not the expected JSON.
#[derive(Debug, thiserror::Error)]
#[error("the document is not valid JSON with the required fields at line {line}, column {column}")]
struct InvalidJson {
    line: usize,
    column: usize,
}

/// An error response without its text.
#[derive(Debug, thiserror::Error)]
struct ErrorAnswer {
    status: StatusCode,
    code: Option<&'static str>,
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status.as_u16())?;
        self.code.map_or(Ok(()), |code| write!(f, " with {code}"))
    }
}

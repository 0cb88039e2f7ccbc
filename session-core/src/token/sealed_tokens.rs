//! The tokens of a session as its row stores them.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::TokenSet;
use super::compare::same_secret;
use super::dpop_key::{self, DpopKey};
use super::extra::ExtraFields;
use super::resource::{ResourceToken, SealableToken};
use super::seal::{Keyring, SealContext, SealError, Sealed, SealedPart, TAG_BYTES, Unreadable};
use crate::clock::Timestamp;
use crate::session::{ProviderName, SessionData, SessionId, UserId};

/// The tokens of a session as they are stored in its row: two sealed values, since the token that
/// is to be revoked leaves the row when the session ends (store law 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// All but the refresh token.
    pub tokens: Sealed,
    /// The refresh token; without one, an access token that never expires.
    pub refresh_token: Option<Sealed>,
}

impl SealedTokens {
    /// Returns the authentication tags of both values: they differ wherever the sealed bytes were
    /// written anew, so that a row whose tags are known need not be opened again.
    pub(crate) fn tags(&self) -> SealTags {
        SealTags(self.tokens.tag(), self.refresh_token.as_ref().and_then(Sealed::tag))
    }
}

/// The authentication tags of a row's sealed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealTags(Option<[u8; TAG_BYTES]>, Option<[u8; TAG_BYTES]>);

impl TokenSet {
    /// Seals the tokens for the row of this session.
    ///
    /// # Errors
    ///
    /// Returns [`SealError`] if the operating system provides no randomness.
    pub fn seal(
        &self,
        keyring: &Keyring,
        session: SessionId,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<SealedTokens, SealError> {
        let context = |part| SealContext { session, user, provider, part };
        let revocable =
            self.revocable().map(|(part, token)| keyring.seal(context(part), token.as_bytes()));
        Ok(SealedTokens {
            tokens: keyring.seal(context(SealedPart::Tokens), &self.to_plain()?)?,
            refresh_token: revocable.transpose()?,
        })
    }

    /// Returns whether both have the same token that is to be revoked when the session ends, or none,
    /// compared in constant time.
    pub(crate) fn has_revocable_of(&self, other: &Self) -> bool {
        match (self.revocable(), other.revocable()) {
            (Some((mine, token)), Some((theirs, other))) => {
                mine == theirs && same_secret(token, other)
            }
            (None, None) => true,
            _ => false,
        }
    }

    /// Returns the token that is to be revoked when the session ends: the refresh token, or an
    /// access token that without it would be valid for ever.
    fn revocable(&self) -> Option<(SealedPart, &str)> {
        let endless = self.expires_at.is_none().then_some(self.access_token());
        let refresh = self.refresh_token().map(|token| (SealedPart::RefreshToken, token));
        refresh.or(endless.map(|token| (SealedPart::AccessToken, token)))
    }

    /// Opens the tokens that are sealed in the row of this session.
    ///
    /// # Errors
    ///
    /// Returns [`Unreadable`] if the keyring lacks the key, if a part was changed, or if it was
    /// sealed for another row.
    pub fn open(
        sealed: &SealedTokens,
        keyring: &Keyring,
        session: SessionId,
        user: &UserId,
        provider: &ProviderName,
    ) -> Result<Self, Unreadable> {
        let context = |part| SealContext { session, user, provider, part };
        let plain = keyring.open(context(SealedPart::Tokens), &sealed.tokens)?;
        let mut tokens = Self::from_plain(&plain)?;
        let Some(sealed) = &sealed.refresh_token else { return Ok(tokens) };
        let may_be_access_token = tokens.expires_at.is_none();
        if may_be_access_token && keyring.open(context(SealedPart::AccessToken), sealed).is_ok() {
            return Ok(tokens);
        }
        let plain = keyring.open(context(SealedPart::RefreshToken), sealed)?;
        let token = std::str::from_utf8(&plain).map_err(|_| Unreadable::Tampered)?;
        tokens.refresh_token = Some(SecretString::from(token));
        Ok(tokens)
    }

    fn to_plain(&self) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let plain = Plain {
            access_token: self.access_token(),
            id_token: self.id_token(),
            token_type: self.token_type.as_deref(),
            dpop_key: &self.dpop_key,
            refresh_key: &self.refresh_key,
            scope: self.scope(),
            received_at: self.received_at.as_millis(),
            expires_at: self.expires_at.map(Timestamp::as_millis),
            extra: &self.extra,
            resource_tokens: self.resource_tokens.iter().map(ResourceToken::sealable).collect(),
            data: &self.data,
        };
        serde_json::to_vec(&plain).map(Zeroizing::new).map_err(|_| SealError)
    }

    fn from_plain(bytes: &[u8]) -> Result<Self, Unreadable> {
        let plain: PlainOwned = serde_json::from_slice(bytes).map_err(|_| Unreadable::Tampered)?;
        Ok(Self {
            access_token: plain.access_token,
            refresh_token: None,
            id_token: plain.id_token,
            token_type: plain.token_type,
            dpop_key: plain.dpop_key,
            refresh_key: plain.refresh_key,
            scope: plain.scope,
            received_at: Timestamp::from_millis(plain.received_at),
            expires_at: plain.expires_at.map(Timestamp::from_millis),
            extra: plain.extra,
            resource_tokens: plain.resource_tokens.into_iter().map(ResourceToken::opened).collect(),
            data: plain.data,
        })
    }
}

#[derive(Serialize)]
struct Plain<'a> {
    access_token: &'a str,
    id_token: Option<&'a str>,
    token_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "dpop_key::exposed")]
    dpop_key: &'a Option<DpopKey>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "dpop_key::exposed")]
    refresh_key: &'a Option<DpopKey>,
    scope: Option<&'a str>,
    received_at: i64,
    expires_at: Option<i64>,
    extra: &'a ExtraFields,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_tokens: Vec<&'a SealableToken>,
    #[serde(skip_serializing_if = "SessionData::is_empty")]
    data: &'a SessionData,
}

#[derive(Deserialize)]
struct PlainOwned {
    access_token: SecretString,
    id_token: Option<SecretString>,
    token_type: Option<String>,
    dpop_key: Option<DpopKey>,
    refresh_key: Option<DpopKey>,
    scope: Option<String>,
    received_at: i64,
    expires_at: Option<i64>,
    extra: ExtraFields,
    #[serde(default)]
    resource_tokens: Vec<SealableToken>,
    #[serde(default)]
    data: SessionData,
}

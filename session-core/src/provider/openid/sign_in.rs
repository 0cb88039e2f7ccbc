//! The end of a sign-in by the authorization code flow with PKCE (OpenID Connect Core, section 3.1).

use std::borrow::Cow;

use openidconnect::{
    AuthorizationCode, EndSessionUrl, LogoutRequest, PkceCodeVerifier, PostLogoutRedirectUrl,
    RedirectUrl,
};
use secrecy::{ExposeSecret, SecretString};

use super::discovery::Discovered;
use super::exchange::Exchange;
use super::id_token::{Expected, IdTokenError, SignInClaims, VerifiedUser};
use super::metadata::Metadata;
use super::pending::{Callback, PendingSignIn};
use super::provider::OpenIdProvider;
use super::setting::{InvalidSetting, SetupError};
use super::sign_in_error::{SignInError, SignInErrorKind};
use crate::provider::{ProviderError, ProviderErrorKind};
use crate::session::{Authentication, ProviderIdentity};
use crate::token::TokenResponse;

/// A completed sign-in, from which a session is created.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignInOutcome {
    /// The tokens.
    pub tokens: TokenResponse,
    /// The identity of the user at the provider, verified by the ID token.
    pub identity: ProviderIdentity,
    /// When and how the user authenticated.
    pub authentication: Authentication,
    /// Other claims about the user.
    pub claims: SignInClaims,
}

impl OpenIdProvider {
    /// Completes a sign-in with the query that the browser brought back from the provider.
    ///
    /// Checks the state in constant time and the issuer (RFC 9207), exchanges the code with the
    /// PKCE verifier, and verifies the ID token: signature, issuer, audience, expiry, nonce, the
    /// hash of the access token where there is one, and the required authentication. If the key is unknown, the issuer's keys are
    /// fetched again. If tokens are to be bound to a key (DPoP), the exchange makes it.
    ///
    /// # Errors
    ///
    /// Returns [`SignInError`] if a check fails or the provider gives no tokens. The record cannot be
    /// used again: begin a new sign-in.
    pub async fn complete(
        &self,
        pending: PendingSignIn,
        callback: Callback,
    ) -> Result<SignInOutcome, SignInError> {
        callback.check_record(&pending.state, pending.started_at, self.transport.clock.now())?;
        if pending.issuer != self.issuer() {
            return Err(SignInErrorKind::Issuer.into());
        }
        let discovered = self.discovered().await.map_err(ProviderError::from)?;
        callback.check_answer(self.issuer(), discovered.metadata.sends_iss)?;
        let code = callback.code.ok_or(SignInErrorKind::MissingCode)?;
        let exchanged = self.exchange_code(&discovered.metadata, &pending, &code);
        let tokens = self.transport.bounded(exchanged).await?;
        self.check_binding(&discovered.metadata, &tokens, None).await?;
        match self.verified(&discovered, &tokens, &pending).await {
            Ok(VerifiedUser { identity, authentication, claims }) => {
                let tokens = tokens.with_scope_if_unnamed(pending.scope);
                Ok(SignInOutcome { tokens, identity, authentication, claims })
            }
            Err(error) => {
                self.revoke_unused(&discovered.metadata, &tokens, None).await;
                Err(error)
            }
        }
    }

    async fn exchange_code(
        &self,
        metadata: &Metadata,
        pending: &PendingSignIn,
        code: &SecretString,
    ) -> Result<TokenResponse, ProviderError> {
        // The record may come from a modified cookie.
        let redirect_url = RedirectUrl::new(pending.redirect_uri.clone())
            .map_err(|_| ProviderError::new(ProviderErrorKind::Misconfigured))?;
        let verifier = PkceCodeVerifier::new(pending.verifier.expose_secret().to_owned());
        let code = AuthorizationCode::new(code.expose_secret().to_owned());
        let key = self.binding.new_key()?;
        let http = self.binding.client(&self.transport, key.as_ref())?;
        let exchange = Exchange::with(&*http, &metadata.endpoints.token);
        let request = metadata
            .client
            .exchange_code(code)
            .set_pkce_verifier(verifier)
            .set_redirect_uri(Cow::Owned(redirect_url));
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        Ok(exchange.into_answer()?.into_token_response()?.proven_by(key))
    }

    async fn verified(
        &self,
        discovered: &Discovered,
        tokens: &TokenResponse,
        pending: &PendingSignIn,
    ) -> Result<VerifiedUser, SignInError> {
        let token = tokens.id_token.as_ref().map(SecretString::expose_secret);
        let required = pending.required_authentication().ok_or(SignInErrorKind::State)?;
        let expected = Expected {
            access_token: tokens.access_token.expose_secret(),
            nonce: pending.nonce.expose_secret(),
            required,
            now: self.transport.clock.now(),
        };
        let invalid = |error: IdTokenError| {
            let kind = match error {
                IdTokenError::Authentication(_) => SignInErrorKind::Authentication,
                _ => SignInErrorKind::IdToken,
            };
            SignInError::from(kind).caused_by(error)
        };
        let token = token.ok_or_else(|| invalid(IdTokenError::Missing))?;
        let check = |keys: &_| discovered.metadata.id_token.verified(token, &expected, keys);
        let keys = discovered.keys.current();
        match check(&keys) {
            Err(error) if error.may_be_a_new_key() => {
                let newer = discovered.keys.newer_than(&keys, &self.transport).await?;
                newer.map_or(Err(error), |newer| check(&newer)).map_err(invalid)
            }
            outcome => outcome.map_err(invalid),
        }
    }

    /// Returns the address for the browser that also signs the user out at the provider
    /// (RP-Initiated Logout 1.0, section 2); `None` if the provider does not offer it.
    ///
    /// # Errors
    ///
    /// Returns [`SetupError`] if `post_logout_redirect_uri` is not an absolute URL, or the discovery
    /// document is invalid or cannot be fetched.
    ///
    /// # Security
    ///
    /// The address contains the ID token: redirect the browser to it, and do not log it.
    pub async fn end_session_url(
        &self,
        id_token_hint: Option<&str>,
        post_logout_redirect_uri: Option<&str>,
    ) -> Result<Option<String>, SetupError> {
        let metadata = self.discovered().await?.metadata;
        let Some(endpoint) = &metadata.endpoints.end_session else { return Ok(None) };
        let endpoint = EndSessionUrl::new(endpoint.to_string())
            .map_err(|_| InvalidSetting::new("end_session_endpoint", "is not a URL"))?;
        let mut request =
            LogoutRequest::from(endpoint).set_client_id(metadata.client.client_id().clone());
        if let Some(text) = post_logout_redirect_uri {
            let url = PostLogoutRedirectUrl::new(text.to_owned())
                .map_err(|_| InvalidSetting::new("post_logout_redirect_uri", "is not a URL"))?;
            request = request.set_post_logout_redirect_uri(url);
        }
        let mut url = request.http_get_url();
        if let Some(hint) = id_token_hint {
            url.query_pairs_mut().append_pair("id_token_hint", hint);
        }
        Ok(Some(url.into()))
    }
}

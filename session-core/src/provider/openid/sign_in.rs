//! Sign-in by the authorization code flow with PKCE (OpenID Connect Core, section 3.1).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use openidconnect::core::CoreAuthenticationFlow;
use openidconnect::{
    AuthorizationCode, CsrfToken, LoginHint, LogoutRequest, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, PostLogoutRedirectUrl, RedirectUrl, Scope,
};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::answer::known_code;
use super::exchange::Exchange;
use super::id_token::{IdTokenError, SignInClaims};
use super::pending::{AuthorizationRequest, Callback, PendingSignIn};
use super::provider::OpenIdProvider;
use super::setting::InvalidSetting;
use super::sign_in_error::{DenialCode, SignInError, SignInErrorKind};
use crate::clock::Timestamp;
use crate::session::ProviderIdentity;
use crate::token::TokenResponse;

/// How long a sign-in may take; the user may have to fetch a second factor.
const MAX_SIGN_IN: Duration = Duration::from_secs(10 * 60);

/// A completed sign-in, from which a session is created.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignInOutcome {
    /// The tokens.
    pub tokens: TokenResponse,
    /// The identity of the user at the provider, verified by the ID token.
    pub identity: ProviderIdentity,
    /// Other claims about the user.
    pub claims: SignInClaims,
}

impl OpenIdProvider {
    /// Begins a sign-in: returns the address for the browser and the record to keep until it returns.
    ///
    /// The scope `openid` is always requested. `login_hint` is the user name to fill into the
    /// provider's form.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSetting`] if `redirect_uri` is not an absolute URL.
    pub fn authorization_request(
        &self,
        redirect_uri: &str,
        scopes: &[&str],
        login_hint: Option<&str>,
    ) -> Result<AuthorizationRequest, InvalidSetting> {
        let redirect_url = RedirectUrl::new(redirect_uri.to_owned())
            .map_err(|_| InvalidSetting::new("redirect_uri", "is not a URL"))?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let scopes = scopes.iter().filter(|scope| **scope != "openid");
        let mut request = self
            .client
            .authorize_url(flow, || CsrfToken::new_random_len(32), || Nonce::new_random_len(32))
            .add_scopes(scopes.map(|scope| Scope::new((*scope).to_owned())))
            .set_redirect_uri(Cow::Owned(redirect_url))
            .set_pkce_challenge(challenge);
        if let Some(hint) = login_hint {
            request = request.set_login_hint(LoginHint::new(hint.to_owned()));
        }
        let (url, state, nonce) = request.url();
        let pending = PendingSignIn {
            issuer: self.issuer.clone(),
            redirect_uri: redirect_uri.to_owned(),
            started_at: self.clock.now().as_millis(),
            state: SecretString::from(state.into_secret()),
            nonce: SecretString::from(nonce.secret().clone()),
            verifier: SecretString::from(verifier.into_secret()),
        };
        Ok(AuthorizationRequest { url: url.into(), pending })
    }

    /// Completes a sign-in with the query that the browser brought back from the provider.
    ///
    /// Checks the state in constant time and the issuer (RFC 9207), exchanges the code with the
    /// PKCE verifier, and verifies the ID token: signature, issuer, audience, expiry, nonce, and
    /// the hash of the access token where there is one. If the key is
    /// unknown, the issuer's keys are fetched again, at most once a minute.
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
        self.check_callback(&pending, &callback)?;
        let code = callback.code.ok_or(SignInErrorKind::MissingCode)?;
        let tokens = self.exchange_code(&pending, &code).await?;
        let id_token = tokens.id_token.as_ref().map(SecretString::expose_secret);
        let id_token = id_token.ok_or_else(|| {
            SignInError::from(SignInErrorKind::IdToken).caused_by(IdTokenError::Missing)
        })?;
        let access_token = tokens.access_token.expose_secret();
        let nonce = pending.nonce.expose_secret();
        let (identity, claims) = self
            .verified(id_token, access_token, nonce)
            .await
            .map_err(|error| SignInError::from(SignInErrorKind::IdToken).caused_by(error))?;
        Ok(SignInOutcome { tokens, identity, claims })
    }

    fn check_callback(
        &self,
        pending: &PendingSignIn,
        callback: &Callback,
    ) -> Result<(), SignInError> {
        let state = callback.state.as_deref().unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(pending.state().as_bytes())) {
            return Err(SignInErrorKind::State.into());
        }
        let is_ours = callback.iss.as_ref().map_or(!self.sends_iss, |iss| *iss == self.issuer);
        if !is_ours || pending.issuer != self.issuer {
            return Err(SignInErrorKind::Issuer.into());
        }
        let started_at = Timestamp::from_millis(pending.started_at);
        if self.clock.now().since(started_at) > MAX_SIGN_IN {
            return Err(SignInErrorKind::Expired.into());
        }
        match &callback.error {
            Some(code) => {
                Err(SignInError::from(SignInErrorKind::Denied)
                    .caused_by(DenialCode(known_code(code))))
            }
            None => Ok(()),
        }
    }

    async fn exchange_code(
        &self,
        pending: &PendingSignIn,
        code: &SecretString,
    ) -> Result<TokenResponse, SignInError> {
        // The record may come from a modified cookie.
        let redirect_url =
            RedirectUrl::new(pending.redirect_uri.clone()).map_err(|_| SignInErrorKind::State)?;
        let verifier = PkceCodeVerifier::new(pending.verifier.expose_secret().to_owned());
        let code = AuthorizationCode::new(code.expose_secret().to_owned());
        let exchange = Exchange::with(&*self.http, &self.endpoints.token);
        let request = self
            .client
            .exchange_code(code)
            .set_pkce_verifier(verifier)
            .set_redirect_uri(Cow::Owned(redirect_url));
        // The exchange keeps the response.
        let _ = request.request_async(&exchange).await;
        Ok(exchange.into_answer()?.into_token_response()?)
    }

    async fn verified(
        &self,
        id_token: &str,
        access_token: &str,
        nonce: &str,
    ) -> Result<(ProviderIdentity, SignInClaims), IdTokenError> {
        let check = |keys: &Arc<_>| {
            self.id_token.verified(id_token, access_token, nonce, keys, self.clock.now())
        };
        let keys = self.keys.current();
        match check(&keys) {
            Err(error) if error.may_be_a_new_key() => {
                let newer = self.keys.newer_than(&keys, &*self.http, &*self.clock).await;
                newer.map_or(Err(error), |newer| check(&newer))
            }
            outcome => outcome,
        }
    }

    /// Returns the address for the browser that also signs the user out at the provider
    /// (RP-Initiated Logout 1.0, section 2); `None` if the provider does not offer it.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidSetting`] if `post_logout_redirect_uri` is not an absolute URL.
    ///
    /// # Security
    ///
    /// The address contains the ID token: redirect the browser to it, and do not log it.
    pub fn end_session_url(
        &self,
        id_token_hint: Option<&str>,
        post_logout_redirect_uri: Option<&str>,
    ) -> Result<Option<String>, InvalidSetting> {
        let Some(endpoint) = self.endpoints.end_session.clone() else { return Ok(None) };
        let mut request =
            LogoutRequest::from(endpoint).set_client_id(self.client.client_id().clone());
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

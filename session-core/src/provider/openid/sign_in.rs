//! Signing in: the authorization code flow with PKCE (OpenID Connect Core, section 3.1).

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

use super::OpenIdProvider;
use super::answer::known_code;
use super::exchange::Exchange;
use super::id_token::{IdTokenError, SignInClaims};
use super::pending::{AuthorizationRequest, Callback, PendingSignIn};
use super::setting::InvalidSetting;
use super::sign_in_error::{DenialCode, SignInError, SignInErrorKind};
use crate::clock::Timestamp;
use crate::session::ProviderIdentity;
use crate::token::TokenResponse;

/// How long a sign-in may take: the person may have to look for a second factor.
const LONGEST_SIGN_IN: Duration = Duration::from_secs(10 * 60);

/// A person who has signed in: what a session is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct SignInOutcome {
    /// The tokens.
    pub tokens: TokenResponse,
    /// Who the person is to the provider: verified, stable, and what a session remembers.
    pub identity: ProviderIdentity,
    /// What else the provider says of the person.
    pub claims: SignInClaims,
}

impl OpenIdProvider {
    /// Begins a sign-in: where to send the browser, and what to keep until it comes back.
    ///
    /// The scope `openid` is always asked for. `login_hint` is the name that the provider's form
    /// is filled with.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] if `redirect_uri` is not an absolute URL.
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

    /// Completes a sign-in with what the provider sent the browser back with.
    ///
    /// Checks the state in constant time and the issuer (RFC 9207), exchanges the code with the
    /// PKCE verifier, and verifies the ID token: signature, issuer, audience, expiry, nonce, and
    /// the hash of the access token where there is one. An unknown key makes the issuer's keys be
    /// read anew, at most once a minute.
    ///
    /// # Errors
    ///
    /// [`SignInError`]; the sign-in has to be begun anew.
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
        if self.clock.now().since(started_at) > LONGEST_SIGN_IN {
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
        // The record may come from a cookie that was tampered with.
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
        // The exchange keeps the answer.
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
            Err(error) if error.is_of_the_key() => {
                let newer = self.keys.newer_than(&keys, &*self.http, &*self.clock).await;
                newer.map_or(Err(error), |newer| check(&newer))
            }
            outcome => outcome,
        }
    }

    /// Where to send the browser to sign the person out at the provider too (RP-Initiated Logout
    /// 1.0, section 2); `None` if the provider does not offer it.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`] if `post_logout_redirect_uri` is not an absolute URL.
    ///
    /// # Security
    ///
    /// The address holds the ID token: send the browser there, and do not log it.
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

//! A provider that follows a script.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use crate::provider::{Provider, ProviderError, ProviderErrorKind, ResourceGrant, RevocationScope};
use crate::testing::Gate;
use crate::token::{Resource, TokenResponse, TokenSet};

/// What happens to one renewal.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RenewalScript {
    /// Returns this response.
    Answer(TokenResponse),
    /// Fails with this error, and with a time to wait if there is one.
    Fail(ProviderErrorKind, Option<Duration>),
    /// Returns a new access token and no refresh token: the old one stays valid (F26).
    KeepRefreshToken,
    /// Returns new tokens, and invalidates the refresh token that was sent.
    Rotate,
    /// Rotates like [`Rotate`](Self::Rotate), and the response is lost (F11).
    RotateAndFail(ProviderErrorKind),
}

/// A provider that follows a script. Clones are the same provider.
///
/// Without a script it rotates: `at-1` and `rt-1`, `at-2` and `rt-2`, and so on, valid for five
/// minutes. With [reuse detection](Self::with_reuse_detection) a used refresh token is refused and
/// invalidates all tokens that derive from it, as RFC 9700 (section 4.14.2) describes; without it a
/// used one is accepted again.
///
/// ```
/// use session_core::testing::{RenewalScript, ScriptedProvider, sample};
/// use session_core::provider::{Provider, ProviderErrorKind};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let provider = ScriptedProvider::new();
/// provider.script(RenewalScript::Fail(ProviderErrorKind::Unavailable, None));
/// let tokens = sample::tokens();
/// assert!(provider.renew(&tokens).await.is_err());
/// assert!(provider.renew(&tokens).await.is_ok());
/// assert_eq!(provider.renewals(), 2);
/// # });
/// ```
#[derive(Clone)]
pub struct ScriptedProvider {
    state: Arc<Mutex<ProviderState>>,
    requests: Gate,
    answers: Gate,
    revocation_requests: Gate,
    scope: RevocationScope,
    resource_grant: ResourceGrant,
}

struct ProviderState {
    script: VecDeque<RenewalScript>,
    otherwise: RenewalScript,
    revocation_script: VecDeque<(ProviderErrorKind, Option<Duration>)>,
    lifetime: Option<Duration>,
    token_type: String,
    detects_reuse: bool,
    issued: u64,
    begun: u64,
    /// The family of each refresh token; an unknown token begins a family.
    families: HashMap<String, u64>,
    spent: HashSet<String>,
    dead: HashSet<u64>,
    sent: Vec<String>,
    resources: Vec<Resource>,
    revoked: Vec<String>,
    reuses: usize,
}

impl ScriptedProvider {
    /// Creates a provider that rotates without reuse detection, with an unknown revocation scope.
    #[must_use]
    pub fn new() -> Self {
        let state = ProviderState {
            script: VecDeque::new(),
            otherwise: RenewalScript::Rotate,
            revocation_script: VecDeque::new(),
            lifetime: Some(Duration::from_secs(300)),
            token_type: "Bearer".to_owned(),
            detects_reuse: false,
            issued: 0,
            begun: 0,
            families: HashMap::new(),
            spent: HashSet::new(),
            dead: HashSet::new(),
            sent: Vec::new(),
            resources: Vec::new(),
            revoked: Vec::new(),
            reuses: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            requests: Gate::new(),
            answers: Gate::new(),
            revocation_requests: Gate::new(),
            scope: RevocationScope::Unknown,
            resource_grant: ResourceGrant::RefreshToken,
        }
    }

    /// Enables reuse detection.
    #[must_use]
    pub fn with_reuse_detection(self) -> Self {
        self.lock().detects_reuse = true;
        self
    }

    /// Sets the lifetime of access tokens; `None` omits `expires_in`.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Option<Duration>) -> Self {
        self.set_lifetime(lifetime);
        self
    }

    /// Sets the revocation scope of this handle.
    #[must_use]
    pub const fn with_revocation_scope(mut self, scope: RevocationScope) -> Self {
        self.scope = scope;
        self
    }

    /// Exchanges the access token for that of a further resource, on this handle.
    #[must_use]
    pub const fn with_token_exchange(mut self) -> Self {
        self.resource_grant = ResourceGrant::AccessToken;
        self
    }

    /// Sets the lifetime of further access tokens; `None` omits `expires_in`.
    pub fn set_lifetime(&self, lifetime: Option<Duration>) {
        self.lock().lifetime = lifetime;
    }

    /// Sets the type of further access tokens (default `Bearer`).
    pub fn set_token_type(&self, token_type: &str) {
        self.lock().token_type = token_type.to_owned();
    }

    /// Appends to the script what happens to one renewal.
    pub fn script(&self, next: RenewalScript) {
        self.lock().script.push_back(next);
    }

    /// Sets what happens to renewals after the end of the script.
    pub fn otherwise(&self, otherwise: RenewalScript) {
        self.lock().otherwise = otherwise;
    }

    /// Appends to the script a failure of one revocation.
    pub fn fail_revocation(&self, kind: ProviderErrorKind, retry_after: Option<Duration>) {
        self.lock().revocation_script.push_back((kind, retry_after));
    }

    /// Returns the response to a new sign-in, with tokens of a new family.
    #[must_use]
    pub fn sign_in(&self) -> TokenResponse {
        let mut state = self.lock();
        state.begun += 1;
        let family = state.begun;
        state.response(Some(family))
    }

    /// Returns the gate before renewals: a request that is held there has no effect yet.
    #[must_use]
    pub const fn requests(&self) -> &Gate {
        &self.requests
    }

    /// Returns the gate after renewals: a renewal that is held there took effect, and its response is
    /// not sent yet.
    #[must_use]
    pub const fn answers(&self) -> &Gate {
        &self.answers
    }

    /// Returns the gate before revocations.
    #[must_use]
    pub const fn revocation_requests(&self) -> &Gate {
        &self.revocation_requests
    }

    /// Returns how many renewals were requested, including those at the gate.
    #[must_use]
    pub fn renewals(&self) -> usize {
        self.lock().sent.len()
    }

    /// Returns how often a used refresh token was sent.
    #[must_use]
    pub fn reuses(&self) -> usize {
        self.lock().reuses
    }

    /// Returns how many revocations were requested.
    #[must_use]
    pub fn revocations(&self) -> usize {
        self.lock().revoked.len()
    }

    /// Returns the refresh tokens of all renewals, and the access tokens of all exchanges, in clear
    /// text; empty where there was none.
    #[must_use]
    pub fn sent(&self) -> Vec<String> {
        self.lock().sent.clone()
    }

    /// Returns the resources that tokens were fetched for, in order.
    #[must_use]
    pub fn resources(&self) -> Vec<Resource> {
        self.lock().resources.clone()
    }

    /// Returns the tokens of all revocations in clear text, failed ones too.
    #[must_use]
    pub fn revoked(&self) -> Vec<String> {
        self.lock().revoked.clone()
    }

    /// Returns whether this refresh token is still valid: not used, revoked, or invalidated by the
    /// reuse of another one.
    #[must_use]
    pub fn accepts(&self, refresh_token: &str) -> bool {
        let state = self.lock();
        let family = state.families.get(refresh_token);
        let is_dead = family.is_some_and(|family| state.dead.contains(family));
        !is_dead && !state.spent.contains(refresh_token)
    }

    fn lock(&self) -> MutexGuard<'_, ProviderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProviderState {
    fn renew(&mut self, refresh_token: &str) -> Result<TokenResponse, ProviderError> {
        match self.script.pop_front().unwrap_or_else(|| self.otherwise.clone()) {
            RenewalScript::Answer(response) => Ok(response),
            RenewalScript::Fail(kind, wait) => Err(ProviderError::new(kind).retry_after(wait)),
            RenewalScript::KeepRefreshToken => {
                self.accept(refresh_token)?;
                Ok(self.response(None))
            }
            RenewalScript::Rotate => self.rotate(refresh_token),
            RenewalScript::RotateAndFail(kind) => {
                self.rotate(refresh_token)?;
                Err(ProviderError::new(kind))
            }
        }
    }

    fn rotate(&mut self, refresh_token: &str) -> Result<TokenResponse, ProviderError> {
        let family = self.accept(refresh_token)?;
        self.spent.insert(refresh_token.to_owned());
        Ok(self.response(Some(family)))
    }

    /// Returns the family of a refresh token, if it is still valid.
    fn accept(&mut self, refresh_token: &str) -> Result<u64, ProviderError> {
        let family = self.family_of(refresh_token);
        if self.detects_reuse && self.spent.contains(refresh_token) {
            self.reuses += 1;
            self.dead.insert(family);
        }
        let is_good = !self.dead.contains(&family);
        is_good.then_some(family).ok_or_else(|| ProviderError::new(ProviderErrorKind::Refused))
    }

    fn family_of(&mut self, refresh_token: &str) -> u64 {
        let begun = &mut self.begun;
        *self.families.entry(refresh_token.to_owned()).or_insert_with(|| {
            *begun += 1;
            *begun
        })
    }

    /// Creates new tokens; with a refresh token if it has a family.
    fn response(&mut self, family: Option<u64>) -> TokenResponse {
        self.issued += 1;
        let mut response = TokenResponse::bearer(format!("at-{}", self.issued))
            .with_token_type(Some(self.token_type.clone()));
        if let Some(lifetime) = self.lifetime {
            response = response.with_expires_in(lifetime);
        }
        let Some(family) = family else { return response };
        let refresh_token = format!("rt-{}", self.issued);
        self.families.insert(refresh_token.clone(), family);
        response.with_refresh_token(refresh_token)
    }

    fn revoke(&mut self, token: &str, scope: RevocationScope) -> Result<(), ProviderError> {
        self.revoked.push(token.to_owned());
        if let Some((kind, wait)) = self.revocation_script.pop_front() {
            return Err(ProviderError::new(kind).retry_after(wait));
        }
        let family = self.family_of(token);
        if scope == RevocationScope::Token {
            self.dead.insert(family);
        } else {
            // All tokens of this provider count as one grant.
            self.dead.extend(self.families.values());
        }
        Ok(())
    }
}

impl Default for ScriptedProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ScriptedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("ScriptedProvider")
            .field("renewals", &state.sent.len())
            .field("revocations", &state.revoked.len())
            .field("reuses", &state.reuses)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for ScriptedProvider {
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError> {
        let refresh_token = tokens.refresh_token().unwrap_or_default();
        self.lock().sent.push(refresh_token.to_owned());
        self.requests.pass().await;
        let result = self.lock().renew(refresh_token);
        self.answers.pass().await;
        result
    }

    /// Follows the same script as a renewal; a token exchange sends the access token, and fails only if
    /// the script says so.
    async fn renew_for(
        &self,
        tokens: &TokenSet,
        resource: &Resource,
    ) -> Result<TokenResponse, ProviderError> {
        self.lock().resources.push(resource.clone());
        match self.resource_grant {
            ResourceGrant::RefreshToken => self.renew(tokens).await,
            ResourceGrant::AccessToken => {
                let mut state = self.lock();
                state.sent.push(tokens.access_token().to_owned());
                match state.script.pop_front() {
                    Some(RenewalScript::Fail(kind, wait)) => {
                        Err(ProviderError::new(kind).retry_after(wait))
                    }
                    _ => Ok(state.response(None)),
                }
            }
        }
    }

    fn resource_grant(&self) -> ResourceGrant {
        self.resource_grant
    }

    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError> {
        self.revocation_requests.pass().await;
        self.lock().revoke(refresh_token.expose_secret(), self.scope)
    }

    async fn revoke_access_token(&self, access_token: &SecretString) -> Result<(), ProviderError> {
        self.revoke(access_token).await
    }

    fn revocation_scope(&self) -> RevocationScope {
        self.scope
    }
}

//! The provider as one node sees it: its requests travel, and its answers may be lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;
use session_core::provider::{Provider, ProviderError, ProviderErrorKind, RevocationScope};
use session_core::testing::{Gate, ScriptedProvider};
use session_core::{TokenResponse, TokenSet};

use crate::history::{History, Sent};

/// One node's way to the provider that all share. Clones are the same way.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    provider: ScriptedProvider,
    node: usize,
    history: History,
    /// Holds requests that have not arrived.
    pub(crate) requests: Gate,
    /// Holds answers that have not arrived.
    pub(crate) answers: Gate,
    loses_next: Arc<AtomicBool>,
}

impl Way {
    pub(crate) fn new(provider: &ScriptedProvider, node: usize, history: &History) -> Self {
        let (requests, answers) = (Gate::new(), Gate::new());
        requests.close();
        answers.close();
        let (provider, history) = (provider.clone(), history.clone());
        Self { provider, node, history, requests, answers, loses_next: Arc::default() }
    }

    /// Loses the answer that arrives next.
    pub(crate) fn lose_next(&self) {
        self.loses_next.store(true, Ordering::Relaxed);
    }

    /// Lets everything through from now on.
    pub(crate) fn open(&self) {
        self.loses_next.store(false, Ordering::Relaxed);
        self.requests.open();
        self.answers.open();
    }

    fn note(&self, tokens: &TokenSet) {
        let mut seen = self.history.lock();
        let token = tokens.refresh_token().unwrap_or_default().to_owned();
        let (step, node) = (seen.step, self.node);
        seen.sent.push(Sent { step, node, token });
    }
}

/// A call whose outcome its node does not know: a cause, unless it is completed.
struct Unknown<'a>(Option<&'a Way>);

impl Drop for Unknown<'_> {
    fn drop(&mut self) {
        if let Some(way) = self.0 {
            way.history.cause(way.node);
        }
    }
}

#[async_trait]
impl Provider for Way {
    async fn renew(&self, tokens: &TokenSet) -> Result<TokenResponse, ProviderError> {
        self.note(tokens);
        let mut unknown = Unknown(Some(self));
        self.requests.pass().await;
        let answer = self.provider.renew(tokens).await;
        let sent = tokens.refresh_token().unwrap_or_default();
        if let Ok(response) = &answer {
            learn_grant(&self.history, response, Some(sent));
            self.history.lock().counts.renewals += 1;
        }
        self.answers.pass().await;
        if self.loses_next.swap(false, Ordering::Relaxed) {
            self.history.lock().counts.lost_answers += 1;
            return Err(ProviderError::new(ProviderErrorKind::Unavailable));
        }
        unknown.0 = None;
        answer
    }

    async fn revoke(&self, refresh_token: &SecretString) -> Result<(), ProviderError> {
        self.provider.revoke(refresh_token).await
    }

    fn revocation_scope(&self) -> RevocationScope {
        RevocationScope::Token
    }
}

/// Records which grant new tokens belong to: that of the token that was sent, or a new one.
pub(crate) fn learn_grant(
    history: &History,
    response: &TokenResponse,
    sent: Option<&str>,
) -> usize {
    let tokens = TokenSet::new(response.clone(), Default::default(), Default::default());
    let mut seen = history.lock();
    let new = seen.grants.len();
    let grant = sent.and_then(|sent| seen.grants.get(sent).copied()).unwrap_or(new);
    seen.grants.insert(tokens.access_token().to_owned(), grant);
    if let Some(refresh_token) = tokens.refresh_token() {
        seen.grants.insert(refresh_token.to_owned(), grant);
    }
    grant
}

//! Step-up: a user authenticates again, and the same session goes on (RFC 9470).

use std::sync::Arc;

use super::error::{ManagerError, ManagerErrorKind};
use super::manager::{Inner, SessionManager};
use super::row;
use super::sign_in::{SignIn, SignedIn, new_session};
use super::unclaimed::NewGrant;
use crate::clock::Timestamp;
use crate::metrics;
use crate::policy::authentication::RequiredAuthentication;
use crate::session::{Origin, SecretDigest, Session, SessionId, SessionSecret};
use crate::store::{
    Digests, PendingRevocation, PreviousDigest, StepUpWrite, StoreError, StoreErrorKind,
    StoredSession, TokenWrite,
};
use crate::token::{TokenResponse, TokenSet};

/// How often a row that changes meanwhile is read again.
const MAX_ROUNDS: u32 = 16;

/// A new authentication of a session's user, and the tokens that the provider issued at it.
#[derive(Debug, Clone)]
#[must_use]
pub struct StepUp {
    session: SessionId,
    required: RequiredAuthentication,
    sign_in: SignIn,
}

impl StepUp {
    /// Creates a step-up of this session by a sign-in, which
    /// [names](SignIn::supersedes) the cookies that the browser has sent.
    pub const fn new(session: SessionId, sign_in: SignIn) -> Self {
        Self { session, required: RequiredAuthentication::none(), sign_in }
    }

    /// Sets what the sign-in was begun for. If another tab of the same browser has achieved that a
    /// moment ago, its result stays.
    pub fn required(mut self, required: RequiredAuthentication) -> Self {
        self.required = required;
        self
    }
}

/// What became of a step-up.
#[derive(Debug)]
#[non_exhaustive]
pub enum StepUpOutcome {
    /// Another tab of the same browser has stepped up a moment ago; nothing was changed, and the
    /// tokens are to be revoked.
    AlreadyDone,
    /// The session is over, or is not this browser's any more: the user is signed in anew.
    SignedIn(SignedIn),
    /// The session goes on.
    SteppedUp {
        /// The session, with its new authentication.
        session: Session,
        /// The new value of the browser's cookie; it cannot be read again later.
        secret: SessionSecret,
        /// When the session ends however much it is used; the cookie need not live longer.
        absolute_deadline: Option<Timestamp>,
    },
}

/// # Step-up
impl SessionManager {
    /// Lets a session go on after its user has authenticated again: the same row and id, with new
    /// tokens, the new authentication, and a new secret. Neither the cap nor a timeout is touched.
    ///
    /// The previous secret is accepted as after a [rotation](Self::rotate_secret), but what it leads
    /// to shows no authentication. The refresh token that is replaced goes to the outbox of
    /// revocations, where it waits for the last session of the grant unless the provider revokes
    /// single tokens.
    ///
    /// If the session is over, belongs to a migration that is not cut over, or none of the cookies
    /// that the browser has sent leads to it, this is a [`sign_in`](Self::sign_in).
    ///
    /// # Errors
    ///
    /// Returns a [`ManagerError`] of the kind `OtherUser` if another user or subject has signed in
    /// than the session's: nothing was changed. Otherwise returns the errors of
    /// [`sign_in`](Self::sign_in). The tokens cannot be used for another try, and are to be revoked.
    pub async fn step_up(&self, step_up: StepUp) -> Result<StepUpOutcome, ManagerError> {
        let task = Arc::clone(&self.inner);
        let work = async move { attempt(&task, step_up).await };
        match self.inner.tasks.detach(work).await? {
            Continuation::Done(outcome) => Ok(*outcome),
            Continuation::NotThisSession(sign_in) => {
                Ok(StepUpOutcome::SignedIn(self.sign_in(*sign_in).await?))
            }
        }
    }
}

/// What an attempt leads to.
enum Continuation {
    Done(Box<StepUpOutcome>),
    /// The session cannot go on with this sign-in.
    NotThisSession(Box<SignIn>),
}

/// Runs in a task of its own: a caller that disconnects must not leave tokens without a row.
async fn attempt(inner: &Arc<Inner>, step_up: StepUp) -> Result<Continuation, ManagerError> {
    let StepUp { session, required, sign_in } = step_up;
    let new = new_session(inner, sign_in.clone(), None, Origin::Login)?;
    let grant = NewGrant::of(&new);
    let secret = SessionSecret::generate().inspect_err(|_| grant.clone().discard(inner))?;
    let authenticated = Authenticated { sign_in, required, to: secret.digest(), new: new.session };
    let written = write(inner, session, &authenticated).await;
    match written {
        Ok(Written::SteppedUp(session)) => {
            let absolute_deadline = inner.policy.absolute_deadline(&session);
            let outcome = StepUpOutcome::SteppedUp { session: *session, secret, absolute_deadline };
            Ok(Continuation::Done(Box::new(outcome)))
        }
        Ok(Written::AlreadyDone) => {
            grant.discard(inner);
            Ok(Continuation::Done(Box::new(StepUpOutcome::AlreadyDone)))
        }
        Ok(Written::NotThisSession) => {
            Ok(Continuation::NotThisSession(Box::new(authenticated.sign_in)))
        }
        Err(error) => {
            // A write whose answer was lost may have come through.
            match error.is_transient() {
                true => grant.discard_unless_written(inner, session, authenticated.to),
                false => grant.discard(inner),
            }
            Err(error)
        }
    }
}

/// A sign-in, and what it is to become.
struct Authenticated {
    sign_in: SignIn,
    required: RequiredAuthentication,
    /// The digest of the new secret.
    to: SecretDigest,
    /// The session that an ordinary sign-in would create.
    new: Session,
}

enum Written {
    AlreadyDone,
    NotThisSession,
    SteppedUp(Box<Session>),
}

/// Writes until the row is as it was read: a renewal, a rotation or another tab may change it.
async fn write(
    inner: &Inner,
    id: SessionId,
    authenticated: &Authenticated,
) -> Result<Written, ManagerError> {
    for _ in 0..MAX_ROUNDS {
        let now = inner.now();
        let Some((row, presented)) = find(inner, id, authenticated, now).await? else {
            return Ok(Written::NotThisSession);
        };
        if !is_same_user(&row.session, authenticated) {
            return Err(ManagerError::new(ManagerErrorKind::OtherUser));
        }
        let Ok(tokens) = row::open_tokens(inner, &row) else {
            return Ok(Written::NotThisSession);
        };
        let has_scope = has_scope_of(&tokens, &authenticated.sign_in.tokens);
        if has_scope && is_already_done(&row, &authenticated.required, now) {
            return Ok(Written::AlreadyDone);
        }
        let previous = PreviousDigest { digest: presented, rotated_at: now, confirmed_at: None };
        let write = step_up_write(inner, &row, &tokens, authenticated, now)?;
        let write = write.with_previous(Some(previous));
        let stepped_up = stepped_up(&row.session, &write);
        if let Some(revision) = inner.bounded(inner.store.step_up(write)).await? {
            announce(inner, &row, authenticated.to);
            return Ok(Written::SteppedUp(Box::new(Session { revision, ..stepped_up })));
        }
    }
    Err(StoreError::new(StoreErrorKind::Contended).into())
}

/// Reads the row, and the digest of the browser's cookie that leads to it; `None` if the session
/// cannot go on in this browser.
async fn find(
    inner: &Inner,
    id: SessionId,
    authenticated: &Authenticated,
    now: Timestamp,
) -> Result<Option<(StoredSession, SecretDigest)>, ManagerError> {
    let Some(row) = inner.bounded(inner.store.find(id)).await? else { return Ok(None) };
    if row::check_live(inner, &row.session).is_err()
        || row::held_by_migration(inner, &row.session).await?.is_some()
    {
        return Ok(None);
    }
    let mut presented = authenticated.sign_in.supersedes.iter().copied();
    let presented = presented.find(|digest| row.digests.accepts(digest, now));
    Ok(presented.map(|digest| (row, digest)))
}

/// Returns whether the session's own user has signed in: as far as the row knows the identity, the
/// new one is the same.
fn is_same_user(session: &Session, authenticated: &Authenticated) -> bool {
    let (known, new) = (&session.identity, &authenticated.new.identity);
    session.user == authenticated.new.user
        && session.provider == authenticated.new.provider
        && (known.subject.is_none() || known.subject == new.subject)
        && (known.issuer.is_none() || known.issuer == new.issuer)
}

/// Returns whether the session has each scope that was granted now.
fn has_scope_of(tokens: &TokenSet, granted: &TokenResponse) -> bool {
    let known: Vec<&str> = tokens.scope().unwrap_or_default().split_ascii_whitespace().collect();
    let granted = granted.scope.as_deref().unwrap_or_default();
    granted.split_ascii_whitespace().all(|scope| known.contains(&scope))
}

/// Returns whether another tab has just achieved what is required: its new secret is on the way to
/// the browser, which keeps one cookie only.
fn is_already_done(row: &StoredSession, required: &RequiredAuthentication, now: Timestamp) -> bool {
    let is_rotating = row.digests.previous.is_some_and(|old| now < old.accepted_until());
    is_rotating && !required.is_none() && required.check(&row.session.authentication, now).is_ok()
}

fn step_up_write(
    inner: &Inner,
    row: &StoredSession,
    tokens: &TokenSet,
    authenticated: &Authenticated,
    now: Timestamp,
) -> Result<StepUpWrite, ManagerError> {
    let (session, new) = (&row.session, &authenticated.new);
    let response = authenticated.sign_in.tokens.clone();
    // What the response leaves out is kept: some providers issue a refresh token only once.
    let merged = tokens.renewed(response, now, inner.policy.renewal().assumed_lifetime);
    // They were issued for the authentication of before.
    let merged = merged.without_resource_tokens();
    let data = authenticated.sign_in.data.as_ref().unwrap_or_else(|| tokens.data());
    let merged = merged.with_data(data.clone());
    let replaced = (!merged.has_revocable_of(tokens))
        .then(|| row.tokens.as_ref().and_then(|sealed| sealed.refresh_token.clone()))
        .flatten();
    let revocation = replaced.map(|token| PendingRevocation::new(session, token, now));
    let sealed = row::seal_tokens(inner, session, &merged)?;
    let write = TokenWrite::new(session.id, session.revision, sealed, now);
    let sid = new.identity.sid.clone().or_else(|| session.identity.sid.clone());
    Ok(StepUpWrite::new(write, authenticated.to, new.authentication.clone())
        .with_sid(sid)
        .revoking(revocation))
}

/// Returns the session as a write leaves it, but for its revision.
fn stepped_up(session: &Session, write: &StepUpWrite) -> Session {
    let mut stepped_up = session.clone();
    stepped_up.authentication.clone_from(&write.authentication);
    stepped_up.identity.sid.clone_from(&write.sid);
    stepped_up.renewed_at = Some(write.tokens.now);
    stepped_up
}

fn announce(inner: &Inner, row: &StoredSession, to: SecretDigest) {
    inner.caches.forget(&row.digests);
    inner.caches.forget(&Digests::first(Some(to)));
    inner.announcer.announce(row.session.id);
    metrics::stepped_up();
    tracing::info!(session = %row.session.id, provider = %row.session.provider, "session stepped up");
}

//! Admitting, ending and purging sessions.

use async_trait::async_trait;

use super::rows::Row;
use super::{MemoryStore, Tables, at_most, count};
use crate::clock::Timestamp;
use crate::event::{Event, EventKind};
use crate::policy::Verdict;
use crate::session::{EndCause, EndReason, Ended, Origin, SecretDigest, Session, SessionId};
use crate::store::{
    Admission, Decide, Digests, EndTarget, EndedSession, NewSession, PendingRevocation,
    SessionLifecycle, StoreError, StoredSession,
};

#[async_trait]
impl SessionLifecycle for MemoryStore {
    async fn admit(&self, new: NewSession, decide: &Decide<'_>) -> Result<Admission, StoreError> {
        let now = new.session.created_at;
        let mut state = self.state();
        let superseded = new.supersedes.and_then(|digest| state.live_by_digest(&digest, now));
        let mut admitted: Vec<_> =
            state.rows.live_in(&new.partition()).map(Row::admitted).collect();
        admitted.retain(|session| Some(session.id) != superseded);
        admitted.sort_by_key(|session| session.admission);
        let evictions = match decide(&admitted) {
            Verdict::Admit(evictions) => evictions,
            Verdict::Refuse { live } => return Ok(Admission::Refused { live }),
        };

        // Nothing is changed before this line, and nothing fails after it.
        state.insert(new)?;
        let superseded = superseded.map(|id| (id, EndReason::Superseded));
        let evicted = evictions.iter().filter(|one| admitted.iter().any(|it| it.id == one.id));
        let leaving = superseded.into_iter().chain(evicted.map(|one| (one.id, one.reason)));
        let ended =
            leaving.filter_map(|(id, reason)| state.end_one(id, &reason.into(), now)).collect();
        Ok(Admission::Admitted { ended })
    }

    async fn end(
        &self,
        target: EndTarget,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let mut state = self.state();
        let ids = state.ids_of(&target);
        Ok(ids.into_iter().filter_map(|id| state.end_one(id, &cause, now)).collect())
    }

    async fn purge_ended(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let mut state = self.state();
        let ended = |row: &Row| Some((row.stored.session.ended?.at, row.stored.session.id));
        let mut purged: Vec<_> =
            state.rows.all().filter_map(ended).filter(|(at, _)| *at < before).collect();
        purged.sort_unstable();
        purged.truncate(at_most(limit));
        purged.iter().for_each(|(_, id)| state.rows.remove(*id));
        Ok(count(purged.len()))
    }
}

impl Tables {
    fn insert(&mut self, new: NewSession) -> Result<(), StoreError> {
        let partition = new.partition();
        let digests = Digests::first(new.digest);
        let session = new.session.clone();
        let stored = StoredSession::new(new.session, digests, Some(new.tokens));
        self.rows.insert(Row { stored, partition, admission: self.admissions + 1 })?;
        self.admissions += 1;
        self.record(&session, EventKind::Created, session.created_at);
        Ok(())
    }

    fn live_by_digest(&self, digest: &SecretDigest, now: Timestamp) -> Option<SessionId> {
        let row = self.rows.find_by_digest(digest)?;
        let row = Some(row).filter(|row| row.stored.digests.accepts(digest, now))?;
        row.stored.session.is_live().then_some(row.stored.session.id)
    }

    fn ids_of(&self, target: &EndTarget) -> Vec<SessionId> {
        let matching = |row: &&Row| matches(target, &row.stored.session);
        let id_of = |row: &Row| row.stored.session.id;
        match target {
            EndTarget::AllOf { user, .. } | EndTarget::Others { user, .. } => {
                self.rows.live_of(user).filter(matching).map(id_of).collect()
            }
            EndTarget::One { id, .. } | EndTarget::Unchanged { id, .. } => {
                self.rows.get(*id).into_iter().filter(matching).map(id_of).collect()
            }
            EndTarget::Unused { sessions } => {
                let rows = sessions.iter().filter_map(|(id, _)| self.rows.get(*id));
                rows.filter(matching).map(id_of).collect()
            }
            EndTarget::OfProvider(_) => self.rows.live().filter(matching).map(id_of).collect(),
        }
    }

    /// Ends a live session: law 7 keeps the reason, law 11 moves the refresh token out.
    fn end_one(&mut self, id: SessionId, cause: &EndCause, now: Timestamp) -> Option<EndedSession> {
        let reason = cause.reason;
        let row = self.rows.live_mut(id)?;
        let refresh_token = row.tokens.take().and_then(|tokens| tokens.refresh_token);
        row.lease = None;
        row.session.revision += 1;
        row.session.ended = Some(Ended { at: now, reason });
        let (session, digests) = (row.session.clone(), row.digests);
        let event = Event::new(&session, EventKind::Ended(reason), now);
        self.add_event(event.by(cause.actor.clone()));
        if let Some(refresh_token) = refresh_token {
            let revocation = PendingRevocation::new(&session, refresh_token, now);
            self.outbox.insert(revocation.id, revocation);
        }
        Some(EndedSession::new(&session, digests, reason))
    }
}

fn matches(target: &EndTarget, session: &Session) -> bool {
    match target {
        EndTarget::AllOf { user, provider } => {
            *user == session.user && provider.as_ref().is_none_or(|p| *p == session.provider)
        }
        EndTarget::Others { user, except } => {
            *user == session.user && *except != session.id && session.origin != Origin::Connection
        }
        EndTarget::OfProvider(logout) => {
            let identity = &session.identity;
            !logout.is_empty()
                // A logout at the provider concerns browsers; tool clients have their own grants (B4).
                && session.origin != Origin::Connection
                && identity.issuer.as_ref() == Some(&logout.issuer)
                && (logout.subject.is_none() || logout.subject == identity.subject)
                && (logout.sid.is_none() || logout.sid == identity.sid)
                && logout.user.as_ref().is_none_or(|user| *user == session.user)
                && logout.created_until.is_none_or(|moment| session.created_at <= moment)
        }
        EndTarget::One { id, user } => {
            *id == session.id && user.as_ref().is_none_or(|user| *user == session.user)
        }
        EndTarget::Unused { sessions } => sessions.contains(&(session.id, session.last_seen_at)),
        EndTarget::Unchanged { id, revision } => *id == session.id && *revision == session.revision,
    }
}

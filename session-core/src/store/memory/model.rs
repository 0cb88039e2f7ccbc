//! What each method does to the rows, the events and the outbox.

use std::collections::HashSet;

use crate::clock::Timestamp;
use crate::event::{Event, EventKind};
use crate::policy::Verdict;
use crate::session::{
    EndReason, Ended, Origin, ProviderName, SecretDigest, Session, SessionId, UserId,
};
use crate::store::{
    Admission, Decide, Digests, EndTarget, EndedSession, Lease, NewSession, PendingRevocation,
    RevocationId, SecretRotation, StaleBy, StaleQuery, StoreError, StoredSession, TokenWrite,
};
use crate::token::SealedTokens;

use super::outbox::Outbox;
use super::rows::{Row, Rows};

/// Everything that the store knows.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) rows: Rows,
    pub(super) outbox: Outbox,
    events: Vec<Event>,
    /// Raised by each admission. One counter for all partitions orders each of them.
    admissions: u64,
    /// Whether imported sessions are held.
    pub(super) imported_are_held: bool,
}

impl Model {
    pub(super) fn admit(
        &mut self,
        new: NewSession,
        decide: &Decide<'_>,
    ) -> Result<Admission, StoreError> {
        let partition = new.partition();
        let superseded = new.supersedes.and_then(|digest| self.live_by_digest(&digest));
        let mut present: Vec<_> = self.rows.live_in(&partition).map(Row::occupant).collect();
        present.retain(|occupant| Some(occupant.id) != superseded);
        present.sort_by_key(|occupant| occupant.admission);
        let leaving = match decide(&present) {
            Verdict::Admit(leaving) => leaving,
            Verdict::Refuse { live } => return Ok(Admission::Refused { live }),
        };

        // Nothing is changed before this line, and nothing fails behind it.
        let now = new.session.created_at;
        self.insert(new)?;
        let superseded = superseded.map(|id| (id, EndReason::Superseded));
        let leaving = leaving.iter().filter(|d| present.iter().any(|o| o.id == d.id));
        let departures = superseded.into_iter().chain(leaving.map(|d| (d.id, d.reason)));
        let ended = departures.filter_map(|(id, reason)| self.end_one(id, reason, now)).collect();
        Ok(Admission::Admitted { ended })
    }

    fn insert(&mut self, new: NewSession) -> Result<(), StoreError> {
        let partition = new.partition();
        let digests = Digests { current: new.digest, previous: None };
        let created = event(&new.session, EventKind::Created, new.session.created_at);
        let stored =
            StoredSession { session: new.session, digests, tokens: Some(new.tokens), lease: None };
        self.rows.insert(Row { stored, partition, admission: self.admissions + 1 })?;
        self.admissions += 1;
        self.events.push(created);
        Ok(())
    }

    fn live_by_digest(&self, digest: &SecretDigest) -> Option<SessionId> {
        let row = self.rows.find_by_digest(digest)?;
        row.stored.session.is_live().then_some(row.stored.session.id)
    }

    pub(super) fn list(&self, user: &UserId) -> Vec<Session> {
        last_admitted_first(self.rows.live_of(user))
    }

    /// The live sessions of a user and provider that were moved here, and have such digests.
    pub(super) fn imported(
        &self,
        user: &UserId,
        provider: &ProviderName,
        digests: impl Fn(&Digests) -> bool,
    ) -> Vec<Session> {
        last_admitted_first(self.rows.live_of(user).filter(|row| {
            let session = &row.stored.session;
            session.origin == Origin::Imported
                && session.provider == *provider
                && digests(&row.stored.digests)
        }))
    }

    pub(super) fn is_held(&self, id: SessionId) -> bool {
        let is_imported = |row: &Row| row.stored.session.origin == Origin::Imported;
        self.imported_are_held && self.rows.get(id).is_some_and(is_imported)
    }

    pub(super) fn write_tokens(&mut self, write: TokenWrite) -> Option<u64> {
        let row = self.rows.live_mut(write.id)?;
        if row.session.revision != write.revision {
            return None;
        }
        row.tokens = Some(write.tokens);
        row.session.revision += 1;
        row.session.renewed_at = Some(write.now);
        let revision = row.session.revision;
        let renewed = event(&row.session, EventKind::Renewed, write.now);
        self.events.push(renewed);
        Some(revision)
    }

    pub(super) fn reseal(&mut self, id: SessionId, revision: u64, tokens: SealedTokens) -> bool {
        let row = self.rows.live_mut(id).filter(|row| row.session.revision == revision);
        row.map(|row| row.tokens = Some(tokens)).is_some()
    }

    pub(super) fn rotate_secret(&mut self, rotation: &SecretRotation) -> Result<bool, StoreError> {
        let digests = Digests { current: Some(rotation.to), previous: rotation.previous };
        let row = self.rows.live_mut(rotation.id);
        if row.is_none_or(|row| row.digests.current != rotation.from) {
            return Ok(false);
        }
        self.rows.check_unique(rotation.id, &digests)?;
        self.rows.change_digests(rotation.id, digests);
        if let Some(row) = self.rows.live_mut(rotation.id) {
            row.session.revision += 1;
        }
        Ok(true)
    }

    pub(super) fn confirm_rotation(
        &mut self,
        id: SessionId,
        presented: &SecretDigest,
        now: Timestamp,
    ) {
        let row = self.rows.live_mut(id).filter(|row| row.digests.current == Some(*presented));
        if let Some(previous) = row.and_then(|row| row.digests.previous.as_mut()) {
            previous.confirmed_at.get_or_insert(now);
        }
    }

    pub(super) fn end(
        &mut self,
        target: &EndTarget,
        reason: EndReason,
        now: Timestamp,
    ) -> Vec<EndedSession> {
        let ids = self.named_by(target);
        ids.into_iter().filter_map(|id| self.end_one(id, reason, now)).collect()
    }

    fn named_by(&self, target: &EndTarget) -> Vec<SessionId> {
        let fits = |row: &&Row| is_named(target, &row.stored.session);
        let id_of = |row: &Row| row.stored.session.id;
        match target {
            EndTarget::AllOf { user, .. } | EndTarget::Others { user, .. } => {
                self.rows.live_of(user).filter(fits).map(id_of).collect()
            }
            EndTarget::One { id, .. }
            | EndTarget::Unchanged { id, .. }
            | EndTarget::Unused { id, .. } => {
                self.rows.get(*id).into_iter().filter(fits).map(id_of).collect()
            }
            EndTarget::OfProvider { .. } => self.rows.live().filter(fits).map(id_of).collect(),
        }
    }

    /// Ends a live session: law 7 keeps the reason, law 11 moves the refresh token out.
    fn end_one(
        &mut self,
        id: SessionId,
        reason: EndReason,
        now: Timestamp,
    ) -> Option<EndedSession> {
        let partition = self.rows.get(id)?.partition;
        let row = self.rows.live_mut(id)?;
        let refresh_token = row.tokens.take().and_then(|tokens| tokens.refresh_token);
        row.lease = None;
        row.session.revision += 1;
        row.session.ended = Some(Ended { at: now, reason });
        let (session, digests) = (row.session.clone(), row.digests);
        self.events.push(event(&session, EventKind::Ended(reason), now));
        if let Some(refresh_token) = refresh_token {
            let revocation = PendingRevocation {
                id: RevocationId::generate(),
                session: id,
                user: session.user.clone(),
                provider: session.provider.clone(),
                partition,
                refresh_token,
                created_at: now,
                due_at: now,
                attempts: 0,
            };
            // The id is new: there is nothing that it could meet.
            self.outbox.enqueue(revocation);
        }
        let Session { user, provider, .. } = session;
        Some(EndedSession { id, user, provider, reason, digests })
    }

    pub(super) fn swap_lease(&mut self, id: SessionId, seen: Option<&Lease>, lease: Lease) -> bool {
        let stands = |lease: &Lease| (lease.owner, lease.heartbeat);
        let row = self.rows.live_mut(id);
        let row = row.filter(|row| row.lease.as_ref().map(stands) == seen.map(stands));
        row.map(|row| row.lease = Some(lease)).is_some()
    }

    pub(super) fn list_timeout_candidates(&self, query: StaleQuery) -> Vec<Session> {
        let key = |session: &Session| match query.by {
            StaleBy::LastSeen => (session.last_seen_at, session.id),
            StaleBy::TimeoutsFrom => (session.timeouts_from, session.id),
        };
        let mut found: Vec<&Session> = self
            .rows
            .live()
            .map(|row| &row.stored.session)
            .filter(|session| key(session).0 <= query.until && Some(key(session)) > query.after)
            .collect();
        found.sort_by_key(|session| key(session));
        found.into_iter().take(at_most(query.limit)).cloned().collect()
    }

    pub(super) fn purge_ended(&mut self, before: Timestamp, limit: u64) -> u64 {
        let ended = |row: &Row| Some((row.stored.session.ended?.at, row.stored.session.id));
        let mut over: Vec<_> =
            self.rows.all().filter_map(ended).filter(|(at, _)| *at < before).collect();
        over.sort_unstable();
        over.truncate(at_most(limit));
        over.iter().for_each(|(_, id)| self.rows.remove(*id));
        count(over.len())
    }

    pub(super) fn purge_events(&mut self, before: Timestamp, limit: u64) -> u64 {
        let mut left = limit;
        let known = self.events.len();
        self.events.retain(|event| {
            let goes = event.at < before && left > 0;
            left -= u64::from(goes);
            !goes
        });
        count(known - self.events.len())
    }

    pub(super) fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) fn events_of(&self, id: SessionId) -> Vec<Event> {
        let mut events: Vec<Event> =
            self.events.iter().filter(|event| event.session == id).cloned().collect();
        events.sort_by_key(|event| event.at);
        events
    }

    pub(super) fn sample_per_key(&self) -> Vec<StoredSession> {
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for row in self.rows.live() {
            let Some(tokens) = &row.stored.tokens else { continue };
            if seen.insert(tokens.tokens.key_id()) {
                found.push(row.stored.clone());
            }
        }
        found
    }

    pub(super) fn list_sealed_with_other_key(
        &self,
        key_id: &str,
        after: Option<SessionId>,
        limit: u64,
    ) -> Vec<StoredSession> {
        let behind = self.rows.live().filter(|row| Some(row.stored.session.id) > after);
        let is_other = |tokens: &SealedTokens| tokens.tokens.key_id() != Some(key_id);
        let other = behind.filter(|row| row.stored.tokens.as_ref().is_some_and(is_other));
        other.take(at_most(limit)).map(|row| row.stored.clone()).collect()
    }
}

fn last_admitted_first<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Session> {
    let mut rows: Vec<&Row> = rows.collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.admission));
    rows.into_iter().map(|row| row.stored.session.clone()).collect()
}

fn is_named(target: &EndTarget, session: &Session) -> bool {
    let of = |user: &Option<UserId>| user.as_ref().is_none_or(|user| *user == session.user);
    match target {
        EndTarget::AllOf { user, provider } => {
            *user == session.user && provider.as_ref().is_none_or(|p| *p == session.provider)
        }
        EndTarget::Others { user, except } => *user == session.user && *except != session.id,
        EndTarget::OfProvider { issuer, subject, sid } => {
            let identity = &session.identity;
            // A sign-out that names nobody is nobody's.
            (subject.is_some() || sid.is_some())
                // The provider signs people out of browsers; tool clients have their own grants (B4).
                && session.origin != Origin::Connection
                && identity.issuer.as_ref() == Some(issuer)
                && (subject.is_none() || *subject == identity.subject)
                && (sid.is_none() || *sid == identity.sid)
        }
        EndTarget::One { id, user } => *id == session.id && of(user),
        EndTarget::Unused { id, last_seen_at } => {
            *id == session.id && *last_seen_at == session.last_seen_at
        }
        EndTarget::Unchanged { id, revision } => *id == session.id && *revision == session.revision,
    }
}

fn event(session: &Session, kind: EventKind, at: Timestamp) -> Event {
    Event {
        session: session.id,
        user: session.user.clone(),
        provider: session.provider.clone(),
        kind,
        at,
    }
}

fn at_most(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

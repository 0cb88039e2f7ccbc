//! What the store contains, read without the manager.

use session_core::event::EventKind;
use session_core::manager::SignedIn;
use session_core::store::{PendingRevocation, StoredSession};
use session_core::{EndReason, Session, SessionId, SessionStore, TokenSet};

use super::{World, keyring};

impl World {
    /// Reads the row of a session.
    pub async fn row(&self, id: SessionId) -> StoredSession {
        self.sessions().find(id).await.expect("a row").expect("a row")
    }

    /// Returns why a session ended; `None` while it is live.
    pub async fn end_reason(&self, id: SessionId) -> Option<EndReason> {
        self.row(id).await.session.ended.map(|ended| ended.reason)
    }

    /// Returns the stored tokens of a live session.
    pub async fn stored(&self, signed_in: &SignedIn) -> TokenSet {
        let row = self.row(signed_in.session.id).await;
        let Session { id, user, provider, .. } = &row.session;
        let sealed = row.tokens.as_ref().expect("a live session's tokens");
        TokenSet::open(sealed, &keyring(), *id, user, provider).expect("tokens that open")
    }

    /// Returns the events of a session.
    pub async fn events(&self, id: SessionId) -> Vec<EventKind> {
        kinds(self.sessions().as_ref(), id).await
    }

    /// Returns all refresh tokens in the outbox of revocations, in clear, without claiming them.
    pub async fn outbox(&self) -> Vec<String> {
        let rows = rows_of(self.sessions().as_ref()).await;
        rows.iter().map(plain).collect()
    }
}

/// Returns the events of a session.
pub async fn kinds(store: &dyn SessionStore, id: SessionId) -> Vec<EventKind> {
    let events = store.events(id).await.expect("events");
    events.into_iter().map(|event| event.kind).collect()
}

/// Returns the outbox, ordered by id.
pub async fn rows_of(store: &dyn SessionStore) -> Vec<PendingRevocation> {
    // No key has this id.
    store.list_revocations_sealed_with_other_key("", None, 1000).await.expect("the outbox")
}

fn plain(revocation: &PendingRevocation) -> String {
    let context = session_core::token::SealContext {
        session: revocation.session,
        user: &revocation.user,
        provider: &revocation.provider,
        part: session_core::token::SealedPart::RefreshToken,
    };
    let plain = keyring().open(context, &revocation.refresh_token).expect("it opens");
    String::from_utf8(plain.to_vec()).expect("text")
}

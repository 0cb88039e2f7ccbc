//! What a refusal of the provider means: the end of the session, or that somebody else has renewed.

use std::time::Duration;

use super::error::{TokenError, TokenErrorKind};
use super::flight::Renewed;
use super::lease::Held;
use super::renewal::{MOST_ROUNDS, Opened, Renewing, SOON};
use crate::event::RenewalFailure;
use crate::session::EndReason;
use crate::store::EndTarget;

impl Renewing<'_> {
    /// The provider refused: the session ends, unless somebody else has new tokens for it (F8).
    pub(super) async fn refused(
        &self,
        opened: Opened,
        held: &mut Held,
    ) -> Result<Renewed, TokenError> {
        self.record(&opened.row.session, RenewalFailure::Refused).await;
        // The former owner may have rotated the token, and still try to write it.
        if held.was_taken_over && !self.outwaits_former_owner(&opened, held).await {
            return Err(TokenError::unavailable(SOON));
        }
        for _ in 0..MOST_ROUNDS {
            let now_stored = self.read().await?;
            if !now_stored.tokens.has_refresh_token_of(&opened.tokens) {
                return Ok(now_stored.renewed());
            }
            // A process that took the lease over, while this one was frozen, may have rotated the
            // token and not yet written it: what it is told decides.
            if !self.inner.beat(self.id, held).await? {
                return Err(TokenError::unavailable(SOON));
            }
            // Where nothing ends, the row has changed since: it is read again.
            if self.end_refused(now_stored.row.session.revision).await? {
                return Err(TokenError::new(TokenErrorKind::Ended(EndReason::RenewalRefused)));
            }
        }
        Err(TokenError::unavailable(SOON))
    }

    async fn end_refused(&self, revision: u64) -> Result<bool, TokenError> {
        let inner = self.inner;
        let target = EndTarget::Unchanged { id: self.id, revision };
        match inner.end(target, EndReason::RenewalRefused, inner.now()).await {
            Ok(ended) => Ok(!ended.is_empty()),
            Err(error) => {
                // The dead token must not be sent again at once (F9).
                let pause = inner.gates.hold(self.id, inner.clock.monotonic());
                Err(TokenError::unavailable(pause).caused_by(error))
            }
        }
    }

    /// Waits until the row has not changed for one whole term, and shows meanwhile that this owner
    /// lives; or until it is renewed or over. Only time in which the store could be read counts.
    ///
    /// `false`: the manager shuts down, and nothing is known.
    async fn outwaits_former_owner(&self, opened: &Opened, held: &mut Held) -> bool {
        let inner = self.inner;
        let step = held.lease.term / 8;
        let mut revision = opened.row.session.revision;
        let mut still = Duration::ZERO;
        while still < held.lease.term {
            let before = inner.clock.monotonic();
            tokio::select! {
                biased;
                () = inner.tasks.closing() => return false,
                () = inner.clock.sleep(step) => {}
            }
            match self.read().await {
                Ok(now) if !now.tokens.has_refresh_token_of(&opened.tokens) => return true,
                Ok(now) if now.row.session.revision == revision => {
                    still += inner.clock.monotonic().saturating_sub(before);
                }
                Ok(now) => (revision, still) = (now.row.session.revision, Duration::ZERO),
                Err(error) if error.is_transient() => still = Duration::ZERO,
                Err(_) => return true,
            }
            drop(inner.beat(self.id, held).await);
        }
        true
    }
}

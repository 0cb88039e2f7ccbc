//! Law 5: what a call has written is visible on every node when the call returns.

use std::time::Duration;

use super::kit::{
    Nodes, Outcome, at, digest, end_one, ensure, ensure_eq, outbox, sign_in, stored, token_write,
    unlimited,
};
use crate::session::EndReason;
use crate::store::{Lease, SecretRotation};
use crate::testing::sample::{self, Login};

cases! { 5:
    law_5_every_write_is_seen_by_other_nodes_at_once,
    law_5_consecutive_renewals_are_all_seen,
}

async fn law_5_every_write_is_seen_by_other_nodes_at_once(nodes: Nodes) -> Outcome {
    let (here, there) = (nodes.first(), nodes.other());
    for _ in 0..8 {
        let login = Login::of("ann", "okta");
        let id = login.id();
        // A node that has read before must not use what it has read then.
        ensure_eq(there.find(id).await?, None, "it does not exist yet")?;
        sign_in(here, &login, &unlimited()?).await?;
        let read = stored(there, id).await?;
        let write = token_write(&read.session, at(1));
        here.write_tokens(write.clone()).await?;
        ensure_eq(stored(there, id).await?.tokens, Some(write.tokens), "new tokens are seen")?;
        here.touch(id, at(2)).await?;
        ensure_eq(stored(there, id).await?.session.last_seen_at, at(2), "a touch is seen")?;
        let to = sample::secret().digest();
        let rotation = SecretRotation::new(id, login.digest(), to, at(1));
        here.rotate_secret(rotation).await?;
        ensure(there.find_by_digest(&to).await?.is_some(), "a new secret is found")?;
        let old = there.find_by_digest(&digest(&login)?).await?;
        ensure_eq(old, None, "a replaced secret is not found")?;
        let lease = Lease::new(Duration::from_secs(30));
        here.claim_lease(id, None, &lease).await?;
        ensure_eq(stored(there, id).await?.lease, Some(lease), "a lease is seen")?;
        end_one(here, id, EndReason::SignedOut, at(3)).await?;
        ensure(!stored(there, id).await?.session.is_live(), "an end is seen (L1)")?;
        let out = outbox(there).await?;
        ensure(out.iter().any(|r| r.session == id), "the revocation is seen")?;
    }
    Ok(())
}

async fn law_5_consecutive_renewals_are_all_seen(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    sign_in(nodes.first(), &login, &unlimited()?).await?;
    for turn in 0..16_u64 {
        let (reads, writes) = if turn % 2 == 0 {
            (nodes.first(), nodes.other())
        } else {
            (nodes.other(), nodes.first())
        };
        let read = stored(reads, login.id()).await?;
        let landed = writes.write_tokens(token_write(&read.session, at(turn))).await?;
        ensure_eq(landed, Some(read.session.revision + 1), "the newest revision was read")?;
    }
    Ok(())
}

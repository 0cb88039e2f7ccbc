//! Law 3 for step-ups: tokens, secret and authentication change together, in a live row that
//! is as it was read.

use super::kit::{
    Nodes, Outcome, ROUNDS, at, end_one, ensure, ensure_eq, outbox, signed_in, stored, token_write,
};
use crate::event::EventKind;
use crate::session::{Authentication, EndReason, SecretDigest};
use crate::store::{
    Digests, PendingRevocation, PreviousDigest, SecretRotation, StepUpWrite, StoredSession,
};
use crate::testing::sample::{self, Login};

cases! { 3:
    law_3_a_step_up_changes_tokens_secret_and_authentication_at_once,
    law_3_a_step_up_needs_the_revision_that_was_read,
    law_3_a_step_up_resurrects_no_ended_session,
    law_3_of_many_step_ups_one_wins,
    law_3_a_rotation_can_forget_the_authentication,
    law_3_the_token_that_a_step_up_replaces_is_revoked,
}

fn authentication(second: u64) -> Authentication {
    let amr = vec!["pwd".to_owned(), "otp".to_owned()];
    Authentication { at: Some(at(second)), acr: Some("urn:example:\"phr\"".to_owned()), amr }
}

/// Returns the step-up of a row that has a cookie, as it was read.
fn step_up(read: &StoredSession, second: u64) -> StepUpWrite {
    let digest = read.digests.current.unwrap_or_else(|| SecretDigest::of("none"));
    let previous = PreviousDigest { digest, rotated_at: at(second), confirmed_at: None };
    let write = token_write(&read.session, at(second));
    StepUpWrite::new(write, sample::secret().digest(), authentication(second))
        .with_previous(Some(previous))
        .with_sid(Some(format!("sid-{second}")))
}

/// Returns the row as a step-up leaves it.
fn after(write: &StepUpWrite, mut row: StoredSession) -> StoredSession {
    row.session.revision += 1;
    row.session.renewed_at = Some(write.tokens.now);
    row.session.authentication = write.authentication.clone();
    row.session.identity.sid.clone_from(&write.sid);
    row.tokens = Some(write.tokens.tokens.clone());
    row.digests = Digests { current: Some(write.to), previous: write.previous, is_rotated: true };
    row
}

async fn law_3_a_step_up_changes_tokens_secret_and_authentication_at_once(nodes: Nodes) -> Outcome {
    let sibling = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let before = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let (id, write) = (before.session.id, step_up(&before, 60));
    let revision = nodes.first().step_up(write.clone()).await?;
    ensure_eq(revision, Some(before.session.revision + 1), "the new revision is returned")?;
    let row = stored(nodes.other(), id).await?;
    ensure_eq(row, after(&write, before.clone()), "and nothing else has changed")?;
    for digest in [Some(write.to), before.digests.current].into_iter().flatten() {
        let found = nodes.other().find_by_digest(&digest).await?;
        ensure_eq(found.map(|row| row.session.id), Some(id), "both secrets find it")?;
    }
    let kinds = nodes.other().events(id).await?.into_iter().map(|event| event.kind);
    let expected = vec![EventKind::Created, EventKind::SteppedUp];
    ensure_eq(kinds.collect::<Vec<_>>(), expected, "the event is recorded, and no renewal")?;
    ensure_eq(outbox(nodes.first()).await?, Vec::new(), "no token is revoked that none names")?;
    ensure_eq(stored(nodes.first(), sibling.session.id).await?, sibling, "the sibling stays")
}

async fn law_3_a_step_up_needs_the_revision_that_was_read(nodes: Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    nodes.other().write_tokens(token_write(&read.session, at(1))).await?;
    let before = stored(nodes.first(), read.session.id).await?;
    let revocation = read.tokens.clone().and_then(|tokens| tokens.refresh_token);
    let revocation = revocation.map(|token| PendingRevocation::new(&read.session, token, at(2)));
    let overtaken = nodes.first().step_up(step_up(&read, 2).revoking(revocation)).await?;
    ensure_eq(overtaken, None, "a step-up of an old revision returns none")?;
    ensure_eq(stored(nodes.other(), read.session.id).await?, before, "nothing changes")?;
    ensure_eq(outbox(nodes.first()).await?, Vec::new(), "no token is to be revoked")?;
    let kinds = nodes.first().events(read.session.id).await?.into_iter().map(|event| event.kind);
    let is_recorded = kinds.into_iter().any(|kind| kind == EventKind::SteppedUp);
    ensure(!is_recorded, "no step-up is recorded")
}

async fn law_3_a_step_up_resurrects_no_ended_session(nodes: Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let id = read.session.id;
    end_one(nodes.other(), id, EndReason::RevokedByUser, at(1)).await?;
    let ended = stored(nodes.first(), id).await?;
    for row in [&read, &ended] {
        let written = nodes.first().step_up(step_up(row, 2)).await?;
        ensure_eq(written, None, "an ended session does not go on")?;
    }
    ensure_eq(stored(nodes.first(), id).await?, ended, "it stays as it ended")
}

async fn law_3_of_many_step_ups_one_wins(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
        let token = read.tokens.clone().and_then(|tokens| tokens.refresh_token);
        let revocation = || {
            let token = token.clone();
            token.map(|token| PendingRevocation::new(&read.session, token, at(9)))
        };
        let writes: Vec<_> =
            (0..8).map(|second| step_up(&read, second).revoking(revocation())).collect();
        let stepped_up = |node: std::sync::Arc<dyn crate::store::SessionStore>, write| async move {
            Ok(node.step_up(write).await?)
        };
        let written = nodes.at_once(writes.clone(), stepped_up).await?;
        let landed: Vec<_> = writes.iter().zip(&written).filter(|(_, r)| r.is_some()).collect();
        let [(write, _)] = landed[..] else {
            return ensure_eq(landed.len(), 1, "one step-up of one revision succeeds");
        };
        let id = read.session.id;
        let row = stored(nodes.other(), id).await?;
        ensure_eq(row, after(write, read.clone()), "tokens and secret are of the same one")?;
        let out = outbox(nodes.first()).await?;
        let out = out.iter().filter(|revocation| revocation.session == id).count();
        ensure_eq(out, 1, "the replaced token is to be revoked once")?;
    }
    Ok(())
}

async fn law_3_a_rotation_can_forget_the_authentication(nodes: Nodes) -> Outcome {
    let mut before = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    nodes.first().step_up(step_up(&before, 1)).await?;
    for forgets in [false, true] {
        before = stored(nodes.first(), before.session.id).await?;
        let (from, to) = (before.digests.current, sample::secret().digest());
        let rotation = SecretRotation::new(before.session.id, from, to, at(2));
        let rotation = rotation.forgetting_authentication(forgets);
        ensure(nodes.first().rotate_secret(rotation).await?, "the digest matches")?;
        let row = stored(nodes.other(), before.session.id).await?;
        let expected = match forgets {
            true => Authentication::default(),
            false => before.session.authentication.clone(),
        };
        ensure_eq(row.session.authentication, expected, "it is forgotten if asked, else kept")?;
    }
    Ok(())
}

async fn law_3_the_token_that_a_step_up_replaces_is_revoked(nodes: Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let token = read.tokens.clone().and_then(|tokens| tokens.refresh_token);
    let revocation = token.map(|token| PendingRevocation::new(&read.session, token, at(60)));
    nodes.first().step_up(step_up(&read, 60).revoking(revocation.clone())).await?;
    let out: Vec<_> = outbox(nodes.other()).await?;
    let tokens: Vec<_> = out.iter().map(|one| (one.id, one.refresh_token.clone())).collect();
    let expected = revocation.map(|one| (one.id, one.refresh_token));
    ensure_eq(tokens, expected.into_iter().collect(), "it is in the outbox, with the same id")
}

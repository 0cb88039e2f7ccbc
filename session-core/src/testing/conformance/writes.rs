//! Law 3: nothing is resurrected, nothing is lost.

use super::kit::{
    Nodes, Outcome, ROUNDS, at, end_one, ensure, ensure_eq, outbox, sign_in_all, signed_in, stored,
    token_write,
};
use crate::event::EventKind;
use crate::session::{EndReason, SessionId};
use crate::store::{EndTarget, Reseal, StoredSession, TokenWrite};
use crate::testing::sample::{self, Login};

cases! { 3:
    law_3_a_token_write_raises_the_revision,
    law_3_a_token_write_touches_no_other_row,
    law_3_a_stale_revision_writes_nothing,
    law_3_a_write_resurrects_no_ended_session,
    law_3_a_write_never_inserts,
    law_3_of_many_writes_of_one_revision_one_succeeds,
    law_3_an_end_beats_the_writes_that_race_with_it,
    law_3_a_touch_only_moves_forward,
    law_3_a_touch_changes_no_ended_session,
    law_3_of_many_touches_the_latest_stays,
    law_3_resealing_keeps_the_revision,
    law_3_resealing_does_not_change_a_newer_revision,
    law_3_resealing_many_leaves_out_what_changed,
}

async fn law_3_a_token_write_raises_the_revision(nodes: Nodes) -> Outcome {
    let before = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let write = token_write(&before.session, at(60));
    let revision = nodes.first().write_tokens(write.clone()).await?;
    ensure_eq(revision, Some(before.session.revision + 1), "the new revision is returned")?;
    let mut expected = StoredSession { tokens: Some(write.tokens), ..before };
    expected.session.revision += 1;
    expected.session.renewed_at = Some(at(60));
    let after = stored(nodes.other(), expected.session.id).await?;
    ensure_eq(after, expected, "tokens, revision and time change, and nothing else")
}

async fn law_3_a_token_write_touches_no_other_row(nodes: Nodes) -> Outcome {
    let sibling = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let own = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    nodes.first().write_tokens(token_write(&own.session, at(60))).await?;
    let after = stored(nodes.first(), sibling.session.id).await?;
    ensure_eq(after, sibling, "the sibling keeps its tokens")
}

async fn law_3_a_stale_revision_writes_nothing(nodes: Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    nodes.other().write_tokens(token_write(&read.session, at(1))).await?;
    let before = stored(nodes.first(), read.session.id).await?;
    let overtaken = nodes.first().write_tokens(token_write(&read.session, at(2))).await?;
    ensure_eq(overtaken, None, "a write of an old revision returns none")?;
    let mut ahead = before.session.clone();
    ahead.revision += 1;
    let ahead = nodes.first().write_tokens(token_write(&ahead, at(3))).await?;
    ensure_eq(ahead, None, "a future revision does not match")?;
    ensure_eq(stored(nodes.first(), read.session.id).await?, before, "nothing changes")?;
    let events = nodes.first().events(read.session.id).await?;
    let renewals = events.iter().filter(|event| event.kind == EventKind::Renewed).count();
    ensure_eq(renewals, 1, "no further renewal is recorded")
}

async fn law_3_a_write_resurrects_no_ended_session(nodes: Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let id = read.session.id;
    end_one(nodes.other(), id, EndReason::SignedOut, at(1)).await?;
    let ended = stored(nodes.first(), id).await?;
    for session in [&read.session, &ended.session] {
        let written = nodes.first().write_tokens(token_write(session, at(2))).await?;
        ensure_eq(written, None, "an ended session takes no tokens (F13)")?;
    }
    ensure_eq(stored(nodes.first(), id).await?, ended, "it stays as it ended")
}

async fn law_3_a_write_never_inserts(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let absent = Login::of("ann", "okta");
    let id = absent.id();
    let written = store.write_tokens(token_write(&absent.session, at(1))).await?;
    ensure_eq(written, None, "nothing is written")?;
    let tokens = sample::sealed(&absent.tokens, &absent.session);
    let anew = Reseal::new(id, absent.session.revision, tokens);
    ensure_eq(store.reseal(vec![anew]).await?, 0, "nothing is re-sealed")?;
    store.touch(id, at(2)).await?;
    store.confirm_rotation(id, &sample::secret().digest(), at(3)).await?;
    let target = EndTarget::One { id, user: None };
    let ended = store.end(target, EndReason::SignedOut.into(), at(4)).await?;
    ensure_eq(ended, Vec::new(), "nothing ends")?;
    ensure_eq(store.find(id).await?, None, "no row is created (F13)")?;
    ensure_eq(store.events(id).await?, Vec::new(), "no event is recorded")
}

async fn law_3_of_many_writes_of_one_revision_one_succeeds(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        race_of_writes(&nodes).await?;
    }
    Ok(())
}

async fn race_of_writes(nodes: &Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let writes: Vec<TokenWrite> = (0..16).map(|n| token_write(&read.session, at(n))).collect();
    let written = nodes
        .at_once(writes.clone(), |node, write| async move { Ok(node.write_tokens(write).await?) })
        .await?;
    let landed: Vec<_> = writes.iter().zip(&written).filter(|(_, r)| r.is_some()).collect();
    ensure_eq(landed.len(), 1, "one write of one revision succeeds")?;
    let row = stored(nodes.first(), read.session.id).await?;
    let tokens = landed.first().map(|(write, _)| write.tokens.clone());
    ensure_eq(row.tokens, tokens, "its tokens are stored")?;
    ensure_eq(row.session.revision, read.session.revision + 1, "the revision is raised once")
}

/// The calls of a race.
#[derive(Clone)]
enum Racer {
    End(SessionId),
    Write(TokenWrite),
}

async fn law_3_an_end_beats_the_writes_that_race_with_it(nodes: Nodes) -> Outcome {
    for round in 0..ROUNDS {
        let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
        let id = read.session.id;
        let write = token_write(&read.session, at(1));
        let known: Vec<_> =
            [read.tokens, Some(write.tokens.clone())].into_iter().flatten().collect();
        let mut racers = vec![Racer::Write(write), Racer::End(id)];
        racers.rotate_left(round % 2);
        let race = |node: std::sync::Arc<dyn crate::store::SessionStore>, racer| async move {
            match racer {
                Racer::Write(write) => Ok(node.write_tokens(write).await?.is_some()),
                Racer::End(id) => {
                    end_one(&*node, id, EndReason::SignedOut, at(2)).await.map(|_| true)
                }
            }
        };
        nodes.at_once(racers, race).await?;
        let row = stored(nodes.other(), id).await?;
        ensure(!row.session.is_live(), "the session stays ended")?;
        ensure_eq(row.tokens, None, "it has no tokens")?;
        let out = outbox(nodes.first()).await?;
        let out: Vec<_> = out.iter().filter(|r| r.session == id).collect();
        ensure_eq(out.len(), 1, "one refresh token is to be revoked")?;
        let is_known = |revocation: &&crate::store::PendingRevocation| {
            known.iter().any(|t| t.refresh_token.as_ref() == Some(&revocation.refresh_token))
        };
        ensure(out.iter().all(is_known), "the one that the row had at its end")?;
    }
    Ok(())
}

async fn law_3_a_touch_only_moves_forward(nodes: Nodes) -> Outcome {
    let before = signed_in(nodes.first(), &Login::of("ann", "okta").at(at(100))).await?;
    let id = before.session.id;
    nodes.first().touch(id, at(40)).await?;
    ensure_eq(stored(nodes.first(), id).await?, before.clone(), "a touch never moves back")?;
    nodes.first().touch(id, at(160)).await?;
    nodes.other().touch(id, at(130)).await?;
    let mut expected = before;
    expected.session.last_seen_at = at(160);
    ensure_eq(stored(nodes.first(), id).await?, expected, "only the last use changes")
}

async fn law_3_a_touch_changes_no_ended_session(nodes: Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let id = read.session.id;
    end_one(nodes.first(), id, EndReason::Idle, at(10)).await?;
    let ended = stored(nodes.first(), id).await?;
    nodes.other().touch(id, at(20)).await?;
    ensure_eq(stored(nodes.first(), id).await?, ended, "an ended session is not touched")
}

async fn law_3_of_many_touches_the_latest_stays(nodes: Nodes) -> Outcome {
    let read = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let id = read.session.id;
    let moments: Vec<_> = (0..16_u64).map(|n| at(n * 7 % 16)).collect();
    nodes
        .at_once(moments, move |node, moment| async move { Ok(node.touch(id, moment).await?) })
        .await?;
    let row = stored(nodes.other(), id).await?;
    ensure_eq(row.session.last_seen_at, at(15), "the latest use stays")
}

async fn law_3_resealing_keeps_the_revision(nodes: Nodes) -> Outcome {
    let before = signed_in(nodes.first(), &Login::of("ann", "okta")).await?;
    let (id, revision) = (before.session.id, before.session.revision);
    let anew = sample::sealed(&sample::tokens(), &before.session);
    let resealed = nodes.first().reseal(vec![Reseal::new(id, revision, anew.clone())]).await?;
    ensure_eq(resealed, 1, "the revision matches")?;
    let expected = StoredSession { tokens: Some(anew), ..before };
    ensure_eq(stored(nodes.other(), id).await?, expected, "only the sealed values change")?;
    ensure_eq(nodes.first().events(id).await?.len(), 1, "nothing is recorded")
}

async fn law_3_resealing_does_not_change_a_newer_revision(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let logins = [Login::of("ann", "okta"), Login::of("ben", "okta")];
    sign_in_all(store, &logins).await?;
    let [renewed, ended] = &logins;
    store.write_tokens(token_write(&renewed.session, at(1))).await?;
    end_one(store, ended.id(), EndReason::SignedOut, at(1)).await?;
    for login in &logins {
        let now = stored(store, login.id()).await?;
        let anew = sample::sealed(&login.tokens, &login.session);
        let read = login.session.revision;
        let resealed = nodes.other().reseal(vec![Reseal::new(login.id(), read, anew)]).await?;
        ensure_eq(resealed, 0, "the revision does not match")?;
        ensure_eq(stored(store, login.id()).await?, now, "nothing changes")?;
    }
    let row = stored(store, ended.id()).await?;
    let anew = sample::sealed(&ended.tokens, &ended.session);
    let resealed = store.reseal(vec![Reseal::new(ended.id(), row.session.revision, anew)]).await?;
    ensure_eq(resealed, 0, "an ended session takes no tokens, whatever its revision")
}

async fn law_3_resealing_many_leaves_out_what_changed(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let logins: Vec<_> = (0..5).map(|n| Login::of(&format!("user-{n}"), "okta")).collect();
    sign_in_all(store, &logins).await?;
    let sealed = |login: &Login| sample::sealed(&sample::tokens(), &login.session);
    let anew = |login: &Login| Reseal::new(login.id(), login.session.revision, sealed(login));
    let all: Vec<_> = logins.iter().map(anew).collect();
    let [_, renewed, ended, ..] = logins.as_slice() else { return Ok(()) };
    store.write_tokens(token_write(&renewed.session, at(1))).await?;
    end_one(store, ended.id(), EndReason::SignedOut, at(1)).await?;
    let mut expected = Vec::new();
    for Reseal { id, revision, tokens } in &all {
        let row = stored(store, *id).await?;
        let fits = row.session.is_live() && row.session.revision == *revision;
        let kept = row.tokens.clone();
        expected
            .push(StoredSession { tokens: if fits { Some(tokens.clone()) } else { kept }, ..row });
    }
    ensure_eq(nodes.other().reseal(all).await?, 3, "the others are resealed")?;
    for row in expected {
        ensure_eq(stored(store, row.session.id).await?, row, "and what changed is as it was")?;
    }
    ensure_eq(store.reseal(Vec::new()).await?, 0, "none is no error")
}

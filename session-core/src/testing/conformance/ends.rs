//! Law 7: every end has a reason; and law 3 for ends.

use super::kit::{
    Nodes, Outcome, ROUNDS, at, digest, end_one, ended_ids, ensure, ensure_eq, sign_in_all,
    signed_in, stored, token_write,
};
use crate::event::EventKind;
use crate::session::{EndReason, Ended};
use crate::store::{EndTarget, EndedSession, StoredSession};
use crate::testing::sample::{self, Login};

cases! { 7:
    law_7_every_reason_stays_readable,
    law_7_an_end_changes_nothing_but_the_end,
    law_7_the_first_end_stays,
    law_7_of_many_ends_one_is_reported,
    law_7_an_ended_session_is_not_listed,
    law_7_an_end_is_found_by_ids,
    law_7_an_idle_end_does_not_end_a_session_that_was_used,
    law_7_an_end_by_revision_does_not_end_a_session_that_changed,
    law_7_of_an_idle_end_and_a_touch_only_one_wins,
}

async fn law_7_every_reason_stays_readable(nodes: Nodes) -> Outcome {
    for reason in EndReason::ALL {
        let login = Login::of("ann", "okta");
        signed_in(nodes.first(), &login).await?;
        let told = end_one(nodes.first(), login.id(), reason, at(9)).await?;
        let expected = EndedSession {
            id: login.id(),
            user: login.session.user.clone(),
            provider: login.session.provider.clone(),
            reason,
            digests: stored(nodes.first(), login.id()).await?.digests,
        };
        ensure_eq(told, expected, "the ended session is reported with its digests")?;
        let row = nodes.other().find_by_digest(&digest(&login)?).await?;
        let end = row.and_then(|row| row.session.ended);
        ensure_eq(end, Some(Ended { at: at(9), reason }), "its cookie finds the reason")?;
    }
    Ok(())
}

async fn law_7_an_end_changes_nothing_but_the_end(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta").sid("sid-1").device("Laptop");
    let before = signed_in(nodes.first(), &login).await?;
    end_one(nodes.first(), login.id(), EndReason::SignedOut, at(9)).await?;
    let after = stored(nodes.other(), login.id()).await?;
    ensure(after.session.revision > before.session.revision, "the revision is raised")?;
    let mut expected = StoredSession { tokens: None, lease: None, ..before };
    expected.session.revision = after.session.revision;
    expected.session.ended = Some(Ended { at: at(9), reason: EndReason::SignedOut });
    let after = StoredSession { lease: None, ..after };
    ensure_eq(after, expected, "the tokens are removed, the rest stays readable")
}

async fn law_7_the_first_end_stays(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    signed_in(nodes.first(), &login).await?;
    end_one(nodes.first(), login.id(), EndReason::Evicted, at(9)).await?;
    let first = stored(nodes.first(), login.id()).await?;
    let (id, user) = (login.id(), login.session.user.clone());
    let targets = [
        EndTarget::One { id, user: None },
        EndTarget::One { id, user: Some(user.clone()) },
        EndTarget::AllOf { user, provider: None },
        EndTarget::Unused { sessions: vec![(id, login.session.last_seen_at)] },
        EndTarget::Unchanged { id, revision: first.session.revision },
    ];
    for target in targets {
        let again = nodes.other().end(target, EndReason::SignedOut.into(), at(10)).await?;
        ensure_eq(again, Vec::new(), "an ended session does not end again")?;
    }
    ensure_eq(stored(nodes.first(), id).await?, first, "the first reason stays")?;
    ensure_eq(nodes.first().events(id).await?.len(), 2, "one end is recorded")
}

async fn law_7_of_many_ends_one_is_reported(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        race_of_ends(&nodes).await?;
    }
    Ok(())
}

async fn race_of_ends(nodes: &Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    signed_in(nodes.first(), &login).await?;
    let id = login.id();
    let told = nodes
        .at_once(EndReason::ALL.to_vec(), move |node, reason| async move {
            Ok(node.end(EndTarget::One { id, user: None }, reason.into(), at(9)).await?)
        })
        .await?;
    let told: Vec<_> = told.into_iter().flatten().map(|ended| ended.reason).collect();
    let row = stored(nodes.first(), id).await?;
    let reason: Vec<_> = row.session.ended.map(|ended| ended.reason).into_iter().collect();
    ensure_eq(told, reason.clone(), "one call ended it, and its reason is stored")?;
    let events = nodes.first().events(id).await?;
    let recorded: Vec<_> = events.iter().map(|event| event.kind).skip(1).collect();
    let expected: Vec<_> = reason.into_iter().map(EventKind::Ended).collect();
    ensure_eq(recorded, expected, "one end is recorded")
}

async fn law_7_an_ended_session_is_not_listed(nodes: Nodes) -> Outcome {
    let logins = [Login::of("ann", "okta"), Login::of("ann", "okta")];
    sign_in_all(nodes.first(), &logins).await?;
    let [over, live] = &logins;
    end_one(nodes.first(), over.id(), EndReason::RevokedByUser, at(9)).await?;
    let listed = nodes.other().list(&over.session.user).await?;
    ensure_eq(listed, vec![live.session.clone()], "the list has live sessions only")
}

async fn law_7_an_end_is_found_by_ids(nodes: Nodes) -> Outcome {
    let logins = [0, 1, 2].map(|second| Login::of("ann", "okta").at(at(second)));
    sign_in_all(nodes.first(), &logins).await?;
    let [over, live, _] = &logins;
    end_one(nodes.first(), over.id(), EndReason::Evicted, at(9)).await?;
    let absent = Login::of("ann", "okta");
    let watched = [live.id(), absent.id(), over.id()];
    let mut found = nodes.other().find_all(&watched).await?;
    found.sort_by_key(|session| session.id == live.id());
    let expected = [over, live].map(|login| login.id());
    let read: Vec<_> = found.iter().map(|session| session.id).collect();
    ensure_eq(read, expected.to_vec(), "the requested sessions, live or ended")?;
    let end = found.first().and_then(|session| session.ended);
    let expected = Ended { at: at(9), reason: EndReason::Evicted };
    ensure_eq(end, Some(expected), "the end can be read")?;
    ensure_eq(nodes.first().find_all(&[]).await?, Vec::new(), "no ids, no sessions")?;
    let many: Vec<_> = (0..2_000).map(|_| sample_id()).chain([live.id()]).collect();
    let found = nodes.first().find_all(&many).await?;
    ensure_eq(found, vec![live.session.clone()], "many ids may be requested at once")
}

fn sample_id() -> crate::session::SessionId {
    crate::session::SessionId::generate(sample::now())
}

async fn law_7_an_idle_end_does_not_end_a_session_that_was_used(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    signed_in(nodes.first(), &login).await?;
    let id = login.id();
    let read = EndTarget::Unused { sessions: vec![(id, login.session.last_seen_at)] };
    nodes.other().touch(id, at(5)).await?;
    let ended = nodes.first().end(read, EndReason::Idle.into(), at(9)).await?;
    ensure_eq(ended, Vec::new(), "it was used since it was read")?;
    ensure(stored(nodes.first(), id).await?.session.is_live(), "it is live")?;
    let fresh = EndTarget::Unused { sessions: vec![(id, at(5))] };
    let ended = nodes.first().end(fresh, EndReason::Idle.into(), at(9)).await?;
    ensure_eq(ended_ids(&ended), vec![id], "an end after a fresh read ends it")
}

async fn law_7_an_end_by_revision_does_not_end_a_session_that_changed(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let read = signed_in(nodes.first(), &login).await?;
    let id = login.id();
    nodes.other().touch(id, at(1)).await?;
    let revision = nodes.other().write_tokens(token_write(&read.session, at(2))).await?;
    let stale = EndTarget::Unchanged { id, revision: read.session.revision };
    let ended = nodes.first().end(stale, EndReason::RenewalRefused.into(), at(9)).await?;
    ensure_eq(ended, Vec::new(), "the loser of a race ends nothing (F8)")?;
    ensure(stored(nodes.first(), id).await?.session.is_live(), "it is live")?;
    let fresh = EndTarget::Unchanged { id, revision: revision.unwrap_or(0) };
    nodes.other().touch(id, at(3)).await?;
    let ended = nodes.first().end(fresh, EndReason::RenewalRefused.into(), at(9)).await?;
    ensure_eq(ended_ids(&ended), vec![id], "a touch does not change the revision")
}

async fn law_7_of_an_idle_end_and_a_touch_only_one_wins(nodes: Nodes) -> Outcome {
    for round in 0..ROUNDS {
        let login = Login::of("ann", "okta");
        signed_in(nodes.first(), &login).await?;
        let (id, last_seen_at) = (login.id(), login.session.last_seen_at);
        let is_end = [round % 2 == 0, round % 2 == 1].to_vec();
        let told = nodes
            .at_once(is_end, move |node, is_end| async move {
                if is_end {
                    let target = EndTarget::Unused { sessions: vec![(id, last_seen_at)] };
                    return Ok(node.end(target, EndReason::Idle.into(), at(9)).await?.len());
                }
                node.touch(id, at(5)).await?;
                Ok(0)
            })
            .await?;
        let session = stored(nodes.first(), id).await?.session;
        let (ended, touched) = (!session.is_live(), session.last_seen_at == at(5));
        ensure(ended != touched, "a session is either used or ended")?;
        ensure_eq(told.iter().sum::<usize>(), usize::from(ended), "the end is reported if it won")?;
    }
    Ok(())
}

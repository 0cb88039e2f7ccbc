//! Law 4: one lease at a time, whatever the clocks say.

use std::time::Duration;

use super::kit::{
    Nodes, Outcome, ROUNDS, at, end_one, ensure, ensure_eq, signed_in, stored, token_write,
};
use crate::session::{EndReason, SessionId};
use crate::store::{Lease, LeaseOwner, SessionStore, StoredSession};
use crate::testing::sample::Login;

cases! { 4:
    law_4_a_claim_is_stored_as_it_is,
    law_4_a_held_lease_is_not_claimed_as_free,
    law_4_a_beat_is_raised_by_its_owner_alone,
    law_4_a_takeover_needs_the_lease_that_stood_still,
    law_4_an_owner_who_was_taken_over_is_told,
    law_4_a_lease_is_given_back_by_its_owner_alone,
    law_4_a_lease_changes_nothing_else,
    law_4_an_ended_session_has_no_lease_to_give,
    law_4_of_many_claims_one_wins,
    law_4_of_many_takeovers_one_wins,
    law_4_of_a_beat_and_a_takeover_one_wins,
}

const TERM: Duration = Duration::from_millis(30_500);

async fn leased(store: &dyn SessionStore, id: SessionId) -> Outcome<Option<Lease>> {
    Ok(stored(store, id).await?.lease)
}

/// A session with a lease on it.
async fn held(store: &dyn SessionStore) -> Outcome<(SessionId, Lease)> {
    let login = Login::of("ann", "okta");
    signed_in(store, &login).await?;
    let lease = Lease::new(TERM);
    ensure(store.claim_lease(login.id(), None, &lease).await?, "a free lease is claimed")?;
    Ok((login.id(), lease))
}

async fn law_4_a_claim_is_stored_as_it_is(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let fresh = signed_in(nodes.first(), &login).await?;
    ensure_eq(fresh.lease, None, "a new session has no lease")?;
    let lease = Lease { heartbeat: 7, ..Lease::new(TERM) };
    ensure(nodes.first().claim_lease(login.id(), None, &lease).await?, "it is claimed")?;
    let seen = leased(nodes.other(), login.id()).await?;
    ensure_eq(seen, Some(lease), "with owner, beat and term")
}

async fn law_4_a_held_lease_is_not_claimed_as_free(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    let won = nodes.other().claim_lease(id, None, &Lease::new(TERM)).await?;
    ensure(!won, "it is not free")?;
    let again = nodes.first().claim_lease(id, None, &lease).await?;
    ensure(!again, "not even for its owner")?;
    ensure_eq(leased(nodes.first(), id).await?, Some(lease), "nothing changes")
}

async fn law_4_a_beat_is_raised_by_its_owner_alone(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    ensure(nodes.first().heartbeat(id, &lease).await?, "the owner raises it")?;
    ensure_eq(leased(nodes.other(), id).await?, Some(lease.raised()), "by one")?;
    ensure(!nodes.first().heartbeat(id, &lease).await?, "an old beat does not fit")?;
    let stranger = Lease { owner: LeaseOwner::generate(), ..lease.raised() };
    ensure(!nodes.other().heartbeat(id, &stranger).await?, "nor another owner")?;
    ensure_eq(leased(nodes.first(), id).await?, Some(lease.raised()), "nothing changes")
}

async fn law_4_a_takeover_needs_the_lease_that_stood_still(nodes: Nodes) -> Outcome {
    let (id, seen) = held(nodes.first()).await?;
    nodes.first().heartbeat(id, &seen).await?;
    let mine = Lease::new(TERM * 2);
    let won = nodes.other().claim_lease(id, Some(&seen), &mine).await?;
    ensure(!won, "the beat has moved: the owner lives")?;
    let stranger = Lease { owner: LeaseOwner::generate(), ..seen.raised() };
    let won = nodes.other().claim_lease(id, Some(&stranger), &mine).await?;
    ensure(!won, "another owner stands there")?;
    let won = nodes.other().claim_lease(id, Some(&seen.raised()), &mine).await?;
    ensure(won, "what stood still is taken over")?;
    ensure_eq(leased(nodes.first(), id).await?, Some(mine), "by the new owner, with his term")
}

async fn law_4_an_owner_who_was_taken_over_is_told(nodes: Nodes) -> Outcome {
    let (id, old) = held(nodes.first()).await?;
    let new = Lease::new(TERM);
    nodes.other().claim_lease(id, Some(&old), &new).await?;
    ensure(!nodes.first().heartbeat(id, &old).await?, "his beat does not fit")?;
    nodes.first().release_lease(id, old.owner).await?;
    ensure_eq(leased(nodes.first(), id).await?, Some(new), "he gives back nobody else's")
}

async fn law_4_a_lease_is_given_back_by_its_owner_alone(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    nodes.other().release_lease(id, LeaseOwner::generate()).await?;
    ensure_eq(leased(nodes.first(), id).await?, Some(lease), "a stranger gives nothing back")?;
    nodes.first().heartbeat(id, &lease).await?;
    nodes.first().release_lease(id, lease.owner).await?;
    ensure_eq(leased(nodes.other(), id).await?, None, "the owner does, whatever the beat")?;
    let won = nodes.other().claim_lease(id, Some(&lease.raised()), &Lease::new(TERM)).await?;
    ensure(!won, "what was given back cannot be taken over")?;
    let won = nodes.other().claim_lease(id, None, &Lease::new(TERM)).await?;
    ensure(won, "but claimed")
}

async fn law_4_a_lease_changes_nothing_else(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let login = Login::of("ann", "okta");
    let before = signed_in(store, &login).await?;
    let lease = Lease::new(TERM);
    store.claim_lease(login.id(), None, &lease).await?;
    store.heartbeat(login.id(), &lease).await?;
    let leased = stored(store, login.id()).await?;
    let expected = StoredSession { lease: Some(lease.raised()), ..before.clone() };
    ensure_eq(leased, expected, "the revision stays, and all else")?;
    // And writes beside it leave the lease alone.
    let revision = store.write_tokens(token_write(&before.session, at(5))).await?;
    ensure(revision.is_some(), "a lease stands in no write's way")?;
    store.touch(login.id(), at(6)).await?;
    let row = stored(nodes.other(), login.id()).await?;
    ensure_eq(row.lease, Some(lease.raised()), "a write leaves the lease where it is")
}

async fn law_4_an_ended_session_has_no_lease_to_give(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    end_one(nodes.other(), id, EndReason::SignedOut, at(5)).await?;
    ensure(!nodes.first().heartbeat(id, &lease).await?, "the owner is told of the end")?;
    for seen in [None, Some(&lease)] {
        let won = nodes.first().claim_lease(id, seen, &Lease::new(TERM)).await?;
        ensure(!won, "nobody renews an ended session")?;
    }
    nodes.first().release_lease(id, lease.owner).await?;
    let absent = Login::of("ann", "okta").id();
    let won = nodes.first().claim_lease(absent, None, &lease).await?;
    ensure(!won, "nor an absent one")?;
    ensure_eq(nodes.first().find(absent).await?, None, "which does not come to be by it")
}

/// Lets many claim at once with what they saw; gives who won.
async fn race(nodes: &Nodes, id: SessionId, seen: Option<Lease>) -> Outcome<Vec<Lease>> {
    let leases: Vec<Lease> = (0..16).map(|_| Lease::new(TERM)).collect();
    let won = nodes
        .at_once(leases.clone(), move |node, lease| async move {
            Ok(node.claim_lease(id, seen.as_ref(), &lease).await?)
        })
        .await?;
    Ok(leases.into_iter().zip(won).filter(|(_, won)| *won).map(|(lease, _)| lease).collect())
}

async fn law_4_of_many_claims_one_wins(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        let login = Login::of("ann", "okta");
        signed_in(nodes.first(), &login).await?;
        let winners = race(&nodes, login.id(), None).await?;
        ensure_eq(winners.len(), 1, "one renews (F2)")?;
        let lease = leased(nodes.first(), login.id()).await?;
        ensure_eq(lease, winners.first().copied(), "and the lease is his")?;
    }
    Ok(())
}

async fn law_4_of_many_takeovers_one_wins(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        let (id, stalled) = held(nodes.first()).await?;
        let winners = race(&nodes, id, Some(stalled)).await?;
        ensure_eq(winners.len(), 1, "one takes over")?;
        let lease = leased(nodes.first(), id).await?;
        ensure_eq(lease, winners.first().copied(), "and the lease is his")?;
    }
    Ok(())
}

async fn law_4_of_a_beat_and_a_takeover_one_wins(nodes: Nodes) -> Outcome {
    for round in 0..ROUNDS {
        let (id, lease) = held(nodes.first()).await?;
        let new = Lease::new(TERM);
        let raises = [round % 2 == 0, round % 2 == 1].to_vec();
        let won = nodes
            .at_once(raises.clone(), move |node, raises| async move {
                Ok(if raises {
                    node.heartbeat(id, &lease).await?
                } else {
                    node.claim_lease(id, Some(&lease), &new).await?
                })
            })
            .await?;
        let winners: Vec<bool> =
            raises.into_iter().zip(won).filter(|(_, won)| *won).map(|(raises, _)| raises).collect();
        let expected = if winners == [true] { lease.raised() } else { new };
        ensure_eq(winners.len(), 1, "either he lives, or he was taken over")?;
        ensure_eq(leased(nodes.first(), id).await?, Some(expected), "and so it stands there")?;
    }
    Ok(())
}

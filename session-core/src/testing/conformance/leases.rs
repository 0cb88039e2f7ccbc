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
    law_4_only_the_owner_raises_the_heartbeat,
    law_4_a_takeover_needs_the_lease_that_stood_still,
    law_4_an_owner_learns_that_its_lease_was_taken_over,
    law_4_only_the_owner_releases_a_lease,
    law_4_a_lease_changes_nothing_else,
    law_4_a_write_releases_the_lease_that_it_names,
    law_4_an_ended_session_has_no_lease,
    law_4_of_many_claims_one_wins,
    law_4_of_many_takeovers_one_wins,
    law_4_of_a_heartbeat_and_a_takeover_one_wins,
}

const TERM: Duration = Duration::from_millis(30_500);

async fn leased(store: &dyn SessionStore, id: SessionId) -> Outcome<Option<Lease>> {
    Ok(stored(store, id).await?.lease)
}

/// Creates a session with a lease.
async fn held(store: &dyn SessionStore) -> Outcome<(SessionId, Lease)> {
    let login = Login::of("ann", "okta");
    signed_in(store, &login).await?;
    let lease = Lease::new(TERM);
    ensure(
        store.claim_lease(login.id(), None, &lease).await?.is_some(),
        "a free lease is claimed",
    )?;
    Ok((login.id(), lease))
}

async fn law_4_a_claim_is_stored_as_it_is(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let fresh = signed_in(nodes.first(), &login).await?;
    ensure_eq(fresh.lease, None, "a new session has no lease")?;
    let lease = Lease { heartbeat: 7, ..Lease::new(TERM) };
    let claimed = nodes.first().claim_lease(login.id(), None, &lease).await?;
    let expected = StoredSession { lease: Some(lease), ..fresh };
    ensure_eq(claimed, Some(expected.clone()), "the row comes with the lease")?;
    let seen = stored(nodes.other(), login.id()).await?;
    ensure_eq(seen, expected, "with owner, heartbeat and term")
}

async fn law_4_a_held_lease_is_not_claimed_as_free(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    let won = nodes.other().claim_lease(id, None, &Lease::new(TERM)).await?.is_some();
    ensure(!won, "a held lease is not free")?;
    let again = nodes.first().claim_lease(id, None, &lease).await?.is_some();
    ensure(!again, "not even for its owner")?;
    ensure_eq(leased(nodes.first(), id).await?, Some(lease), "nothing changes")
}

async fn law_4_only_the_owner_raises_the_heartbeat(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    ensure(nodes.first().heartbeat(id, &lease).await?, "the owner raises the heartbeat")?;
    ensure_eq(leased(nodes.other(), id).await?, Some(lease.raised()), "by one")?;
    ensure(!nodes.first().heartbeat(id, &lease).await?, "an old heartbeat does not match")?;
    let stranger = Lease { owner: LeaseOwner::generate(), ..lease.raised() };
    ensure(!nodes.other().heartbeat(id, &stranger).await?, "another owner does not match")?;
    ensure_eq(leased(nodes.first(), id).await?, Some(lease.raised()), "nothing changes")
}

async fn law_4_a_takeover_needs_the_lease_that_stood_still(nodes: Nodes) -> Outcome {
    let (id, seen) = held(nodes.first()).await?;
    nodes.first().heartbeat(id, &seen).await?;
    let mine = Lease::new(TERM * 2);
    let won = nodes.other().claim_lease(id, Some(&seen), &mine).await?.is_some();
    ensure(!won, "the heartbeat has moved: the owner is alive")?;
    let stranger = Lease { owner: LeaseOwner::generate(), ..seen.raised() };
    let won = nodes.other().claim_lease(id, Some(&stranger), &mine).await?.is_some();
    ensure(!won, "the lease has another owner")?;
    let won = nodes.other().claim_lease(id, Some(&seen.raised()), &mine).await?.is_some();
    ensure(won, "a lease that stood still is taken over")?;
    ensure_eq(leased(nodes.first(), id).await?, Some(mine), "by the new owner, with its term")
}

async fn law_4_an_owner_learns_that_its_lease_was_taken_over(nodes: Nodes) -> Outcome {
    let (id, old) = held(nodes.first()).await?;
    let new = Lease::new(TERM);
    nodes.other().claim_lease(id, Some(&old), &new).await?;
    ensure(!nodes.first().heartbeat(id, &old).await?, "the old heartbeat does not match")?;
    nodes.first().release_lease(id, old.owner).await?;
    ensure_eq(
        leased(nodes.first(), id).await?,
        Some(new),
        "the old owner does not release the new lease",
    )
}

async fn law_4_only_the_owner_releases_a_lease(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    nodes.other().release_lease(id, LeaseOwner::generate()).await?;
    ensure_eq(leased(nodes.first(), id).await?, Some(lease), "another owner releases nothing")?;
    nodes.first().heartbeat(id, &lease).await?;
    nodes.first().release_lease(id, lease.owner).await?;
    ensure_eq(
        leased(nodes.other(), id).await?,
        None,
        "the owner releases it, whatever the heartbeat",
    )?;
    let won =
        nodes.other().claim_lease(id, Some(&lease.raised()), &Lease::new(TERM)).await?.is_some();
    ensure(!won, "a released lease cannot be taken over")?;
    let won = nodes.other().claim_lease(id, None, &Lease::new(TERM)).await?.is_some();
    ensure(won, "a released lease can be claimed")
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
    ensure_eq(leased, expected, "revision and everything else stay")?;
    // Writes do not change the lease.
    let revision = store.write_tokens(token_write(&before.session, at(5))).await?;
    ensure(revision.is_some(), "a lease does not prevent a write")?;
    store.touch(login.id(), at(6)).await?;
    let row = stored(nodes.other(), login.id()).await?;
    ensure_eq(row.lease, Some(lease.raised()), "a write keeps the lease")
}

async fn law_4_a_write_releases_the_lease_that_it_names(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    nodes.first().heartbeat(id, &lease).await?;
    let before = stored(nodes.other(), id).await?;
    let write = token_write(&before.session, at(5));
    let others = write.clone().releasing(LeaseOwner::generate());
    ensure_eq(
        nodes.other().write_tokens(others).await?,
        Some(2),
        "the write is guarded by revision",
    )?;
    let row = stored(nodes.first(), id).await?;
    ensure_eq(row.lease, Some(lease.raised()), "the lease of another owner stays")?;
    let stale = write.releasing(lease.owner);
    ensure_eq(nodes.first().write_tokens(stale).await?, None, "an old revision writes nothing")?;
    ensure_eq(stored(nodes.first(), id).await?, row.clone(), "and releases nothing")?;
    let write = token_write(&row.session, at(6)).releasing(lease.owner);
    ensure_eq(nodes.first().write_tokens(write).await?, Some(3), "it is written")?;
    ensure_eq(leased(nodes.other(), id).await?, None, "and the lease is released")
}

async fn law_4_an_ended_session_has_no_lease(nodes: Nodes) -> Outcome {
    let (id, lease) = held(nodes.first()).await?;
    end_one(nodes.other(), id, EndReason::SignedOut, at(5)).await?;
    ensure(!nodes.first().heartbeat(id, &lease).await?, "the owner learns of the end")?;
    for seen in [None, Some(&lease)] {
        let won = nodes.first().claim_lease(id, seen, &Lease::new(TERM)).await?.is_some();
        ensure(!won, "an ended session cannot be leased")?;
    }
    nodes.first().release_lease(id, lease.owner).await?;
    let absent = Login::of("ann", "okta").id();
    let won = nodes.first().claim_lease(absent, None, &lease).await?.is_some();
    ensure(!won, "an absent session cannot be leased")?;
    ensure_eq(nodes.first().find(absent).await?, None, "no row is created")
}

/// Lets many processes claim at the same time; returns the leases that won.
async fn race(nodes: &Nodes, id: SessionId, seen: Option<Lease>) -> Outcome<Vec<Lease>> {
    let leases: Vec<Lease> = (0..16).map(|_| Lease::new(TERM)).collect();
    let won = nodes
        .at_once(leases.clone(), move |node, lease| async move {
            Ok(node.claim_lease(id, seen.as_ref(), &lease).await?.is_some())
        })
        .await?;
    Ok(leases.into_iter().zip(won).filter(|(_, won)| *won).map(|(lease, _)| lease).collect())
}

async fn law_4_of_many_claims_one_wins(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        let login = Login::of("ann", "okta");
        signed_in(nodes.first(), &login).await?;
        let winners = race(&nodes, login.id(), None).await?;
        ensure_eq(winners.len(), 1, "one claim wins (F2)")?;
        let lease = leased(nodes.first(), login.id()).await?;
        ensure_eq(lease, winners.first().copied(), "the winner holds the lease")?;
    }
    Ok(())
}

async fn law_4_of_many_takeovers_one_wins(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        let (id, stalled) = held(nodes.first()).await?;
        let winners = race(&nodes, id, Some(stalled)).await?;
        ensure_eq(winners.len(), 1, "one takes over")?;
        let lease = leased(nodes.first(), id).await?;
        ensure_eq(lease, winners.first().copied(), "the winner holds the lease")?;
    }
    Ok(())
}

async fn law_4_of_a_heartbeat_and_a_takeover_one_wins(nodes: Nodes) -> Outcome {
    for round in 0..ROUNDS {
        let (id, lease) = held(nodes.first()).await?;
        let new = Lease::new(TERM);
        let raises = [round % 2 == 0, round % 2 == 1].to_vec();
        let won = nodes
            .at_once(raises.clone(), move |node, raises| async move {
                Ok(if raises {
                    node.heartbeat(id, &lease).await?
                } else {
                    node.claim_lease(id, Some(&lease), &new).await?.is_some()
                })
            })
            .await?;
        let winners: Vec<bool> =
            raises.into_iter().zip(won).filter(|(_, won)| *won).map(|(raises, _)| raises).collect();
        let expected = if winners == [true] { lease.raised() } else { new };
        ensure_eq(winners.len(), 1, "either the heartbeat or the takeover wins")?;
        ensure_eq(
            leased(nodes.first(), id).await?,
            Some(expected),
            "the row has the winner's lease",
        )?;
    }
    Ok(())
}

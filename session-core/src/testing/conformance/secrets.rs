//! Laws 2, 3 and 6 for secrets: one rotation at a time, and the previous secret is found for a while.

use super::kit::{
    Nodes, Outcome, ROUNDS, admit, at, digest, end_one, ensure, ensure_eq, outbox, signed_in,
    stored, unlimited,
};
use crate::session::{EndReason, SecretDigest, SessionId};
use crate::store::{Digests, PreviousDigest, SecretRotation, SessionStore, StoredSession};
use crate::testing::sample::{self, Login};

cases! { 3:
    law_3_a_rotation_changes_the_digest,
    law_3_a_rotation_needs_the_digest_that_was_read,
    law_3_a_session_gets_its_first_secret_once,
    law_3_of_many_rotations_one_wins,
    law_3_the_secret_of_an_ended_session_is_not_rotated,
    law_3_old_and_new_secret_find_one_session,
    law_3_a_rotation_is_confirmed_once,
    law_3_a_digest_belongs_to_one_session,
    law_3_a_login_with_a_used_digest_is_not_admitted,
}

fn rotation(id: SessionId, from: Option<SecretDigest>) -> SecretRotation {
    let previous = from.map(|digest| previous(digest, None));
    SecretRotation::new(id, from, sample::secret().digest(), at(60)).with_previous(previous)
}

fn previous(digest: SecretDigest, confirmed: Option<u64>) -> PreviousDigest {
    PreviousDigest { digest, rotated_at: at(60), confirmed_at: confirmed.map(at) }
}

async fn found(store: &dyn SessionStore, digest: SecretDigest) -> Outcome<Option<SessionId>> {
    Ok(store.find_by_digest(&digest).await?.map(|row| row.session.id))
}

async fn law_3_a_rotation_changes_the_digest(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let before = signed_in(nodes.first(), &login).await?;
    let rotation = rotation(login.id(), login.digest());
    ensure(nodes.first().rotate_secret(rotation).await?, "the digest matches")?;
    let mut expected = StoredSession { ..before };
    expected.digests.current = Some(rotation.to);
    expected.digests.previous = rotation.previous;
    expected.digests.is_rotated = true;
    expected.session.revision += 1;
    let after = stored(nodes.other(), login.id()).await?;
    ensure_eq(after, expected, "digests and revision change, and nothing else")
}

async fn law_3_a_rotation_needs_the_digest_that_was_read(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    signed_in(nodes.first(), &login).await?;
    nodes.other().rotate_secret(rotation(login.id(), login.digest())).await?;
    let before = stored(nodes.first(), login.id()).await?;
    let none = SecretRotation { from: None, ..rotation(login.id(), login.digest()) };
    let foreign = rotation(login.id(), Some(sample::secret().digest()));
    for stale in [rotation(login.id(), login.digest()), none, foreign] {
        ensure(!nodes.first().rotate_secret(stale).await?, "the session has another digest")?;
        ensure_eq(found(nodes.first(), stale.to).await?, None, "no session has the new digest")?;
    }
    ensure_eq(stored(nodes.first(), login.id()).await?, before, "nothing changes")?;
    let absent = rotation(Login::of("ann", "okta").id(), None);
    ensure(!nodes.first().rotate_secret(absent).await?, "an absent session has no secret")
}

async fn law_3_a_session_gets_its_first_secret_once(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta").connection();
    signed_in(nodes.first(), &login).await?;
    let first = rotation(login.id(), None);
    ensure(nodes.first().rotate_secret(first).await?, "the first device claims it")?;
    let second = rotation(login.id(), None);
    ensure(!nodes.other().rotate_secret(second).await?, "the second does not")?;
    let digests = stored(nodes.first(), login.id()).await?.digests;
    let expected = Digests { current: Some(first.to), previous: None, is_rotated: true };
    ensure_eq(digests, expected, "the first device's secret is there, and no previous one")
}

async fn law_3_of_many_rotations_one_wins(nodes: Nodes) -> Outcome {
    for _ in 0..ROUNDS {
        race_of_rotations(&nodes).await?;
    }
    Ok(())
}

async fn race_of_rotations(nodes: &Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    let before = signed_in(nodes.first(), &login).await?;
    let rotations: Vec<_> = (0..16).map(|_| rotation(login.id(), login.digest())).collect();
    let won = nodes
        .at_once(rotations.clone(), |node, r| async move { Ok(node.rotate_secret(r).await?) })
        .await?;
    let winners: Vec<_> =
        rotations.iter().zip(won).filter(|(_, won)| *won).map(|(r, _)| Some(r.to)).collect();
    let row = stored(nodes.first(), login.id()).await?;
    ensure_eq(winners, vec![row.digests.current], "one rotation wins, and its secret is stored")?;
    ensure_eq(row.session.revision, before.session.revision + 1, "the revision is raised once")
}

async fn law_3_the_secret_of_an_ended_session_is_not_rotated(nodes: Nodes) -> Outcome {
    let login = Login::of("ann", "okta");
    signed_in(nodes.first(), &login).await?;
    end_one(nodes.first(), login.id(), EndReason::SignedOut, at(1)).await?;
    let before = stored(nodes.first(), login.id()).await?;
    let rotation = rotation(login.id(), login.digest());
    ensure(!nodes.other().rotate_secret(rotation).await?, "the session has ended")?;
    ensure_eq(stored(nodes.first(), login.id()).await?, before, "nothing changes")
}

async fn law_3_old_and_new_secret_find_one_session(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let login = Login::of("ann", "okta");
    signed_in(store, &login).await?;
    let (first, id) = (digest(&login)?, Some(login.id()));
    let second = rotation(login.id(), Some(first));
    store.rotate_secret(second).await?;
    ensure_eq(found(nodes.other(), first).await?, id, "the old secret finds it")?;
    ensure_eq(found(nodes.other(), second.to).await?, id, "the new secret finds it")?;
    let third = rotation(login.id(), Some(second.to));
    store.rotate_secret(third).await?;
    ensure_eq(found(store, second.to).await?, id, "the previous secret finds it")?;
    ensure_eq(found(store, first).await?, None, "the secret before that does not")?;
    // A new secret that did not arrive is replaced, and the old one stays accepted.
    let lost = SecretRotation { previous: third.previous, ..rotation(login.id(), Some(third.to)) };
    store.rotate_secret(lost).await?;
    ensure_eq(found(store, third.to).await?, None, "the lost secret is forgotten")?;
    ensure_eq(found(store, second.to).await?, id, "the old secret still finds it")
}

async fn law_3_a_rotation_is_confirmed_once(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let login = Login::of("ann", "okta");
    signed_in(store, &login).await?;
    let old = digest(&login)?;
    let rotation = rotation(login.id(), Some(old));
    store.rotate_secret(rotation).await?;
    let confirmed = async || {
        Ok::<_, super::kit::Violation>(
            stored(store, login.id()).await?.digests.previous.map(|p| p.confirmed_at),
        )
    };
    store.confirm_rotation(login.id(), &old, at(61)).await?;
    ensure_eq(confirmed().await?, Some(None), "the old secret confirms nothing")?;
    nodes.other().confirm_rotation(login.id(), &rotation.to, at(62)).await?;
    ensure_eq(confirmed().await?, Some(Some(at(62))), "the new secret does")?;
    store.confirm_rotation(login.id(), &rotation.to, at(99)).await?;
    ensure_eq(confirmed().await?, Some(Some(at(62))), "the first confirmation counts")?;
    let kept = stored(store, login.id()).await?.digests.previous;
    ensure_eq(kept, Some(previous(old, Some(62))), "the rest of the rotation stays")
}

async fn law_3_a_digest_belongs_to_one_session(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let [one, two] = [Login::of("ann", "okta"), Login::of("ben", "okta")];
    signed_in(store, &one).await?;
    let before = signed_in(store, &two).await?;
    let taken = SecretRotation { to: digest(&one)?, ..rotation(two.id(), two.digest()) };
    ensure(store.rotate_secret(taken).await.is_err(), "a used digest is refused")?;
    ensure_eq(stored(store, two.id()).await?, before, "nothing changes")?;
    ensure_eq(
        found(store, digest(&one)?).await?,
        Some(one.id()),
        "it still belongs to the first session",
    )
}

async fn law_3_a_login_with_a_used_digest_is_not_admitted(nodes: Nodes) -> Outcome {
    let store = nodes.first();
    let [held, old] = [Login::of("ann", "okta"), Login::of("ben", "okta")];
    let before = [signed_in(store, &held).await?, signed_in(store, &old).await?];
    let twin = Login { secret: held.secret.clone(), ..Login::of("ben", "okta") };
    let twin = twin.superseding(old.digest());
    ensure(admit(store, &twin, &unlimited()?).await.is_err(), "another session has the digest")?;
    let mut same_id = Login::of("ben", "okta").superseding(old.digest());
    same_id.session.id = held.id();
    ensure(admit(store, &same_id, &unlimited()?).await.is_err(), "another session has the id")?;
    let after = [stored(store, held.id()).await?, stored(store, old.id()).await?];
    ensure_eq(after, before, "no row changes, superseded or not")?;
    ensure_eq(store.find(twin.id()).await?, None, "no session was admitted")?;
    ensure_eq(outbox(store).await?, Vec::new(), "nothing is to be revoked")
}

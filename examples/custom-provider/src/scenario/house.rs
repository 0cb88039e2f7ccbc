//! The scenario with the in-house token service: renewal, outage, sign-out and refusal.

use std::time::Duration;

use session_core::manager::{SignIn, SignedIn, TokenErrorKind};
use session_core::session::DeviceLabel;
use session_core::{EndReason, SessionId};

use super::{Outcome, World, check, provider};

const TEN_MINUTES: Duration = Duration::from_secs(600);

pub(super) async fn run(world: &World) -> Outcome {
    let laptop = sign_in(world, "Laptop").await?.session.id;
    let phone = sign_in(world, "Phone").await?.session.id;
    let both = world.sessions.list(&world.ann, None).await?.len() == 2;
    check(both, "ann is signed in on the laptop and on the phone, each with its own session")?;

    renewal(world, laptop, phone).await?;
    outage(world, laptop).await?;
    sign_out(world, laptop, phone).await?;
    refusal(world, phone).await
}

async fn sign_in(world: &World, device: &str) -> Outcome<SignedIn> {
    let tokens = world.house_provider.issue_ticket("ann").await?;
    let sign_in = SignIn::new(&world.ann, &provider("house")?, tokens);
    Ok(world.sessions.sign_in(sign_in.device(DeviceLabel::new(device))).await?)
}

/// Returns whether the service accepts the session's ticket as ann's, renewed if it has expired.
async fn is_accepted(world: &World, id: SessionId) -> Outcome<bool> {
    let tokens = world.sessions.access_token(&world.ann, id).await?;
    Ok(world.house_provider.whoami(&tokens).await?.as_deref() == Some("ann"))
}

async fn renewal(world: &World, laptop: SessionId, phone: SessionId) -> Outcome {
    check(is_accepted(world, laptop).await?, "the service accepts the laptop's ticket as ann's")?;
    check(world.house.renewed() == 0, "no ticket has been renewed so far")?;
    let old = world.sessions.access_token(&world.ann, laptop).await?;
    world.advance(TEN_MINUTES);
    let is_rejected = world.house_provider.whoami(&old).await?.is_none();
    check(is_rejected, "the service rejects the expired ticket")?;
    check(is_accepted(world, laptop).await?, "the laptop continues with a renewed ticket")?;
    check(world.house.renewed() == 1, "that took one renewal over HTTP")?;
    let new = world.sessions.access_token(&world.ann, laptop).await?;
    check(new.field("desk") == Some(&4.into()), "the service's own field `desk` is kept")?;
    check(is_accepted(world, phone).await?, "the phone renews its own ticket")?;
    check(world.house.renewed() == 2, "that was the second renewal")
}

async fn outage(world: &World, laptop: SessionId) -> Outcome {
    world.house.set_closed(true);
    world.advance(TEN_MINUTES);
    let error = world.sessions.access_token(&world.ann, laptop).await.err();
    let error = error.ok_or("the closed service issued a ticket")?;
    let wait = error.retry_after().ok_or("the error has no time to wait")?;
    check(error.is_transient(), "while the service is closed, the missing ticket is transient")?;
    check(wait >= Duration::from_secs(5), "the wait is at least the service's `Retry-After`")?;
    let both = world.sessions.list(&world.ann, None).await?.len() == 2;
    check(both, "the outage ends no session")?;
    world.house.set_closed(false);
    world.clock.advance(wait);
    check(is_accepted(world, laptop).await?, "when the service opens again, the laptop continues")
}

async fn sign_out(world: &World, laptop: SessionId, phone: SessionId) -> Outcome {
    check(world.sessions.sign_out(&world.ann, laptop).await?, "ann signs out on the laptop")?;
    check(world.house.renewal_codes() == 2, "signing out does not wait for the service")?;
    let report = world.sessions.process_revocations(10).await?;
    check(report.revoked == 1, "processing the outbox revokes the laptop's renewal code")?;
    check(world.house.renewal_codes() == 1, "the service has one renewal code less")?;
    check(is_accepted(world, phone).await?, "the phone is not affected")
}

async fn refusal(world: &World, phone: SessionId) -> Outcome {
    world.house.dismiss("ann");
    world.advance(TEN_MINUTES);
    let error =
        world.sessions.access_token(&world.ann, phone).await.err().map(|error| error.kind());
    let refused = TokenErrorKind::Ended(EndReason::RenewalRefused);
    check(error == Some(refused), "the service refuses the renewal, and that ends the session")
}

use std::time::Duration;

use session_core::manager::{SignIn, SignedIn, TokenErrorKind};
use session_core::{DeviceLabel, EndReason, SessionId};

use super::{Cast, Outcome, holds, provider};

const TEN_MINUTES: Duration = Duration::from_secs(600);

pub(super) async fn tell(cast: &Cast) -> Outcome {
    let laptop = sign_in(cast, "Laptop").await?.session.id;
    let phone = sign_in(cast, "Phone").await?.session.id;
    let both = cast.sessions.list(&cast.ann, None).await?.len() == 2;
    holds(both, "ann is signed in on her laptop and her phone, side by side")?;

    renewal(cast, laptop, phone).await?;
    outage(cast, laptop).await?;
    sign_out(cast, laptop, phone).await?;
    refusal(cast, phone).await
}

async fn sign_in(cast: &Cast, device: &str) -> Outcome<SignedIn> {
    let tokens = cast.at_house.ticket_for("ann").await?;
    let sign_in = SignIn::new(&cast.ann, &provider("house")?, tokens);
    Ok(cast.sessions.sign_in(sign_in.device(DeviceLabel::new(device))).await?)
}

/// Whether this session's ticket, renewed where it has to be, opens what ann's tickets open.
async fn is_served(cast: &Cast, id: SessionId) -> Outcome<bool> {
    let tokens = cast.sessions.access_token(&cast.ann, id).await?;
    Ok(cast.at_house.whoami(&tokens).await?.as_deref() == Some("ann"))
}

async fn renewal(cast: &Cast, laptop: SessionId, phone: SessionId) -> Outcome {
    holds(is_served(cast, laptop).await?, "the laptop's ticket says that she is ann")?;
    holds(cast.house.renewed() == 0, "nothing had to be renewed for it")?;
    let old = cast.sessions.access_token(&cast.ann, laptop).await?;
    cast.passes(TEN_MINUTES);
    holds(cast.at_house.whoami(&old).await?.is_none(), "the service takes the old ticket no more")?;
    holds(is_served(cast, laptop).await?, "the laptop goes on with a renewed one")?;
    holds(cast.house.renewed() == 1, "that was one renewal, over HTTP")?;
    let new = cast.sessions.access_token(&cast.ann, laptop).await?;
    holds(new.field("desk") == Some(&4.into()), "the service's own field `desk` is still there")?;
    holds(is_served(cast, phone).await?, "the phone renews its own")?;
    holds(cast.house.renewed() == 2, "and that was the second")
}

async fn outage(cast: &Cast, laptop: SessionId) -> Outcome {
    cast.house.close(true);
    cast.passes(TEN_MINUTES);
    let error = cast.sessions.access_token(&cast.ann, laptop).await.err();
    let error = error.ok_or("the service is closed, and gave a ticket")?;
    let wait = error.retry_after().ok_or("nobody said how long to wait")?;
    holds(error.is_transient(), "while the service is closed there is no ticket for now")?;
    holds(wait >= Duration::from_secs(5), "it asked for five seconds, and gets them")?;
    let still = cast.sessions.list(&cast.ann, None).await?.len() == 2;
    holds(still, "nobody was signed out for it")?;
    cast.house.close(false);
    cast.clock.advance(wait);
    holds(is_served(cast, laptop).await?, "when it opens again, the laptop goes on")
}

async fn sign_out(cast: &Cast, laptop: SessionId, phone: SessionId) -> Outcome {
    holds(cast.sessions.sign_out(&cast.ann, laptop).await?, "ann signs out on her laptop")?;
    holds(cast.house.good_renewals() == 2, "signing out does not wait for the service")?;
    let worked_off = cast.sessions.process_revocations(10).await?;
    holds(worked_off.revoked == 1, "the outbox then has the laptop's renewal revoked")?;
    holds(cast.house.good_renewals() == 1, "the service knows one renewal less")?;
    holds(is_served(cast, phone).await?, "the phone is untouched")
}

async fn refusal(cast: &Cast, phone: SessionId) -> Outcome {
    cast.house.dismiss("ann");
    cast.passes(TEN_MINUTES);
    let error = cast.sessions.access_token(&cast.ann, phone).await.err().map(|error| error.kind());
    let refused = TokenErrorKind::Ended(EndReason::RenewalRefused);
    holds(error == Some(refused), "an administrator dismissed ann: only that ends the session")
}

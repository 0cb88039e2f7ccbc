//! The scenario with the service like GitHub: no expiry, no renewal, and deleted tokens.

use std::time::Duration;

use secrecy::SecretString;
use session_core::Provider as _;
use session_core::manager::{Resolution, SignIn, SignedIn};
use session_core::provider::ProviderErrorKind;
use session_core::session::SecretDigest;

use super::{Outcome, World, check, provider};

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) async fn run(world: &World) -> Outcome {
    let first = sign_in(world, None).await?;
    let tokens = world.sessions.access_token(&first.session.user, first.session.id).await?;
    let is_permanent = tokens.expires_at().is_none() && tokens.refresh_token().is_none();
    check(is_permanent, "ann has a token without an expiry and without a refresh token")?;

    world.advance(A_YEAR);
    let later = world.sessions.access_token(&first.session.user, first.session.id).await?;
    check(later.is_access_token(tokens.access_token()), "a year later the token is the same")?;
    let user = world.forge_provider.user(later.access_token()).await?;
    check(user.as_deref() == Some("ann"), "the service still accepts it")?;
    let renewal = world.forge_provider.renew(&later).await.err().map(|error| error.kind());
    let is_unsupported = renewal == Some(ProviderErrorKind::Unsupported);
    check(is_unsupported, "the provider does not support renewal")?;

    let second = withdrawal(world, first).await?;
    sign_out(world, second).await
}

async fn sign_in(world: &World, same_browser: Option<SecretDigest>) -> Outcome<SignedIn> {
    let tokens = world.forge_provider.exchange("ann").await?;
    let sign_in = SignIn::new(&world.ann, &provider("forge")?, tokens);
    Ok(world.sessions.sign_in(sign_in.supersedes(same_browser)).await?)
}

async fn withdrawal(world: &World, first: SignedIn) -> Outcome<SignedIn> {
    let id = first.session.id;
    world.forge.withdraw("ann");
    let tokens = world.sessions.access_token(&world.ann, id).await?;
    let user = world.forge_provider.user(tokens.access_token()).await?;
    check(user.is_none(), "ann withdraws the token on the service's pages: it is rejected")?;
    let rejected = tokens.access_token();
    let error = world.sessions.access_token_after_rejection(&world.ann, id, rejected).await.err();
    let needs_sign_in = error.is_some_and(|error| error.needs_sign_in());
    check(needs_sign_in, "another token needs a new sign-in")?;
    let resolution = world.sessions.resolve(&first.secret.digest(), None).await?;
    let is_live = matches!(resolution, Resolution::Live(_));
    check(is_live, "ann stays signed in to the application")?;

    let second = sign_in(world, Some(first.secret.digest())).await?;
    let is_superseded = second.ended.iter().any(|ended| ended.id == id);
    check(is_superseded, "ann signs in again: the browser's new session supersedes the old one")?;
    Ok(second)
}

/// Signs out. The access token never expires, so that it is deleted as a refresh token would be.
async fn sign_out(world: &World, second: SignedIn) -> Outcome {
    let tokens = world.sessions.access_token(&second.session.user, second.session.id).await?;
    let token = SecretString::from(tokens.access_token());
    check(
        world.sessions.sign_out(&second.session.user, second.session.id).await?,
        "ann signs out",
    )?;
    world.sessions.process_revocations(100).await?;
    let user = world.forge_provider.user(tokens.access_token()).await?;
    check(user.is_none(), "maintenance deletes the token: the service rejects it")?;
    let again = world.forge_provider.revoke_access_token(&token).await;
    check(again.is_ok(), "deleting it once more is not an error")
}

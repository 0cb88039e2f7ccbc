use std::time::Duration;

use secrecy::SecretString;
use session_core::manager::{Resolution, SignIn, SignedIn};
use session_core::provider::ProviderErrorKind;
use session_core::{Provider as _, SecretDigest};

use super::{Cast, Outcome, holds, provider};

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) async fn tell(cast: &Cast) -> Outcome {
    let first = sign_in(cast, None).await?;
    let tokens = cast.sessions.access_token(&first.session.user, first.session.id).await?;
    let eternal = tokens.expires_at().is_none() && tokens.refresh_token().is_none();
    holds(eternal, "ann has a token without an expiry and without a refresh token")?;

    cast.passes(A_YEAR);
    let after = cast.sessions.access_token(&first.session.user, first.session.id).await?;
    holds(after.is_access_token(tokens.access_token()), "a year later it is still the same")?;
    let user = cast.at_forge.user(after.access_token()).await?;
    holds(user.as_deref() == Some("ann"), "and still good")?;
    let renewal = cast.at_forge.renew(&after).await.err().map(|error| error.kind());
    let unsupported = renewal == Some(ProviderErrorKind::Unsupported);
    holds(unsupported, "the provider does not offer to renew it")?;

    let second = withdrawal(cast, first).await?;
    sign_out(cast, second).await
}

async fn sign_in(cast: &Cast, same_browser: Option<SecretDigest>) -> Outcome<SignedIn> {
    let tokens = cast.at_forge.exchange("ann").await?;
    let sign_in = SignIn::new(&cast.ann, &provider("forge")?, tokens);
    Ok(cast.sessions.sign_in(sign_in.supersedes(same_browser)).await?)
}

async fn withdrawal(cast: &Cast, first: SignedIn) -> Outcome<SignedIn> {
    let id = first.session.id;
    cast.forge.withdraw("ann");
    let tokens = cast.sessions.access_token(&cast.ann, id).await?;
    let user = cast.at_forge.user(tokens.access_token()).await?;
    holds(user.is_none(), "ann withdrew it on the service's pages: it is rejected")?;
    let rejected = tokens.access_token();
    let error = cast.sessions.access_token_after_rejection(&cast.ann, id, rejected).await.err();
    let sign_in_needed = error.is_some_and(|error| error.needs_sign_in());
    holds(sign_in_needed, "there is no other token without a new sign-in")?;
    let resolution = cast.sessions.resolve(&first.secret.digest(), None).await?;
    let is_live = matches!(resolution, Resolution::Live(_));
    holds(is_live, "she stays signed in to the application all the same")?;

    let second = sign_in(cast, Some(first.secret.digest())).await?;
    let superseded = second.ended.iter().any(|ended| ended.id == id);
    holds(superseded, "she signs in anew: the same browser's new session supersedes the old one")?;
    Ok(second)
}

/// There is no refresh token for the outbox: the application deletes the access token itself, after
/// the session is over, and does not make the person wait for it.
async fn sign_out(cast: &Cast, second: SignedIn) -> Outcome {
    let tokens = cast.sessions.access_token(&second.session.user, second.session.id).await?;
    let token = SecretString::from(tokens.access_token());
    holds(cast.sessions.sign_out(&second.session.user, second.session.id).await?, "ann signs out")?;
    cast.at_forge.revoke(&token).await?;
    let user = cast.at_forge.user(tokens.access_token()).await?;
    holds(user.is_none(), "the application has the token deleted: nobody can use it any more")?;
    let again = cast.at_forge.revoke(&token).await;
    holds(again.is_ok(), "deleting it once more is no error")
}

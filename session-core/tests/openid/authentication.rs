//! How recently and how strongly a user must authenticate, and what the provider says of it.

use std::time::Duration;

use serde_json::json;
use session_core::policy::authentication::RequiredAuthentication;
use session_core::provider::openid::{AuthorizationOptions, SignInErrorKind};

use crate::issuer::{Issuer, id_token};
use crate::sign_in::{CALLBACK, Visit};

#[tokio::test]
async fn a_sign_in_with_a_maximum_age_needs_a_recent_authentication() {
    for (seconds_ago, is_accepted) in [
        (Some(60), true),
        (Some(3660), true),
        (Some(3661), false),
        (Some(-60), true),
        (Some(-61), false),
        (None, false),
    ] {
        let issuer = Issuer::new();
        let options =
            AuthorizationOptions::new(CALLBACK).with_required_authentication(within_an_hour());
        let visit = Visit::with(issuer.clone(), issuer.provider().await, options).await;
        let mut claims = visit.claims();
        let now = claims["iat"].as_i64().unwrap();
        if let Some(seconds) = seconds_ago {
            claims["auth_time"] = json!(now - seconds);
        }
        visit.answers(&id_token("k1", &claims, "at-1"));
        let outcome = visit.returns(&visit.query()).await;
        assert_eq!(outcome.is_ok(), is_accepted, "{seconds_ago:?}");
    }
}

fn within_an_hour() -> RequiredAuthentication {
    RequiredAuthentication::within(Duration::from_secs(3600))
}

#[tokio::test]
async fn a_sign_in_at_a_level_needs_that_level_and_tells_how_the_user_authenticated() {
    let required = RequiredAuthentication::none().with_acr("phr").unwrap();
    for (acr, is_accepted) in
        [(Some("phr"), true), (Some("PHR"), false), (Some("0"), false), (None, false)]
    {
        let issuer = Issuer::new();
        let options =
            AuthorizationOptions::new(CALLBACK).with_required_authentication(required.clone());
        let visit = Visit::with(issuer.clone(), issuer.provider().await, options).await;
        let mut claims = visit.claims();
        let now = claims["iat"].as_i64().unwrap();
        claims["auth_time"] = json!(now - 7);
        claims["amr"] = json!(["pwd", "hwk"]);
        if let Some(acr) = acr {
            claims["acr"] = json!(acr);
        }
        visit.answers(&id_token("k1", &claims, "at-1"));
        if !is_accepted {
            assert_eq!(
                visit.fails(&visit.query()).await,
                SignInErrorKind::Authentication,
                "{acr:?}"
            );
            // The provider may revoke the whole grant, and with it the user's other devices.
            assert_eq!(visit.issuer.requests_to("/revoke").len(), 0, "{acr:?}");
            continue;
        }
        let authentication = visit.returns(&visit.query()).await.unwrap().authentication;
        assert_eq!(authentication.at.unwrap().as_millis(), (now - 7) * 1000);
        assert_eq!(authentication.acr.as_deref(), acr);
        assert_eq!(authentication.amr, ["pwd", "hwk"]);
    }
}

#[tokio::test]
async fn a_wish_for_a_level_does_not_go_with_a_required_one() {
    let issuer = Issuer::new();
    let provider = issuer.provider().await;
    let wish = AuthorizationOptions::new(CALLBACK).with_param("acr_values", "gold");
    assert!(provider.authorization_request(wish.clone()).await.is_ok());
    let required = RequiredAuthentication::none().with_acr("phr").unwrap();
    let both = provider.authorization_request(wish.with_required_authentication(required)).await;
    assert_eq!(both.unwrap_err().field(), Some("param"));
}

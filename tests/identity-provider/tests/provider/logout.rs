//! Logout.

use openidconnect::{ClientId, CsrfToken};
use openidconnect::{
    LogoutRequest, OAuth2TokenResponse, PostLogoutRedirectUrl, ProviderMetadataWithLogout,
    TokenResponse,
};
use reqwest::StatusCode;
use reqwest::header::LOCATION;

use crate::site::{Site, assert_error, param, refresh_token, returned};

async fn request(site: &Site) -> LogoutRequest {
    let issuer = site.provider.issuer().clone();
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &site.http).await.unwrap();
    LogoutRequest::from(metadata.additional_metadata().end_session_endpoint.clone().unwrap())
}

fn address(url: &str) -> PostLogoutRedirectUrl {
    PostLogoutRedirectUrl::new(url.into()).unwrap()
}

#[tokio::test]
async fn logout_ends_the_hinted_login_only_and_returns() {
    let site = Site::start().await;
    let (laptop, phone) = (site.sign_in("alice").await, site.sign_in("alice").await);
    // An expired ID token still identifies the login.
    site.advance(std::time::Duration::from_secs(100 * 24 * 3600));
    let url = request(&site)
        .await
        .set_id_token_hint(laptop.id_token().unwrap())
        .set_post_logout_redirect_uri(address("http://127.0.0.1:3000/"))
        .set_state(CsrfToken::new("s&t".into()))
        .http_get_url();
    let back = returned(&site.http.get(url).send().await.unwrap());
    assert_eq!(
        (back.port(), back.path(), param(&back, "state").as_deref()),
        (Some(3000), "/", Some("s&t"))
    );
    assert_error(site.renew(refresh_token(&laptop)).await, 400, "invalid_grant").await;
    assert_eq!(site.renew(refresh_token(&phone)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_rejected_logout_ends_nothing_and_does_not_redirect() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let id_token = tokens.id_token().unwrap();
    let foreign = Site::start().await.sign_in("alice").await;
    let elsewhere = "https://evil.example/";
    let refused = [
        request(&site)
            .await
            .set_id_token_hint(id_token)
            .set_post_logout_redirect_uri(address(elsewhere)),
        request(&site).await.set_post_logout_redirect_uri(address("http://127.0.0.1:3000/")),
        request(&site)
            .await
            .set_id_token_hint(id_token)
            .set_client_id(ClientId::new("other".into())),
        request(&site).await.set_id_token_hint(foreign.id_token().unwrap()),
    ];
    for request in refused {
        let answer = site.http.get(request.http_get_url()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(answer.headers().get(LOCATION).is_none());
    }
    let garbage = format!("{}?id_token_hint=e30.e30.x", site.endpoint("/logout"));
    assert_eq!(site.http.get(garbage).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert!(site.is_good(&tokens).await);
}

#[tokio::test]
async fn logout_without_an_address_shows_a_page() {
    let site = Site::start().await;
    let tokens = site.sign_in("alice").await;
    let hint = tokens.id_token().unwrap().to_string();
    let form = [("id_token_hint", hint.as_str())];
    let answer = site.http.post(site.endpoint("/logout")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().contains("Signed out"));
    assert_eq!(
        site.userinfo(tokens.access_token().secret()).await.status(),
        StatusCode::UNAUTHORIZED
    );
}

//! The authorization endpoint.

use identity_provider::{BuildError, Client, IdentityProvider, User};
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::site::{CALLBACK, Site, param, returned};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A parameter set to another value, or left out.
type Change<'a> = (&'a str, Option<&'a str>);

/// A request that would be granted to `alice`, changed in one point or another.
async fn authorize(site: &Site, changes: &[Change<'_>]) -> Response {
    let mut params = vec![
        ("response_type", "code"),
        ("client_id", "devices"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid profile"),
        ("state", "xyz"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("login_hint", "alice"),
    ];
    for (name, value) in changes {
        params.retain(|(key, _)| key != name);
        params.extend(value.map(|value| (*name, value)));
    }
    site.http.get(site.endpoint("/authorize")).query(&params).send().await.unwrap()
}

#[tokio::test]
async fn an_unregistered_address_is_never_redirected_to() {
    let site = Site::start().await;
    for uri in [
        "https://evil.example/callback",
        "http://127.0.0.1:4711/callback/",
        "http://127.0.0.1:4711@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:4711/callback?next=//evil.example",
        "//evil.example",
    ] {
        let answer = authorize(&site, &[("redirect_uri", Some(uri))]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{uri}");
        assert!(answer.headers().get(LOCATION).is_none());
        assert!(!answer.text().await.unwrap().contains("evil"));
    }
    for changes in
        [[("redirect_uri", None)], [("client_id", Some("nobody"))], [("client_id", None)]]
    {
        let answer = authorize(&site, &changes).await;
        assert_eq!(
            (answer.status(), answer.headers().get(LOCATION)),
            (StatusCode::BAD_REQUEST, None)
        );
    }
    assert_eq!(site.control().stats().logins, 0);
}

#[tokio::test]
async fn a_loopback_address_may_have_any_port() {
    let site = Site::start().await;
    for uri in
        ["http://127.0.0.1:1/callback", "http://[::1]:65535/callback", "http://localhost/callback"]
    {
        let back = returned(&authorize(&site, &[("redirect_uri", Some(uri))]).await);
        assert!(back.as_str().starts_with(uri), "{back}");
    }
}

#[tokio::test]
async fn the_client_is_told_of_its_errors_with_state_and_issuer() {
    let site = Site::start().await;
    let cases: [(&[Change<'_>], &str); 9] = [
        (&[("response_type", None)], "invalid_request"),
        (&[("response_type", Some("token"))], "unsupported_response_type"),
        (&[("response_mode", Some("fragment"))], "invalid_request"),
        (&[("code_challenge_method", Some("plain"))], "invalid_request"),
        (&[("code_challenge_method", None)], "invalid_request"),
        (&[("code_challenge", Some("short"))], "invalid_request"),
        (&[("code_challenge", None)], "invalid_request"),
        (&[("request", Some("e30.e30."))], "request_not_supported"),
        (&[("login_hint", None), ("prompt", Some("none"))], "login_required"),
    ];
    for (changes, error) in cases {
        let back = returned(&authorize(&site, changes).await);
        assert_eq!(param(&back, "error").as_deref(), Some(error), "{changes:?}");
        assert_eq!(param(&back, "state").as_deref(), Some("xyz"));
        assert_eq!(param(&back, "iss").as_deref(), Some(site.provider.issuer().as_str()));
        assert_eq!(param(&back, "code"), None);
    }
}

#[tokio::test]
async fn an_answer_may_come_in_a_form() {
    let site = Site::start().await;
    let form_post = ("response_mode", Some("form_post"));
    for (changes, field) in
        [(&[form_post][..], "code"), (&[form_post, ("code_challenge", None)], "error")]
    {
        let answer = authorize(&site, changes).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let page = answer.text().await.unwrap();
        let issuer = format!("name=\"iss\" value=\"{}\"", site.provider.issuer().as_str());
        let action = format!("action=\"{CALLBACK}\"");
        for part in
            [&*issuer, &action, "name=\"state\" value=\"xyz\"", &format!("name=\"{field}\"")]
        {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}

#[tokio::test]
async fn only_a_confidential_client_may_do_without_pkce() {
    let site = Site::start().await;
    let without = [("code_challenge", None), ("code_challenge_method", None)];
    let confidential = returned(&authorize(&site, &without).await);
    assert!(param(&confidential, "code").is_some());
    let public = [without[0], without[1], ("client_id", Some("public"))];
    let public = returned(&authorize(&site, &public).await);
    assert_eq!(param(&public, "error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn a_public_client_signs_in_with_pkce_and_no_secret() {
    let site = Site::start().await;
    let back = returned(&authorize(&site, &[("client_id", Some("public"))]).await);
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "public"),
        ("code", &param(&back, "code").unwrap()),
        ("redirect_uri", CALLBACK),
        // RFC 7636, appendix B.
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    let answer = site.http.post(site.endpoint("/token")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_the_openid_scope_there_is_no_id_token() {
    let site = Site::start().await;
    let back = returned(&authorize(&site, &[("scope", Some("profile unheard-of"))]).await);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &param(&back, "code").unwrap()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    let body: Value = site.token_request(&form).await.json().await.unwrap();
    assert_eq!((body.get("id_token"), body["scope"].as_str()), (None, Some("profile")));
}

#[tokio::test]
async fn the_form_signs_in_whoever_types_a_name() {
    let site = Site::with(|builder| {
        builder
            .auto_login(false)
            .user(User::new("alice").name("Alice \"<b>\"").email("alice@home.test"))
    })
    .await;
    let hostile = "\"><script>alert(1)</script>";
    let page = authorize(&site, &[("login_hint", Some(hostile)), ("state", Some(hostile))]).await;
    assert_eq!(
        (page.status(), &page.headers()[CACHE_CONTROL]),
        (StatusCode::OK, &"no-store".parse().unwrap())
    );
    assert!(
        page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'")
    );
    let html = page.text().await.unwrap();
    assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
    assert!(
        html.contains("<form method=\"post\" action=\"login\">")
            && html.contains("value=\"alice\"")
    );

    let mut form: Vec<(String, String)> = hidden_fields(&html);
    assert!(form.contains(&("state".into(), hostile.into())));
    let nameless = site.http.post(site.endpoint("/login")).form(&form).send().await.unwrap();
    assert_eq!(nameless.status(), StatusCode::BAD_REQUEST);

    form.push(("username".into(), " alice ".into()));
    let back = returned(&site.http.post(site.endpoint("/login")).form(&form).send().await.unwrap());
    assert_eq!(param(&back, "state").as_deref(), Some(hostile));
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let code = param(&back, "code").unwrap();
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier),
    ];
    let tokens: Value = site.token_request(&exchange).await.json().await.unwrap();
    let userinfo: Value =
        site.userinfo(tokens["access_token"].as_str().unwrap()).await.json().await.unwrap();
    assert_eq!(
        (&userinfo["sub"], &userinfo["email"]),
        (&"alice".into(), &"alice@home.test".into())
    );
}

#[tokio::test]
async fn the_form_is_checked_again_and_can_be_cancelled() {
    let site = Site::with(|builder| builder.auto_login(false)).await;
    let html = authorize(&site, &[]).await.text().await.unwrap();
    let mut form = hidden_fields(&html);
    form.push(("username".into(), "alice".into()));

    let mut cancelled = form.clone();
    cancelled.push(("action".into(), "cancel".into()));
    let back =
        returned(&site.http.post(site.endpoint("/login")).form(&cancelled).send().await.unwrap());
    assert_eq!(param(&back, "error").as_deref(), Some("access_denied"));

    for (name, value) in &mut form {
        if name == "redirect_uri" {
            *value = "https://evil.example/".into();
        }
    }
    let forged = site.http.post(site.endpoint("/login")).form(&form).send().await.unwrap();
    assert_eq!((forged.status(), forged.headers().get(LOCATION)), (StatusCode::BAD_REQUEST, None));
}

/// The form's hidden fields, read as a browser does.
fn hidden_fields(html: &str) -> Vec<(String, String)> {
    let fields = html.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        (name.to_owned(), unescape(rest.split_once('"').unwrap().0))
    });
    fields.collect()
}

fn unescape(text: &str) -> String {
    [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[tokio::test]
async fn a_bad_client_is_refused_at_build_time_by_name() {
    let refused =
        IdentityProvider::builder().client(Client::new("app").redirect_uri("/callback")).build();
    let error = refused.unwrap_err();
    assert!(matches!(error, BuildError::RedirectUri { field: "redirect_uri", .. }));
    assert!(error.to_string().contains("\"app\"") && std::error::Error::source(&error).is_some());
    let client = Client::new("app").post_logout_redirect_uri("https://app.example/#top");
    assert!(matches!(
        IdentityProvider::builder().client(client).build().unwrap_err(),
        BuildError::RedirectUri { field: "post_logout_redirect_uri", .. }
    ));
    assert!(matches!(
        IdentityProvider::builder().client(Client::new("")).build().unwrap_err(),
        BuildError::ClientId
    ));
    assert!(matches!(
        IdentityProvider::builder().user(User::new(" ")).build().unwrap_err(),
        BuildError::UserName
    ));
}

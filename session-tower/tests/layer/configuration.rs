//! Invalid configurations are refused when they are built, with the field's name (C1, C3, C4, C6).

use session_tower::{CookieBuilder, RedirectToLogin, SameSite, SessionCookie};

fn field_of(cookie: CookieBuilder) -> &'static str {
    cookie.build().unwrap_err().field()
}

fn named(name: &str) -> CookieBuilder {
    SessionCookie::builder().name(name)
}

#[test]
fn c1_a_prefix_requires_its_attributes() {
    assert_eq!(SessionCookie::builder().build().unwrap().name(), "__Host-session");
    for name in ["__Host-session", "__Secure-session", "__Http-session", "__Host-Http-session"] {
        assert!(named(name).build().is_ok(), "{name}");
        assert_eq!(field_of(named(name).dangerous_insecure()), "name", "{name}");
    }
    assert_eq!(field_of(named("__Host-session").path("/app")), "path");
    assert!(named("__Secure-session").path("/app").build().is_ok());
    let insecure = SessionCookie::builder().dangerous_insecure().build().unwrap();
    assert_eq!(insecure.name(), "session");
}

#[test]
fn c6_prefixes_in_another_case_are_refused() {
    for name in ["__hOsT-session", "__HOST-session", "__secure-session", "__SECURE-"] {
        assert_eq!(field_of(named(name)), "name", "{name}");
    }
}

#[test]
fn names_that_no_cookie_may_have_are_refused() {
    for name in ["", " ", "a b", "a=b", "a;b", "a,b", "a\"b", "a\tb", "é", "a\u{0}", "(a)", "[a]"]
    {
        assert_eq!(field_of(named(name)), "name", "{name:?}");
    }
    let error = named("a b").build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cookie name has a character that is not allowed in a cookie name"
    );
}

#[test]
fn c4_a_cookie_that_browsers_would_drop_is_refused() {
    assert!(named(&"a".repeat(4096 - 43)).build().is_ok());
    assert_eq!(field_of(named(&"a".repeat(4096 - 42))), "name");
}

#[test]
fn invalid_paths_are_refused() {
    for path in ["", "app", "/a;b", "/a b", "/a\nb", "/é"] {
        assert_eq!(field_of(named("session").path(path)), "path", "{path:?}");
    }
    assert_eq!(field_of(named("session").path(format!("/{}", "a".repeat(1024)))), "path");
}

#[test]
fn login_paths_of_other_sites_are_refused() {
    for path in
        ["", "login", "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere", "/a\nb"]
    {
        assert!(RedirectToLogin::to(path).is_err(), "{path:?}");
    }
    assert!(RedirectToLogin::to("/login?from=app").is_ok());
}

#[tokio::test]
async fn c3_same_site_strict_can_be_chosen() {
    use crate::site::{Site, send, show_user};
    use tower::{Layer, service_fn};

    let cookie = SessionCookie::builder().same_site(SameSite::Strict).build().unwrap();
    let site = Site::new().await;
    let service = site.layer().with_cookie(cookie).layer(service_fn(show_user));
    let answer = send(&service, &["__Host-session=junk"]).await;
    assert!(answer.set_cookie[0].contains("SameSite=Strict"));
}

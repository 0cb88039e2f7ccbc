//! The ready-made page of devices.

use base64ct::{Base64, Encoding as _};
use http::header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, ORIGIN};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use http_body_util::Full;
use session_core::session::DeviceLabel;
use session_core::session::SessionSecret;
use session_core::testing::sample;
use session_tower::devices::{DevicesPage, DevicesText, LIVE_SCRIPT};
use sha2::{Digest as _, Sha256};
use tower::{Layer, ServiceExt as _};

use crate::site::{Answer, Body, Site, SiteService, cookie};

fn page(site: &Site) -> impl SiteService {
    site.layer().layer(DevicesPage::new(site.manager.clone()))
}

async fn ask(
    page: &impl SiteService,
    method: Method,
    secret: &SessionSecret,
    headers: &[(HeaderName, &str)],
    form: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri("/devices");
    request = request.header(COOKIE, cookie(secret)).header("host", "app.example");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let request: Request<Body> = request.body(Full::from(form.to_owned())).unwrap();
    Answer::of(page.clone().oneshot(request).await.unwrap()).await
}

async fn show(page: &impl SiteService, secret: &SessionSecret) -> String {
    let answer = ask(page, Method::GET, secret, &[], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.text
}

#[tokio::test]
async fn l3_the_page_lists_devices_and_ends_one_or_all_others() {
    let site = Site::new().await;
    let (page, ann) = (page(&site), site.sign_in("ann").await);
    let (phone, tablet) = (site.sign_in("ann").await, site.sign_in("ann").await);
    let bob = site.sign_in("bob").await;
    site.advance(120);
    let text = show(&page, &ann.secret).await;
    assert_eq!((text.matches("</li>").count(), text.matches("this device").count()), (3, 1));
    assert!(text.contains("2 minutes ago") && text.contains("okta"), "{text}");
    for secret in [&ann.secret, &phone.secret, &tablet.secret] {
        assert!(!text.contains(secret.expose()));
    }
    assert!(!text.contains("at-") && !text.contains("rt-"), "no token is shown: {text}");

    let end = |target: String| ask(&page, Method::POST, &ann.secret, &[], target.leak());
    let ended = end(format!("end={}", phone.session.id)).await;
    assert_eq!(
        (ended.status, &ended.headers[LOCATION]),
        (StatusCode::SEE_OTHER, &"/devices".parse().unwrap())
    );
    assert!(ended.keeps_cookie());
    assert_eq!(show(&page, &ann.secret).await.matches("</li>").count(), 2);
    // An id that has ended, or of another user, is no error, and ends nothing.
    for gone in [phone.session.id, bob.session.id] {
        assert_eq!(end(format!("end={gone}")).await.status, StatusCode::SEE_OTHER);
    }
    assert_eq!(show(&page, &bob.secret).await.matches("</li>").count(), 1);
    assert_eq!(end("end=others".to_owned()).await.status, StatusCode::SEE_OTHER);
    assert_eq!(show(&page, &ann.secret).await.matches("</li>").count(), 1);
    for form in ["", "end=", "end=all", "other=x"] {
        assert_eq!(end(form.to_owned()).await.status, StatusCode::BAD_REQUEST, "{form}");
    }
    assert!(end(format!("end={}", ann.session.id)).await.clears_cookie());
    let answer = ask(&page, Method::GET, &ann.secret, &[], "").await;
    assert_eq!(answer.reason(), "revoked_by_user");
}

#[tokio::test]
async fn f23_connected_tools_are_listed_apart_and_end_one_by_one() {
    let site = Site::new().await;
    let (page, ann) = (page(&site), site.sign_in("ann").await);
    assert!(!show(&page, &ann.secret).await.contains("Connected tools"), "there are none");
    let mut tools = Vec::new();
    for name in ["mcp:files", "mcp:mail"] {
        let (user, provider) = (sample::user("ann"), sample::provider(name));
        let connected = site.manager.connect(&user, &provider, site.provider.sign_in()).await;
        tools.push(connected.unwrap().session);
    }
    site.advance(120);
    let text = show(&page, &ann.secret).await;
    let (devices, shown) = text.split_once("<h2>Connected tools</h2>").unwrap();
    assert_eq!(
        (devices.matches("</li>").count(), shown.matches("</li>").count()),
        (1, 2),
        "{text}"
    );
    assert!(!devices.contains("others"), "one device has no others: {devices}");
    assert!(shown.contains("<strong>files</strong>") && shown.contains("mcp:mail"), "{shown}");
    assert!(shown.contains("Signing out does not disconnect them."), "{shown}");
    assert!(shown.contains("aria-label=\"Disconnect: files\"") && shown.contains("2 minutes ago"));

    site.sign_in("ann").await;
    let end = |target: String| ask(&page, Method::POST, &ann.secret, &[], target.leak());
    assert_eq!(end("end=others".to_owned()).await.status, StatusCode::SEE_OTHER);
    let text = show(&page, &ann.secret).await;
    assert_eq!(text.matches("</li>").count(), 3, "the other device alone has ended: {text}");
    assert!(end(format!("end={}", tools[0].id)).await.keeps_cookie());
    let text = show(&page, &ann.secret).await;
    assert!(!text.contains("mcp:files") && text.contains("mcp:mail"), "{text}");
}

#[tokio::test]
async fn l4_a_form_of_another_site_ends_nothing() {
    let site = Site::new().await;
    let (page, ann) = (page(&site), site.sign_in("ann").await);
    site.sign_in("ann").await;
    let fetch_site = HeaderName::from_static("sec-fetch-site");
    for foreign in [
        [(fetch_site.clone(), "cross-site")],
        [(fetch_site.clone(), "same-site")],
        [(ORIGIN, "https://evil.example")],
        [(ORIGIN, "null")],
        [(ORIGIN, "https://app.example.evil.example")],
    ] {
        let answer = ask(&page, Method::POST, &ann.secret, &foreign, "end=others").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    assert_eq!(show(&page, &ann.secret).await.matches("</li>").count(), 2);
    for own in [[(fetch_site, "same-origin")], [(ORIGIN, "https://app.example")]] {
        let answer = ask(&page, Method::POST, &ann.secret, &own, "end=others").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{own:?}");
    }
    let answer = ask(&page, Method::PUT, &ann.secret, &[], "").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["allow"]),
        (405, &"GET, HEAD, POST".parse().unwrap())
    );
}

#[tokio::test]
async fn what_a_browser_sends_is_escaped_and_texts_can_be_replaced() {
    let site = Site::new().await;
    let label = DeviceLabel::new("<script>alert(1)</script>\" onclick=\"x");
    let ann = site.manager.sign_in(site.login("<b>ann</b>").device(label)).await.unwrap();
    let mut text = DevicesText::default();
    text.language = "de".to_owned();
    text.title = "Deine <Geräte>".to_owned();
    text.ago = |_| "eben".to_owned();
    text.connected_tools = "<Werkzeuge>".to_owned();
    text.tool_name = |name| format!("<{name}>");
    let (user, tool) = (sample::user("<b>ann</b>"), sample::provider("mcp:<i>"));
    site.manager.connect(&user, &tool, site.provider.sign_in()).await.unwrap();
    let page = DevicesPage::new(site.manager.clone()).with_text(text).with_logout_path("/ab");
    let page = site.layer().layer(page);
    let answer = ask(&page, Method::GET, &ann.secret, &[], "").await;
    let html = &answer.text;
    let html = &html.replace(&format!("<script>{LIVE_SCRIPT}</script>"), "");
    assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("\" onclick"));
    assert!(html.contains("lang=\"de\"") && html.contains("Deine &lt;Geräte&gt;"));
    assert!(html.contains(">eben</time>") && html.contains("action=\"/ab\""));
    assert!(html.contains("&lt;Werkzeuge&gt;") && html.contains("&lt;mcp:&lt;i&gt;&gt;"), "{html}");
    let policy = answer.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    // The browser runs this script and no other.
    let hash = Base64::encode_string(&Sha256::digest(LIVE_SCRIPT));
    assert!(policy.contains(&format!("script-src 'sha256-{hash}';")), "{policy}, and not {hash}");
}

#[tokio::test]
async fn without_a_session_or_a_layer_the_page_says_so() {
    let site = Site::new().await;
    let answer = ask(&page(&site), Method::GET, &sample::secret(), &[], "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let request = Request::get("/devices").body(Body::default()).unwrap();
    let bare = DevicesPage::new(site.manager.clone()).oneshot(request).await.unwrap();
    assert_eq!(bare.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(bare.headers().get("set-cookie"), HeaderMap::new().get("set-cookie"));
}

//! The ready-made connections to tool servers.

use std::sync::{Arc, Mutex};

use http::header::{ACCEPT, COOKIE, LOCATION, ORIGIN, RETRY_AFTER};
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::Full;
use session_core::policy::Rule;
use session_core::provider::openid::OpenIdProvider;
use session_core::provider::tool_server::{RegisteredClient, ToolServer};
use session_core::session::{Origin, SessionSecret};
use session_core::testing::sample;
use session_core::{ProviderName, Session};
use session_tower::sign_in::OpenIdSignIn;
use session_tower::tools::{ToolConnections, ToolConnectionsBuilder};
use tower::{Layer, ServiceExt as _};

use crate::site::{Answer, Body, Site, cookie};

const TOOLS: &str = "https://files.example/mcp";
const CALLBACK: &str = "https://app.example/tools/callback";

/// A tool server and its authorization server, which answer as they should but at the token endpoint.
#[derive(Clone, Default)]
struct Servers {
    token: Arc<Mutex<(u16, &'static str)>>,
    codes: Arc<Mutex<Vec<String>>>,
}

impl Servers {
    fn new() -> Self {
        let servers = Self::default();
        servers.answer(
            200,
            r#"{"access_token":"at-tool","token_type":"Bearer","refresh_token":"rt-tool"}"#,
        );
        servers
    }

    fn answer(&self, status: u16, body: &'static str) {
        *self.token.lock().unwrap() = (status, body);
    }

    /// The codes that have reached the token endpoint.
    fn codes(&self) -> Vec<String> {
        self.codes.lock().unwrap().clone()
    }

    fn respond(&self, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let (status, body) = match request.uri().path() {
            "/.well-known/oauth-protected-resource/mcp" => (
                200,
                r#"{"resource":"https://files.example/mcp","authorization_servers":["https://id.example"]}"#,
            ),
            "/.well-known/oauth-authorization-server" => (
                200,
                r#"{"issuer":"https://id.example","authorization_endpoint":"https://id.example/authorize",
                "token_endpoint":"https://id.example/token","code_challenge_methods_supported":["S256"]}"#,
            ),
            "/token" => {
                let form = String::from_utf8(request.body().clone()).unwrap();
                let code = form.split('&').find_map(|field| field.strip_prefix("code="));
                self.codes.lock().unwrap().push(code.unwrap().to_owned());
                *self.token.lock().unwrap()
            }
            _ => (401, ""),
        };
        let mut response = Response::new(body.as_bytes().to_vec());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    }

    fn tool_server(&self, url: &str, redirect_uri: &str) -> Arc<ToolServer> {
        self.tool_server_of("https://id.example", url, redirect_uri)
    }

    fn tool_server_of(&self, issuer: &str, url: &str, redirect_uri: &str) -> Arc<ToolServer> {
        let servers = self.clone();
        let http = move |request: Request<Vec<u8>>| {
            let response = servers.respond(&request);
            async move { Ok::<_, std::io::Error>(response) }
        };
        let builder = ToolServer::builder(url, issuer, http);
        let builder = builder.with_redirect_uri(redirect_uri);
        Arc::new(builder.with_registration(RegisteredClient::new("app")).build().unwrap())
    }
}

fn sign_in(site: &Site) -> OpenIdSignIn {
    let unreachable = |_: Request<Vec<u8>>| {
        std::future::ready(Err::<Response<Vec<u8>>, _>(std::io::Error::other("not in this test")))
    };
    let client = OpenIdProvider::builder(sample::ISSUER, "app", unreachable).build().unwrap();
    OpenIdSignIn::builder(site.manager.clone(), "https://app.example")
        .provider(sample::provider("okta"), Arc::new(client))
        .build()
        .unwrap()
}

fn files() -> ProviderName {
    ProviderName::new("mcp:files").unwrap()
}

/// A site whose users connect the tool server `mcp:files`.
struct ToolSite {
    site: Site,
    servers: Servers,
    tools: ToolConnections,
}

impl ToolSite {
    async fn new() -> Self {
        let rule = || Rule::for_provider("mcp:*").replace().without_idle_timeout();
        let site = Site::with_policy(|policy| policy.rule(rule())).await;
        let servers = Servers::new();
        let tools = ToolConnections::builder(&sign_in(&site));
        let tools = tools.server(files(), servers.tool_server(TOOLS, CALLBACK)).build().unwrap();
        Self { site, servers, tools }
    }

    async fn connect(&self, cookies: &str, headers: &[(HeaderName, &str)], form: &str) -> Answer {
        let mut request = Request::post("/tools/connect").header(COOKIE, cookies);
        request = request.header("host", "app.example");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request: Request<Body> = request.body(Full::from(form.to_owned())).unwrap();
        let service = self.site.layer().layer(self.tools.connect());
        Answer::of(service.oneshot(request).await.unwrap()).await
    }

    async fn callback(&self, cookies: &str, query: &str) -> Answer {
        self.callback_at("/tools/callback", cookies, query).await
    }

    async fn callback_at(&self, path: &str, cookies: &str, query: &str) -> Answer {
        let request = Request::get(format!("{path}?{query}")).header(COOKIE, cookies);
        let request: Request<Body> =
            request.header(ACCEPT, "text/html").body(Body::default()).unwrap();
        let service = self.site.layer().layer(self.tools.callback());
        Answer::of(service.oneshot(request).await.unwrap()).await
    }

    /// Begins a connection, and returns the cookie that the browser keeps and the callback's query.
    async fn begin(&self, user: &SessionSecret) -> (String, String) {
        let answer = self.connect(&cookie(user), &[], "server=mcp:files&return_to=%2Ftools").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let location = answer.headers[LOCATION].to_str().unwrap();
        let state = location.split(['?', '&']).find_map(|pair| pair.strip_prefix("state="));
        (answer.new_cookie(), format!("code=the-code&state={}", state.unwrap()))
    }

    async fn connection(&self, user: &str) -> Option<Session> {
        self.site.manager.find_connection(&sample::user(user), &files()).await.unwrap()
    }
}

#[tokio::test]
async fn f23_a_tool_is_connected_once_for_all_devices_and_no_browsers_end_touches_it() {
    let it = ToolSite::new().await;
    let laptop = it.site.sign_in("ann").await;
    let (pending, query) = it.begin(&laptop.secret).await;
    assert!(pending.starts_with("__Host-connect-"), "{pending}");
    let both = format!("{}; {pending}", cookie(&laptop.secret));
    let answer = it.callback(&both, &query).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers[LOCATION]),
        (303, &"/tools".parse().unwrap())
    );
    assert!(answer.clears_cookie(), "the record is used once: {:?}", answer.set_cookie);
    let connection = it.connection("ann").await.unwrap();
    assert_eq!(connection.origin, Origin::Connection);
    assert!(connection.identity.issuer.is_some(), "who may be sent its tokens");
    let ann = sample::user("ann");
    let token = it.site.manager.access_token(&ann, connection.id).await.unwrap();
    assert_eq!(token.access_token(), "at-tool");
    assert_eq!(it.connection("bob").await, None);

    // Each browser ends, and more sign in than the cap allows.
    it.site.manager.sign_out(&ann, laptop.session.id).await.unwrap();
    for _ in 0..20 {
        it.site.sign_in("ann").await;
    }
    assert_eq!(it.connection("ann").await.as_ref(), Some(&connection));

    // Connected anew, it takes the place of the old one.
    let tablet = it.site.sign_in("ann").await;
    let (pending, query) = it.begin(&tablet.secret).await;
    it.callback(&format!("{}; {pending}", cookie(&tablet.secret)), &query).await;
    let anew = it.connection("ann").await.unwrap();
    assert_ne!(anew.id, connection.id);
    let live = it.site.manager.list(&ann, None).await.unwrap();
    assert_eq!(live.iter().filter(|one| one.session.origin == Origin::Connection).count(), 1);
}

#[tokio::test]
async fn r9_only_the_user_and_browser_that_have_begun_complete_a_connection_and_once() {
    let it = ToolSite::new().await;
    let (ann, eve) = (it.site.sign_in("ann").await, it.site.sign_in("eve").await);
    let refused = async |cookies: &str, query: &str, status: u16, text: &str| {
        let answer = it.callback(cookies, query).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains(text), "{}", answer.text);
    };
    // Eve leads Ann's browser to the end of a connection that Eve has begun: Ann would use Eve's tools.
    let (pending, query) = it.begin(&eve.secret).await;
    refused(&cookie(&ann.secret), &query, 400, "not started in this browser").await;
    // The same browser, in which another user has signed in meanwhile, or none.
    let with_ann = format!("{}; {pending}", cookie(&ann.secret));
    refused(&with_ann, &query, 403, "Another user").await;
    refused(&pending, &query, 401, "signed out").await;
    assert!(it.servers.codes().is_empty(), "no code is sent: {:?}", it.servers.codes());

    let with_eve = format!("{}; {pending}", cookie(&eve.secret));
    assert_eq!(it.callback(&with_eve, &query).await.status, 303);
    refused(&cookie(&eve.secret), &query, 400, "not started in this browser").await;
    for forged in ["", "state=", "code=x&state=0123456789abcdef0123456789abcdef"] {
        refused(&with_eve, forged, 400, "not started in this browser").await;
    }
    let other_state = query.replace("state=", "state=x");
    refused(&with_eve, &other_state, 400, "not started in this browser").await;
    assert_eq!(it.servers.codes(), ["the-code"]);
    assert_eq!(it.connection("ann").await, None);
}

#[tokio::test]
async fn l4_a_connection_begins_with_a_form_of_this_site_by_a_user_of_it() {
    let it = ToolSite::new().await;
    let ann = cookie(&it.site.sign_in("ann").await.secret);
    let form = "server=mcp:files";
    let fetch_site = HeaderName::from_static("sec-fetch-site");
    for foreign in [
        [(fetch_site.clone(), "cross-site")],
        [(fetch_site.clone(), "same-site")],
        [(ORIGIN, "https://evil.example")],
        [(ORIGIN, "null")],
    ] {
        let answer = it.connect(&ann, &foreign, form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{foreign:?}");
        assert!(answer.keeps_cookie());
    }
    assert_eq!(it.connect(&ann, &[(fetch_site, "same-origin")], form).await.status, 303);
    assert_eq!(it.connect("", &[], form).await.status, StatusCode::UNAUTHORIZED);
    for unknown in
        ["", "server=", "server=okta", "server=mcp:mail", "server=https://evil.example/mcp"]
    {
        let answer = it.connect(&ann, &[], unknown).await;
        assert_eq!(
            (answer.status.as_u16(), answer.problem()["error"].as_str()),
            (404, Some("unknown_server"))
        );
    }
    for (service, method, allowed) in
        [("connect", Method::GET, "POST"), ("callback", Method::POST, "GET")]
    {
        let request = Request::builder().method(method).uri("/").header(COOKIE, &*ann);
        let request: Request<Body> = request.body(Body::default()).unwrap();
        let answer = match service {
            "connect" => it.site.layer().layer(it.tools.connect()).oneshot(request).await,
            _ => it.site.layer().layer(it.tools.callback()).oneshot(request).await,
        };
        let answer = Answer::of(answer.unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["allow"]),
            (405, &allowed.parse().unwrap())
        );
    }
    let bare: Request<Body> = Request::get("/?state=x").body(Body::default()).unwrap();
    let answer = it.tools.callback().oneshot(bare).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "outside of the layer");
}

#[tokio::test]
async fn a_browser_returns_to_this_site_only_and_to_its_home_by_default() {
    let it = ToolSite::new().await;
    let ann = it.site.sign_in("ann").await;
    for (asked, expected) in [
        ("&return_to=%2Ftools%3Fa%3Db", "/tools?a=b"),
        ("", "/"),
        ("&return_to=https%3A%2F%2Fevil.example", "/"),
        ("&return_to=%2F%2Fevil.example", "/"),
        ("&return_to=%2F%5Cevil.example", "/"),
    ] {
        let begun =
            it.connect(&cookie(&ann.secret), &[], &format!("server=mcp:files{asked}")).await;
        let location = begun.headers[LOCATION].to_str().unwrap();
        let state = location.split(['?', '&']).find_map(|pair| pair.strip_prefix("state="));
        let cookies = format!("{}; {}", cookie(&ann.secret), begun.new_cookie());
        let answer = it.callback(&cookies, &format!("code=c&state={}", state.unwrap())).await;
        assert_eq!(answer.headers[LOCATION], expected, "{asked}");
    }
}

#[tokio::test]
async fn failures_are_told_apart_and_leave_no_connection() {
    let it = ToolSite::new().await;
    let ann = it.site.sign_in("ann").await;
    for (query, token, status, text) in [
        ("error=access_denied", (200, ""), 400, "access was denied"),
        ("code=c&iss=https://evil.example", (200, ""), 400, "was not connected"),
        ("code=c", (400, r#"{"error":"invalid_grant"}"#), 400, "took too long"),
        ("code=c", (400, r#"{"error":"invalid_client"}"#), 500, "tell the operator"),
        ("code=c", (503, ""), 503, "right now"),
    ] {
        let (pending, begun) = it.begin(&ann.secret).await;
        let state = begun.split('&').next_back().unwrap();
        it.servers.answer(token.0, token.1);
        let cookies = format!("{}; {pending}", cookie(&ann.secret));
        let answer = it.callback(&cookies, &format!("{query}&{state}")).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text.contains(text) && answer.clears_cookie(), "{}", answer.text);
        assert_eq!(answer.headers.contains_key(RETRY_AFTER), status == 503);
        assert!(!answer.text.contains("the-code") && !answer.text.contains("invalid_"));
    }
    assert_eq!(it.connection("ann").await, None);
    // The metadata of this one are about another resource.
    let elsewhere = it.servers.tool_server("https://other.example/mcp", CALLBACK);
    let tools = ToolConnections::builder(&sign_in(&it.site)).server(files(), elsewhere);
    let it = ToolSite { tools: tools.build().unwrap(), ..it };
    let answer = it.connect(&cookie(&ann.secret), &[], "server=mcp:files").await;
    assert_eq!(
        (answer.status.as_u16(), answer.problem()["error"].as_str()),
        (500, Some("internal"))
    );
    assert!(answer.keeps_cookie());
}

#[tokio::test]
async fn r9_an_answer_at_another_server_s_redirect_uri_is_refused_before_the_code_is_sent() {
    let it = ToolSite::new().await;
    let laptop = it.site.sign_in("ann").await;
    let (pending, query) = it.begin(&laptop.secret).await;
    let both = format!("{}; {pending}", cookie(&laptop.secret));
    let answer = it.callback_at("/tools/callback-of-another", &both, &query).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert_eq!(it.connection("ann").await, None);
}

#[tokio::test]
async fn what_cannot_work_is_refused_when_it_is_built() {
    let site = Site::new().await;
    let servers = Servers::new();
    let problem =
        |builder: ToolConnectionsBuilder| builder.build().err().map(|error| error.to_string());
    let tools = || ToolConnections::builder(&sign_in(&site));
    let files_at = |redirect_uri| servers.tool_server(TOOLS, redirect_uri);
    assert_eq!(problem(tools().server(files(), files_at(CALLBACK))), None);
    let twice = tools().server(files(), files_at(CALLBACK)).server(files(), files_at(CALLBACK));
    assert!(problem(twice).unwrap().contains("twice"));
    for elsewhere in ["https://other.example/tools/callback", "http://localhost:1/tools/callback"] {
        let problem = problem(tools().server(files(), files_at(elsewhere))).unwrap();
        assert!(problem.contains("no path of the site"), "{problem}");
    }
    let other_issuer = servers.tool_server_of("https://other.example", TOOLS, CALLBACK);
    let mail = sample::provider("mcp:mail");
    let mixed = tools().server(files(), files_at(CALLBACK)).server(mail, other_issuer);
    assert!(problem(mixed).unwrap().contains("mix-up"));
    let bare =
        session_core::SessionManager::builder(session_core::store::memory::MemoryStore::new())
            .keyring(crate::site::keyring())
            .provider("okta", site.provider.clone())
            .start()
            .await
            .unwrap();
    let site = Site { manager: bare, ..site };
    let unknown = ToolConnections::builder(&sign_in(&site)).server(files(), files_at(CALLBACK));
    assert!(problem(unknown).unwrap().contains(".provider(\"mcp:files\", ..)"));
}

#[tokio::test]
async fn in_development_a_browser_under_another_name_is_told_before_it_leaves() {
    let site = Site::new().await;
    let servers = Servers::new();
    let unreachable = |_: Request<Vec<u8>>| {
        std::future::ready(Err::<Response<Vec<u8>>, _>(std::io::Error::other("not in this test")))
    };
    let client = OpenIdProvider::builder(sample::ISSUER, "app", unreachable).build().unwrap();
    let sign_in = OpenIdSignIn::builder(site.manager.clone(), "http://localhost:3000")
        .dev("127.0.0.1:3000".parse().unwrap())
        .provider(sample::provider("okta"), Arc::new(client))
        .build()
        .unwrap();
    let server = servers.tool_server(TOOLS, "http://localhost:3000/tools/callback");
    let tools = ToolConnections::builder(&sign_in).server(files(), server).build().unwrap();
    let ann = site.sign_in("ann").await;
    let connect = async |host: &str| {
        let request = Request::post("/tools/connect").header("host", host);
        let request = request.header(COOKIE, format!("session={}", ann.secret.expose()));
        let request: Request<Body> = request.body(Full::from("server=mcp:files")).unwrap();
        let service = sign_in.session_layer().layer(tools.connect());
        Answer::of(service.oneshot(request).await.unwrap()).await
    };
    let begun = connect("localhost:3000").await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.text);
    assert!(begun.new_cookie().starts_with("connect-"), "no prefix on plain http");
    let refused = connect("127.0.0.1:3000").await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    let detail = refused.problem()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("http://localhost:3000/tools/callback"), "{detail}");
}

#[tokio::test]
async fn an_application_answers_failures_in_its_own_words() {
    let site = Site::new().await;
    let tools = ToolConnections::builder(&sign_in(&site))
        .failure_response(|failure, _| Response::new(failure.kind().code().into()))
        .build()
        .unwrap();
    let it = ToolSite { site, servers: Servers::new(), tools };
    let ann = it.site.sign_in("ann").await;
    let answer = it.connect(&cookie(&ann.secret), &[], "server=mcp:files").await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "unknown_server"));
}

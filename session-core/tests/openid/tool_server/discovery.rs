//! What a tool server and its authorization server say about themselves, and what is not believed.

use serde_json::{Value, json};
use session_core::provider::openid::{InvalidSetting, SetupError};
use session_core::provider::tool_server::{RegisteredClient, ToolServer, ToolServerBuilder};

use super::network::{
    CALLBACK, ISSUER, Network, SERVER_METADATA, TOOLS, TOOLS_METADATA, server_metadata,
    tools_metadata, with,
};
use super::query_of;
use crate::issuer::{answer, ok};

async fn fails(network: &Network) -> SetupError {
    network.tools().connection_request().await.unwrap_err()
}

/// RFC 9728, section 3.3; RFC 8414, section 3.3; and the MCP specification on PKCE and on addresses.
#[tokio::test]
async fn r10_r3_metadata_that_lead_elsewhere_are_refused() {
    let of_tools = |field, value| (TOOLS_METADATA, field, value, tools_metadata());
    let of_server = |field, value| (SERVER_METADATA, field, value, server_metadata());
    for (address, field, value, document) in [
        of_tools("resource", json!("https://evil.example/mcp")),
        of_tools("resource", json!("https://files.example")),
        of_tools("resource", json!("https://files.example/mcp/")),
        of_tools("resource", json!("http://files.example/mcp")),
        of_tools("authorization_servers", json!(["https://evil.example"])),
        of_tools("authorization_servers", json!([format!("{ISSUER}/")])),
        of_tools("authorization_servers", Value::Null),
        // A mix-up: the document of one issuer at the address of another one.
        of_server("issuer", json!("https://evil.example")),
        of_server("issuer", json!(format!("{ISSUER}/"))),
        of_server("code_challenge_methods_supported", Value::Null),
        of_server("code_challenge_methods_supported", json!(["plain"])),
        of_server("authorization_endpoint", json!("http://id.example/authorize")),
        of_server("authorization_endpoint", Value::Null),
        of_server("token_endpoint", json!("http://127.0.0.1/token")),
        of_server("token_endpoint", Value::Null),
        of_server("revocation_endpoint", json!("ftp://id.example/revoke")),
        of_server("registration_endpoint", json!("https://a:b@id.example/register")),
        of_server("token_endpoint_auth_methods_supported", json!(["private_key_jwt"])),
    ] {
        let network = Network::new();
        network.put(address, with(document, field, value.clone()));
        let error = fails(&network).await;
        assert_eq!(error.field(), Some(field), "{value}: {error:?}");
        assert!(!error.is_transient());
        assert!(network.has_asked_only(&["files.example", "id.example"]), "{value}");
    }
}

#[tokio::test]
async fn r10_a_challenge_leads_to_no_other_origin() {
    for address in [
        "https://evil.example/.well-known/oauth-protected-resource",
        "http://files.example/.well-known/oauth-protected-resource/mcp",
        "https://files.example:8443/metadata",
        "https://files.example@169.254.169.254/latest",
        "https://a:b@files.example/metadata",
        "http://127.0.0.1/metadata",
        "file:///etc/passwd",
        "/metadata",
    ] {
        let network = Network::new();
        network.challenge(&format!("Bearer resource_metadata=\"{address}\""));
        assert_eq!(fails(&network).await.field(), Some("resource_metadata"), "{address}");
        assert_eq!(network.addresses(), [TOOLS], "{address}: nothing else is asked");
    }
}

#[tokio::test]
async fn without_a_challenge_the_metadata_are_at_their_well_known_address_or_the_origins() {
    let network = Network::new();
    network.put(TOOLS, answer(405, ""));
    let request = network.tools().connection_request().await.unwrap();
    assert_eq!(network.addresses()[1], TOOLS_METADATA);
    // RFC 9728 has the scopes where the challenge says nothing.
    assert_eq!(query_of(&request)["scope"], "files:read files:write");

    network.remove(TOOLS_METADATA);
    network.put(
        "https://files.example/.well-known/oauth-protected-resource",
        with(tools_metadata(), "scopes_supported", Value::Null),
    );
    let request = network.tools().connection_request().await.unwrap();
    assert!(!query_of(&request).contains_key("scope"), "none is asked for");
    network.put(TOOLS_METADATA, answer(503, ""));
    assert!(fails(&network).await.is_transient(), "an outage leads to no other document");
}

#[tokio::test]
async fn the_documents_of_an_openid_provider_serve_too() {
    for address in [
        "https://id.example/.well-known/openid-configuration/tenant",
        "https://id.example/tenant/.well-known/openid-configuration",
    ] {
        let network = Network::new();
        network.remove(SERVER_METADATA);
        network.put(address, ok(&server_metadata()));
        assert!(network.tools().connection_request().await.is_ok(), "{address}");
        // A page for people at the first address is no document.
        let network = Network::new();
        network.put(SERVER_METADATA, answer(200, "<html>"));
        network.put(address, ok(&server_metadata()));
        assert!(network.tools().connection_request().await.is_ok(), "{address}");
    }
    let network = Network::new();
    network.put(SERVER_METADATA, answer(503, ""));
    assert!(fails(&network).await.is_transient());
    assert_eq!(network.addresses().len(), 3, "an outage leads to no other document");
    network.remove(SERVER_METADATA);
    assert!(!fails(&network).await.is_transient());
}

#[tokio::test]
async fn the_scope_is_the_applications_or_the_challenges_and_leads_to_a_refresh_token() {
    let network = Network::new();
    let scope = async |builder: ToolServerBuilder| {
        let request = builder.build().unwrap().connection_request().await.unwrap();
        query_of(&request).get("scope").cloned()
    };
    assert_eq!(scope(network.builder()).await.as_deref(), Some("files:read"));
    let set = network.builder().with_scope("files:write");
    assert_eq!(scope(set).await.as_deref(), Some("files:write"));
    let supported = json!(["files:read", "offline_access"]);
    network.put(SERVER_METADATA, with(server_metadata(), "scopes_supported", supported));
    let both = scope(network.builder()).await;
    assert_eq!(both.as_deref(), Some("files:read offline_access"));
    let set = network.builder().with_scope("offline_access");
    assert_eq!(scope(set).await.as_deref(), Some("offline_access"));
}

#[tokio::test]
async fn a_resource_may_be_above_the_tools_if_the_application_says_so() {
    let network = Network::new();
    network.put(TOOLS_METADATA, with(tools_metadata(), "resource", json!("https://FILES.example")));
    assert_eq!(fails(&network).await.field(), Some("resource"));
    let tools = network.builder().with_resource("https://files.example").build().unwrap();
    let request = tools.connection_request().await.unwrap();
    assert_eq!(query_of(&request)["resource"], "https://files.example");
}

fn built(url: &str, issuer: &str) -> ToolServerBuilder {
    ToolServer::builder(url, issuer, Network::new().client())
        .with_redirect_uri(CALLBACK)
        .with_registration(RegisteredClient::new("app"))
}

#[test]
fn r3_names_the_setting_that_is_not_safe() {
    let field = |builder: ToolServerBuilder| {
        builder.build().err().map(|error| InvalidSetting::field(&error))
    };
    assert_eq!(field(built(TOOLS, ISSUER)), None);
    assert_eq!(field(built("http://files.example/mcp", ISSUER)), Some("url"));
    assert_eq!(field(built("https://a:b@files.example/mcp", ISSUER)), Some("url"));
    assert_eq!(field(built("https://files.example/mcp#a", ISSUER)), Some("url"));
    assert_eq!(field(built(TOOLS, "http://id.example")), Some("issuer"));
    assert_eq!(field(built(TOOLS, "https://id.example?a=b")), Some("issuer"));
    assert_eq!(field(built("http://127.0.0.1:1/mcp", "http://127.0.0.1:2")), Some("url"));
    let loopback = built("http://127.0.0.1:1/mcp", "http://127.0.0.1:2");
    assert_eq!(field(loopback.dangerous_insecure_loopback()), None);
    let mixed = built(TOOLS, "http://127.0.0.1:2").dangerous_insecure_loopback();
    assert_eq!(field(mixed), Some("issuer"));
    assert_eq!(
        field(built(TOOLS, ISSUER).with_redirect_uri("http://app.example/a")),
        Some("redirect_uri")
    );
    assert_eq!(field(built(TOOLS, ISSUER).with_redirect_uri("http://localhost:1/a")), None);
    for (resource, is_good) in [
        ("https://files.example", true),
        ("https://files.example/mcp", true),
        ("https://files.example/mc", false),
        ("https://files.example/mcp/a", false),
        ("https://evil.example", false),
        ("http://files.example", false),
    ] {
        let field = field(built(TOOLS, ISSUER).with_resource(resource));
        assert_eq!(field, (!is_good).then_some("resource"), "{resource}");
    }
    let unregistered = ToolServer::builder(TOOLS, ISSUER, Network::new().client());
    assert_eq!(field(unregistered.with_redirect_uri(CALLBACK)), Some("registration"));
}

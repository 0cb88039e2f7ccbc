//! Open WebUI's tables with rows that are easy to get wrong.

use session_tests::database::{Database, Kind};
use session_tests::projects::openwebui::{self, TABLES, sealed};
use session_tests::source::Source;

use crate::tool::Tool;

pub(crate) use session_tests::projects::openwebui::KEY;

/// Creates the tables, users with one row each, and rows that are easy to get wrong.
///
/// The tokens of row `id-N` are `at-N` and `rt-N`.
pub(crate) async fn source(database: Database, users: usize) -> Source {
    let source = Source::with(database, TABLES).await;
    for at in 0..users {
        source.run(&format!("INSERT INTO «user» VALUES ('u{at}', 'u{at}@example.invalid')")).await;
        insert(&source, &format!("id-{at:03}"), &format!("u{at}"), "oidc", &token(at)).await;
    }
    for (id, user, provider, token) in [
        ("trap-1", "u0", "OIDC", token(901)),
        ("trap-2", "u0", "oidc ", token(902)),
        ("trap-3", "u0", "mcp:docs", token(903)),
        ("trap-4", "gone", "oidc", token(904)),
        ("trap-5", "u1", "oidc", sealed("an unknown key", "{}")),
    ] {
        insert(&source, id, user, provider, &token).await;
    }
    if source.kind() == Kind::Sqlite {
        source.run("UPDATE oauth_session SET expires_at = 1760000000.5 WHERE id = 'trap-1'").await;
    }
    source
}

pub(crate) fn token(at: usize) -> String {
    let json = format!(
        r#"{{"access_token": "at-{at}", "refresh_token": "rt-{at}", "x": {at}, "expires_at": 1760000000}}"#
    );
    sealed(KEY, &json)
}

pub(crate) async fn insert(source: &Source, id: &str, user: &str, provider: &str, token: &str) {
    openwebui::insert(source, id, user, provider, token, "1760000000").await;
}

pub(crate) fn tool(source: &Source) -> Tool {
    Tool::preset(source, "openwebui").key(KEY)
}

//! Every preset, from the tables of the project to sessions whose tokens open.

use serde_json::Value;
use session_core::manager::ManagerErrorKind;
use session_core::testing::sample::{provider, subject, user};
use session_tests::database::Database;
use session_tests::fixtures::sha256;
use session_tests::on_every_database;

use crate::snapshot::{changes, snapshot};
use crate::target::Target;
use crate::tool::{Tool, rows};
use session_tests::projects::{self, BETTER_AUTH_KEY, GRAFANA_KEY, LARAVEL_KEY, OUTLINE_KEY};
use session_tests::source::Source;

/// The expected result of a move with a cap of one.
struct Expected<'a> {
    /// User, provider, access and refresh token of each live row; `-` for none.
    live: &'a [&'a str],
    pruned: u64,
    unreadable: u64,
    without_tokens: u64,
    orphans: u64,
}

/// Moves offline, verifies, opens the tokens in the target, and rolls back.
async fn check(source: &Source, tool: &Tool, expected: &Expected<'_>) {
    let before = snapshot(source).await;
    let tool = tool.clone().words(&["--max-sessions", "1"]);
    let verified = tool.moved().await;
    let target = Target::of(&source.database).await;
    let mut live = Vec::new();
    for row in rows(&verified).iter().filter(|row| row["state"] == "live") {
        let (stored, tokens) = target.row(row).await;
        let hash = |token: Option<&str>| token.map_or(Value::Null, |it| sha256(it).into());
        let access = Some(tokens.access_token()).filter(|it| !it.is_empty());
        assert_eq!(hash(access), row["access_token_sha256"]);
        assert_eq!(hash(tokens.refresh_token()), row["refresh_token_sha256"]);
        let (user, provider) = (&stored.session.user, &stored.session.provider);
        let refresh = tokens.refresh_token().unwrap_or("-");
        live.push(format!(
            "{} {:?} {} {refresh}",
            user.as_str(),
            provider.as_str(),
            access.unwrap_or("-")
        ));
    }
    target.close().await;
    live.sort();
    assert_eq!(live, expected.live);
    let numbers =
        ["pruned", "unreadable", "without_tokens", "orphans"].map(|it| verified[it].as_u64());
    let Expected { pruned, unreadable, without_tokens, orphans, .. } = *expected;
    assert_eq!(numbers, [pruned, unreadable, without_tokens, orphans].map(Some), "{verified}");
    tool.done("rollback", &[]).await;
    assert_eq!(changes(&before, &snapshot(source).await), Vec::<String>::new());
}

const AUTHJS: Expected<'_> = Expected {
    live: &[
        "1 \"Google\" at-3 -",
        "1 \"google \" at-4 -",
        "1 \"google\" at-1 rt-1",
        "1 \"google\" at-2 rt-2",
        "2 \"github\" at-5 -",
        "9 \"google\" at-9 rt-9",
    ],
    pruned: 0,
    unreadable: 0,
    without_tokens: 1,
    orphans: 1,
};

/// The same accounts; TypeORM's ids of users are UUIDs.
const AUTHJS_TYPEORM: Expected<'_> = Expected {
    live: &[
        "018f0000-0000-7000-8000-000000000001 \"Google\" at-3 -",
        "018f0000-0000-7000-8000-000000000001 \"google \" at-4 -",
        "018f0000-0000-7000-8000-000000000001 \"google\" at-1 rt-1",
        "018f0000-0000-7000-8000-000000000001 \"google\" at-2 rt-2",
        "018f0000-0000-7000-8000-000000000002 \"github\" at-5 -",
        "9 \"google\" at-9 rt-9",
    ],
    ..AUTHJS
};

on_every_database! {
    async fn authjs_pg(database: Database) {
        let source = projects::authjs_pg(database).await;
        check(&source, &Tool::preset(&source, "authjs-pg"), &AUTHJS).await;
    }

    async fn authjs_prisma(database: Database) {
        let source = projects::authjs_prisma(database).await;
        check(&source, &Tool::preset(&source, "authjs-prisma"), &AUTHJS).await;
    }

    async fn authjs_drizzle(database: Database) {
        let source = projects::authjs_drizzle(database).await;
        check(&source, &Tool::preset(&source, "authjs-drizzle"), &AUTHJS).await;
    }

    async fn authjs_typeorm(database: Database) {
        let source = projects::authjs_typeorm(database).await;
        check(&source, &Tool::preset(&source, "authjs-typeorm"), &AUTHJS_TYPEORM).await;
    }

    async fn better_auth(database: Database) {
        let source = projects::better_auth(database).await;
        let tool = Tool::preset(&source, "better-auth").key(BETTER_AUTH_KEY);
        check(&source, &tool, &Expected {
            live: &[
                "gone \"google\" 0123456789abcdef -",
                "u1 \"Google\" at-2 -",
                "u1 \"google\" at-1b rt-1b",
                "u1 \"google\" at-3 rt-3",
            ],
            pruned: 1, unreadable: 1, without_tokens: 0, orphans: 1,
        }).await;
    }

    async fn spring(database: Database) {
        let source = projects::spring(database).await;
        check(&source, &Tool::preset(&source, "spring"), &Expected {
            live: &[
                "10000000000000000001 \"azure\" at-10000000000000000001 -",
                "Kim \"Okta-EU\" at-Kim rt-3",
                "Kim \"okta\" at-Kim -",
                "Zoë Ångström \"okta\" at-Zoë Ångström rt-1",
            ],
            pruned: 0, unreadable: 0, without_tokens: 0, orphans: 0,
        }).await;
    }

    async fn grafana(database: Database) {
        let source = projects::grafana(database).await;
        let tool = Tool::preset(&source, "grafana").key(GRAFANA_KEY);
        check(&source, &tool, &Expected {
            live: &["1 \"oauth_google\" at-1 rt-1", "9 \"oauth_google\" at-1 -"],
            pruned: 0, unreadable: 1, without_tokens: 1, orphans: 1,
        }).await;
    }

    async fn allauth(database: Database) {
        let source = projects::allauth(database).await;
        check(&source, &Tool::preset(&source, "allauth"), &Expected {
            live: &[
                "1 \"google\" at-1b rt-1b",
                "1 \"google\" at-2 -",
                "2 \"Google\" at-3 -",
                "9 \"github\" at-4 -",
            ],
            pruned: 1, unreadable: 0, without_tokens: 0, orphans: 1,
        }).await;
    }

    async fn python_social_auth(database: Database) {
        let source = projects::social_auth(database).await;
        check(&source, &Tool::preset(&source, "python-social-auth"), &Expected {
            live: &[
                "1 \"azuread\" at-1 rt-1",
                "1 \"azuread\" at-2 -",
                "1 \"azuread\" at-3 -",
                "1 \"azuread\" at-4 -",
                "1 \"azuread\" at-7 -",
            ],
            pruned: 0, unreadable: 1, without_tokens: 1, orphans: 0,
        }).await;
    }

    async fn laravel(database: Database) {
        let source = projects::laravel(database).await;
        let tool = Tool::preset(&source, "laravel").key(LARAVEL_KEY);
        check(&source, &tool, &Expected {
            live: &["1 \"github\" gho-1 -", "1 \"google\" ya29-1 rt-1", "2 \"github\" gho-2 -"],
            pruned: 0, unreadable: 1, without_tokens: 0, orphans: 0,
        }).await;
    }

    async fn rails(database: Database) {
        let source = projects::rails(database).await;
        check(&source, &Tool::preset(&source, "rails"), &Expected {
            // A row without a user cannot be a session, and is quarantined.
            live: &["1 \"Google_oauth2\" at-2 -", "1 \"google_oauth2\" at-4 -"],
            pruned: 1, unreadable: 1, without_tokens: 0, orphans: 1,
        }).await;
    }

    async fn outline(database: Database) {
        let source = projects::outline(database).await;
        let tool = Tool::preset(&source, "outline").key(OUTLINE_KEY);
        let ann = "018f0000-0000-7000-8000-000000000001";
        check(&source, &tool, &Expected {
            live: &[&format!("{ann} \"google\" at-1 rt-1"), &format!("{ann} \"google\" at-2 -")],
            pruned: 0, unreadable: 1, without_tokens: 0, orphans: 1,
        }).await;
    }

    async fn the_first_device_claims_its_row(database: Database) {
        let source = projects::authjs_pg(database).await;
        let tool = Tool::preset(&source, "authjs-pg");
        tool.moved().await;
        let target = Target::of(&source.database).await;
        let (ann, google) = (user("1"), provider("google"));
        let error = target.manager.claim(&ann, &google, None).await.unwrap_err();
        assert_eq!(error.kind(), ManagerErrorKind::Ambiguous);
        assert_eq!(error.candidates().len(), 2, "one of each account; another case is another provider");
        let claimed = target.manager.claim(&ann, &google, Some(&subject("g-1"))).await.unwrap();
        assert_eq!(claimed.session.identity.account.as_deref(), Some("g-1"));
        let bob = target.manager.find_migrated(&user("2"), &provider("github")).await.unwrap();
        assert!(bob.is_some(), "a job finds it without a cookie");
        target.close().await;
        tool.done("finalize", &[]).await;
        let target = Target::of(&source.database).await;
        let bob = target.manager.find_migrated(&user("2"), &provider("github")).await.unwrap();
        assert!(bob.is_none(), "the move is final");
        target.close().await;
    }
}

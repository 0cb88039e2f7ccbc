//! better-auth, plain and encrypted in one table.

use session_core::Timestamp;
use session_migrate::source::{Cell, Codecs, SourceKeys, TokenCodec as _, codec::BetterAuth};
use session_tests::database::{Database, Kind};
use session_tests::on_every_database;

use crate::source::Source;

pub(crate) const SECRET: &str = "a secret of better-auth";

/// Any value of the encrypted form, for the codec to seal alike.
const ENCRYPTED: &str = "$ba$3$00000000000000000000000000000000000000000000000000";

fn sealed(token: &str) -> String {
    let codec = BetterAuth::new(&SourceKeys::new(SECRET));
    let now = Timestamp::from_millis(0);
    codec
        .seal(token.as_bytes(), &Cell::Text(ENCRYPTED.to_owned()), now)
        .unwrap()
        .as_text()
        .unwrap()
        .into_owned()
}

pub(crate) async fn filled(database: Database) -> Source {
    let source = Source::on(database).await;
    // On SQLite its times are ISO text in columns of the type `date`.
    let time = if source.kind() == Kind::Sqlite { "date" } else { "{zoned}" };
    source
        .run(
            &"
        CREATE TABLE «user» (id VARCHAR(36) NOT NULL PRIMARY KEY, name TEXT);
        CREATE TABLE account (id VARCHAR(36) NOT NULL PRIMARY KEY, «accountId» TEXT NOT NULL,
          «providerId» TEXT NOT NULL, «userId» VARCHAR(36) NOT NULL, «accessToken» TEXT,
          «refreshToken» TEXT, «idToken» TEXT, «accessTokenExpiresAt» {time},
          «refreshTokenExpiresAt» {time}, scope TEXT, password TEXT, «createdAt» {time},
          «updatedAt» {time});
        CREATE TABLE session (id VARCHAR(36) NOT NULL PRIMARY KEY, token TEXT, «userId» TEXT);
        INSERT INTO «user» VALUES ('u1', 'Ann'), ('u2', 'Bob')"
                .replace("{time}", time),
        )
        .await;
    let version = sealed("at-3");
    let expires = match source.kind() {
        Kind::Sqlite => "'2025-10-09T12:00:00.000Z'",
        Kind::Postgres => "'2025-10-09T14:00:00.000+02'",
        _ => "'2025-10-09 12:00:00'",
    };
    for (id, account, provider, user, tokens) in [
        ("A1", "acc-1", "google", "u1", "'at-1', 'rt-1', 'it-1'"),
        ("b2", "acc-2", "Google", "u1", "'at-2', NULL, NULL"),
        ("c3", "acc-3", "google", "u1", &format!("'{version}', '{}', 'it-3'", sealed("rt-3"))),
        ("d4", "u1", "credential", "u1", "NULL, NULL, NULL"),
        ("e5", "acc-5", "google", "u2", &format!("'{}00', NULL, NULL", version)),
        ("f6", "acc-6", "google", "gone", "'0123456789abcdef', NULL, NULL"),
    ] {
        source
            .run(&format!(
                "INSERT INTO account (id, «accountId», «providerId», «userId», «accessToken», \
                 «refreshToken», «idToken», «accessTokenExpiresAt», «createdAt», «updatedAt») VALUES \
                 ('{id}', '{account}', '{provider}', '{user}', {tokens}, {expires}, {expires}, {expires})"
            ))
            .await;
    }
    source
}

on_every_database! {
    async fn both_forms_are_read_and_passwords_stay_out(database: Database) {
        let source = filled(database).await;
        let expected = [
            "A1 u1 \"google\" acc-1 at-1 rt-1 1760011200",
            "b2 u1 \"Google\" acc-2 at-2 - 1760011200",
            "c3 u1 \"google\" acc-3 at-3 rt-3 1760011200",
            "e5 u2 \"google\" acc-5 unreadable wrong_key 1760011200",
            "f6 gone \"google\" acc-6 0123456789abcdef - 1760011200 orphan",
        ];
        assert_eq!(source.lines("better-auth", SourceKeys::new(SECRET)).await, expected);
    }

    async fn what_stays_out_is_counted(database: Database) {
        let source = filled(database).await;
        let inspection = source.inspect(SourceKeys::new(SECRET)).await;
        let report = &inspection.recognised[0].sources[0];
        assert_eq!((report.rows_in_table, report.filtered_out, report.pairs), (6, 1, 4));
        assert_eq!(report.total.opened_by["none"], 3);
        assert_eq!(report.total.opened_by["current"], 1);
    }

    async fn columns_may_be_mapped_to_other_names(database: Database) {
        let source = filled(database).await;
        for (camel, snake) in [
            ("accountId", "account_id"),
            ("providerId", "provider_id"),
            ("userId", "user_id"),
            ("accessToken", "access_token"),
            ("refreshToken", "refresh_token"),
            ("updatedAt", "updated_at"),
        ] {
            source.run(&format!("ALTER TABLE account RENAME COLUMN «{camel}» TO {snake}")).await;
        }
        let fit = source.recognised("better-auth").await;
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(SourceKeys::new(SECRET))).await;
        assert_eq!(rows.len(), 5);
        assert!(rows.iter().all(|row| row.renewed_at.is_some()));
    }
}

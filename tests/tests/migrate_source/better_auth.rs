//! better-auth, plain and encrypted in one table.

use session_migrate::source::{Codecs, SourceKeys};
use session_tests::database::Database;
use session_tests::projects::BETTER_AUTH_KEY;
use session_tests::{on_every_database, projects};

on_every_database! {
    async fn both_forms_are_read_and_passwords_stay_out(database: Database) {
        let source = projects::better_auth(database).await;
        let expected = [
            "A1 u1 \"google\" acc-1 at-1 rt-1 1760011201",
            "a2 u1 \"google\" acc-1 at-1b rt-1b 1760011202",
            "b2 u1 \"Google\" acc-2 at-2 - 1760011201",
            "c3 u1 \"google\" acc-3 at-3 rt-3 1760011201",
            "e5 u2 \"google\" acc-5 unreadable wrong_key 1760011201",
            "f6 gone \"google\" acc-6 0123456789abcdef - 1760011201 orphan",
        ];
        assert_eq!(source.lines("better-auth", SourceKeys::new(BETTER_AUTH_KEY)).await, expected);
    }

    async fn what_stays_out_is_counted(database: Database) {
        let source = projects::better_auth(database).await;
        let inspection = source.inspect(SourceKeys::new(BETTER_AUTH_KEY)).await;
        let report = &inspection.recognised[0].sources[0];
        assert_eq!((report.rows_in_table, report.filtered_out, report.pairs), (7, 1, 4));
        assert_eq!(report.total.opened_by["none"], 4);
        assert_eq!(report.total.opened_by["current"], 1);
    }

    async fn columns_may_be_mapped_to_other_names(database: Database) {
        let source = projects::better_auth(database).await;
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
        let rows = source.rows(&fit.mappings.mapping[0], &Codecs::new(SourceKeys::new(BETTER_AUTH_KEY))).await;
        assert_eq!(rows.len(), 6);
        assert!(rows.iter().all(|row| row.renewed_at.is_some()));
    }
}

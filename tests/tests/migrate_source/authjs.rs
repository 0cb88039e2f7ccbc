//! The four layouts of Auth.js.

use session_migrate::source::{Codecs, SourceKeys};
use session_tests::database::Database;
use session_tests::{on_every_database, projects};

/// Returns the lines of [`projects::accounts`], sorted.
fn expected(key: impl Fn(usize, &str, &str) -> String) -> Vec<String> {
    let rest = [
        "at-1 rt-1 1760000000",
        "at-2 rt-2 1760000000",
        "at-3 - -",
        "at-4 - 0",
        "at-5 - -",
        "no tokens -",
        "at-9 rt-9 1760000000 orphan",
    ];
    let accounts = projects::accounts().zip(rest).enumerate();
    let mut lines: Vec<String> = accounts
        .map(|(at, ((user, provider, account), rest))| {
            let key = key(at + 1, provider, account);
            format!("{key} {user} {provider:?} {account} {rest}")
        })
        .collect();
    lines.sort();
    lines
}

on_every_database! {
    async fn pg_has_numbers_and_no_constraints(database: Database) {
        let source = projects::authjs_pg(database).await;
        let lines = source.lines("authjs-pg", SourceKeys::none()).await;
        assert_eq!(lines, expected(|at, _, _| at.to_string()));
        let inspection = source.inspect(SourceKeys::none()).await;
        let report = &inspection.recognised[0].sources[0];
        let total = &report.total;
        assert_eq!((report.pairs, total.without_tokens, total.orphans), (6, 1, 1));
        assert_eq!((total.readable, total.opened_by["none"]), (6, 6));
    }

    async fn prisma_has_ids_of_text_and_times(database: Database) {
        let source = projects::authjs_prisma(database).await;
        let lines = source.lines("authjs-prisma", SourceKeys::none()).await;
        assert_eq!(lines, expected(|at, _, _| format!("cuid-{at}")));
        let fit = source.recognised("authjs-prisma").await;
        let codecs = Codecs::new(SourceKeys::none());
        let rows = source.rows(&fit.mappings.mapping[0], &codecs).await;
        let created = rows[0].created_at.unwrap().as_millis();
        assert_eq!((created, rows[0].renewed_at), (1_760_011_200_500, None));
    }

    async fn drizzle_has_no_id(database: Database) {
        let source = projects::authjs_drizzle(database).await;
        let key = |_, provider: &str, account: &str| format!("[{provider:?},{account:?}]");
        assert_eq!(source.lines("authjs-drizzle", SourceKeys::none()).await, expected(key));
    }

    async fn typeorm_is_told_from_prisma_by_its_keys(database: Database) {
        let source = projects::authjs_typeorm(database).await;
        source.run("DROP TABLE typeorm_metadata").await;
        source.recognised("authjs-typeorm").await;
        source.run("CREATE UNIQUE INDEX one ON accounts (provider, «providerAccountId»)").await;
        source.recognised("authjs-prisma").await;
        // What a command would take with --preset is not said to be unfit.
        let misses = source.inspect(SourceKeys::none()).await.near_misses;
        let pg = misses.iter().find(|miss| miss.preset == "authjs-pg").unwrap();
        assert!(pg.fits, "{pg:?}");
        let preset: session_migrate::source::Preset = "authjs-pg".parse().unwrap();
        assert!(preset.match_schema(&source.schema().await).is_ok());
    }

    async fn a_prefix_holds_for_the_users_too(database: Database) {
        let source = projects::authjs_drizzle(database).await;
        source.run("
            CREATE TABLE chat_user (id VARCHAR(100) PRIMARY KEY);
            ALTER TABLE «user» RENAME TO shop_user;
            ALTER TABLE account RENAME TO shop_account").await;
        let key = |_, provider: &str, account: &str| format!("[{provider:?},{account:?}]");
        assert_eq!(source.lines("authjs-drizzle", SourceKeys::none()).await, expected(key));
        source.run("DROP TABLE shop_user").await;
        let fit = source.recognised("authjs-drizzle").await;
        assert!(fit.mappings.mapping[0].parent.is_empty(), "{fit:?}");
    }

    async fn typeorm_has_uuids(database: Database) {
        let source = projects::authjs_typeorm(database).await;
        let uuid = |at: usize| format!("018f0000-0000-7000-8000-00000000000{at}");
        let lines = source.lines("authjs-typeorm", SourceKeys::none()).await;
        let mut expected = expected(|at, _, _| uuid(at));
        for line in &mut expected {
            for user in [1, 2] {
                *line = line.replacen(&format!(" {user} \""), &format!(" {} \"", uuid(user)), 1);
            }
        }
        assert_eq!(lines, expected);
    }
}

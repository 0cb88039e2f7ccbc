//! What was moved is not moved again under another list of mappings.

use session_tests::database::Kind;
use session_tests::on_every_database;

use crate::refusals::File;
use crate::snapshot::{changes, snapshot};
use crate::sources::{MAPPING, accounts};
use crate::tool::Tool;

const MORE: &str = r#"
[[mapping]]
table = "more"
key = ["id"]
user = { column = "owner" }
provider = { constant = "gitlab" }
tokens.access = { column = "token" }
"#;

on_every_database! {
    async fn a_table_that_was_moved_is_not_moved_with_another(kind: Kind) {
        let source = accounts(kind, "a").await;
        source.run("CREATE TABLE more (id INTEGER NOT NULL PRIMARY KEY, owner VARCHAR(9), token VARCHAR(9))").await;
        source.run("INSERT INTO more VALUES (1, 'a', 't')").await;
        let tool = |file: &File| Tool::new(source.database.url()).words(&["--mapping", file.path()]);
        let (first, only) = (File::with(MAPPING), File::with(MORE));
        let (both, reversed) = (File::with(&format!("{MAPPING}{MORE}")), File::with(&format!("{MORE}{MAPPING}")));
        tool(&first).moved().await;
        let refused = async |file: &File| {
            let before = snapshot(&source).await;
            let plan = tool(file).run("plan", &[]).await;
            assert!(plan.out.contains("an apply will be refused") && plan.out.contains("\"accounts\""), "{plan:?}");
            tool(file).run("apply", &["--yes"]).await.ends(1, "\"accounts\"");
            assert_eq!(changes(&before, &snapshot(&source).await), [""; 0]);
        };
        refused(&both).await;
        tool(&first).done("finalize", &[]).await;
        refused(&both).await;
        // The other table has its own move.
        tool(&only).moved().await;
        refused(&reversed).await;
        tool(&only).done("rollback", &[]).await;
        tool(&only).moved().await;
    }
}

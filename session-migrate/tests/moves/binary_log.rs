//! A server that writes a binary log: what does not work with it is refused before anything is
//! written.

use sea_orm_migration::sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use url::Url;

use crate::openwebui::{KEY, token};
use crate::snapshot::texts;
use crate::tool::Tool;

/// A database on the server, with one session.
struct Logged {
    admin: DatabaseConnection,
    name: String,
    server: Url,
}

impl Logged {
    async fn new(server: Url) -> Self {
        let admin = Database::connect(server.as_str()).await.unwrap();
        let name = format!("session_test_{}", uuid::Uuid::now_v7().simple());
        let logged = Self { admin, name, server };
        let name = &logged.name;
        logged.run(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await;
        for table in [
            "user (id varchar(255) PRIMARY KEY, email varchar(255))",
            "oauth_session (id varchar(255) PRIMARY KEY, user_id varchar(255) NOT NULL, \
             provider TEXT NOT NULL, token TEXT NOT NULL, expires_at BIGINT NOT NULL, \
             created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)",
        ] {
            logged.run(&format!("CREATE TABLE {name}.{table}")).await;
        }
        let row = format!("'id-1', 'u1', 'oidc', '{}', 1760000000, 1, 1", token(1));
        logged.run(&format!("INSERT INTO {name}.oauth_session VALUES ({row})")).await;
        logged
            .run(&format!("GRANT ALL ON {name}.* TO 'plain_{name}'@'%' IDENTIFIED BY 'plain'"))
            .await;
        logged
    }

    async fn run(&self, sql: &str) {
        self.admin.execute_unprepared(sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }

    /// Returns the command as a user with every right, or with those to its database only.
    fn tool(&self, is_admin: bool) -> Tool {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        if !is_admin {
            url.set_username(&format!("plain_{}", self.name)).unwrap();
            url.set_password(Some("plain")).unwrap();
        }
        Tool::new(url.as_str()).words(&["--preset", "openwebui"]).key(KEY)
    }

    /// Applies, which must fail with this error and leave nothing.
    async fn refused(&self, is_admin: bool, words: &[&str], error: &str) {
        self.tool(is_admin).run("apply", &[words, &["--yes"]].concat()).await.ends(1, error);
        let tables = format!("SHOW TABLES FROM {}", self.name);
        assert_eq!(texts(&self.admin, &tables, 0).await, ["oauth_session", "user"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_log_that_takes_no_trigger_is_refused_first() {
    let Ok(server) = std::env::var("SESSION_TEST_BINLOG_URL") else {
        println!("not tested: no server with a binary log (./scripts/test starts one)");
        return;
    };
    let logged = Logged::new(server.parse().unwrap()).await;
    logged.run("SET GLOBAL binlog_format = 'STATEMENT'").await;
    for words in [[].as_slice(), &["--online"]] {
        logged.refused(true, words, "binlog_format").await;
    }
    logged.run("SET GLOBAL binlog_format = 'ROW'").await;
    logged.refused(false, &["--online"], "log_bin_trust_function_creators").await;
    logged.run("SET GLOBAL log_bin_trust_function_creators = 1").await;
    let tool = logged.tool(false).words(&["--online"]);
    assert_eq!(tool.moved().await["target_rows"], 1);
    tool.done("rollback", &[]).await;
    logged.run(&format!("DROP DATABASE {}", logged.name)).await;
}

//! A fresh database for each test, of each kind, and ways to interrupt it.
//!
//! `./scripts/test` starts the servers and passes on their addresses. A test is
//! written once and runs on every kind:
//!
//! ```no_run
//! use sea_orm::ConnectionTrait as _;
//! use session_tests::database::Database;
//! use session_tests::on_every_database;
//!
//! on_every_database! {
//!     async fn answers_again_after_an_outage(database: Database) {
//!         let link = database.link().await;
//!         let pool = link.connect().await;
//!         let outage = link.cut().await;
//!         assert!(pool.execute_unprepared("SELECT 1").await.is_err());
//!         outage.restore().await;
//!         assert!(pool.execute_unprepared("SELECT 1").await.is_ok());
//!     }
//! }
//! # fn main() {}
//! ```

mod every;
mod fresh;
mod kind;
mod link;
mod proxy;
mod template;

pub use every::{Migrated, Subject, run};
pub use fresh::Database;
pub use kind::{Kind, galera_urls, redis_url};
pub use link::{Link, Outage};
pub use proxy::Proxy;

//! Shows the statements that are sent to a test.

#[cfg(feature = "test-util")]
use std::sync::Arc;

use sea_orm::{DbBackend, Statement};

/// A function that is called with each statement.
#[cfg(feature = "test-util")]
pub(super) type Told = Arc<dyn Fn(&Statement) + Send + Sync>;

/// What is told of each statement before it is sent.
#[derive(Clone, Default)]
pub(super) struct Observer {
    #[cfg(feature = "test-util")]
    pub(super) told: Option<Told>,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

#[cfg_attr(not(feature = "test-util"), allow(clippy::unused_self, reason = "tests observe"))]
impl Observer {
    pub(super) fn statement(&self, statement: &Statement) {
        #[cfg(feature = "test-util")]
        if let Some(told) = &self.told {
            told(statement);
        }
        #[cfg(not(feature = "test-util"))]
        let _ = statement;
    }

    /// Tells of statements without parameters that are sent as one message.
    pub(super) fn text(&self, backend: DbBackend, sql: &str) {
        #[cfg(feature = "test-util")]
        for one in sql.split("; ").filter(|_| self.told.is_some()) {
            self.statement(&Statement::from_string(backend, one));
        }
        #[cfg(not(feature = "test-util"))]
        let _ = (backend, sql);
    }
}

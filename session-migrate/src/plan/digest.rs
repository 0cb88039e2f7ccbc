//! What a plan is, in few characters: each part by itself, so that it can be said which changed.

use session_core::SessionId;
use sha2::{Digest as _, Sha256};

use crate::engine::Ground;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::inspect::SourceReport;
use crate::target::hex;

/// The parts' names, in their order in the digest.
const NAMES: [&str; 6] = ["tool", "schema", "mapping", "options", "rows", "victims"];

/// The parts of a plan.
#[derive(Debug)]
pub(super) struct Parts {
    is_online: bool,
    tool: String,
    schema: String,
    mapping: String,
    options: String,
    /// Offline of all keys, online of the providers and of what does not open.
    rows: Sha256,
    keys: [u8; 16],
    victims: Sha256,
}

fn short(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).get(..5).unwrap_or_default())
}

impl Parts {
    pub(super) fn of(ground: &Ground) -> Self {
        let mapping = serde_json::to_string(&ground.mappings).unwrap_or_default();
        let tables: Vec<_> = ground
            .schema
            .tables
            .iter()
            .filter(|table| ground.mappings.mapping.iter().any(|of| of.table == table.name))
            .collect();
        Self {
            is_online: ground.options.is_online,
            tool: short(env!("CARGO_PKG_VERSION").as_bytes()),
            schema: short(format!("{tables:?}").as_bytes()),
            mapping: short(mapping.as_bytes()),
            options: short(ground.options.words(&ground.mappings).to_json().as_bytes()),
            rows: Sha256::new(),
            keys: [0; 16],
            victims: Sha256::new(),
        }
    }

    /// One row's key. They come in whatever order the database has.
    pub(super) fn key(&mut self, id: SessionId) {
        for (sum, byte) in self.keys.iter_mut().zip(id.as_uuid().as_bytes()) {
            *sum ^= byte;
        }
    }

    pub(super) fn victim(&mut self, id: SessionId) {
        self.victims.update(id.as_uuid().as_bytes());
    }

    /// Which providers there are, and whether rows of them do not open.
    pub(super) fn providers(&mut self, report: &SourceReport) {
        for provider in &report.providers {
            let unreadable = provider.tally.unreadable_rows();
            let line = format!("{:?} {unreadable}\n", provider.provider);
            self.rows.update(line.as_bytes());
        }
    }

    /// The digest.
    pub(super) fn digest(&self) -> String {
        let mut rows = self.rows.clone();
        if !self.is_online {
            rows.update(self.keys);
        }
        let victims = match self.is_online {
            true => short(b"online"),
            false => short(&self.victims.clone().finalize()),
        };
        let rows = short(&rows.finalize());
        [&self.tool, &self.schema, &self.mapping, &self.options, &rows, &victims]
            .map(String::as_str)
            .join("-")
    }
}

/// Refuses a plan that is not the one of `digest`, and says what has changed.
pub(super) fn require(now: &str, digest: &str) -> Result<(), MigrateError> {
    if now == digest {
        return Ok(());
    }
    let (mine, theirs): (Vec<&str>, Vec<&str>) =
        (now.split('-').collect(), digest.split('-').collect());
    let detail = if mine.len() == theirs.len() {
        let changed = NAMES.iter().zip(mine.iter().zip(&theirs));
        let changed = changed.filter(|(_, (mine, theirs))| mine != theirs).map(|(name, _)| *name);
        let changed: Vec<&str> = changed.collect();
        format!("since then changed: {}; it is now {now}", changed.join(", "))
    } else {
        format!("this is no plan's digest; it is now {now}")
    };
    Err(MigrateError::because(MigrateErrorKind::StalePlan, detail))
}

#[cfg(test)]
mod tests {
    use super::require;

    #[test]
    fn a_stale_plan_says_what_changed() {
        let now = "a-b-c-d-e-f";
        assert!(require(now, now).is_ok());
        let error = require(now, "a-b-c-d-x-y").unwrap_err().to_string();
        assert!(error.contains("rows, victims"), "{error}");
        assert!(require(now, "other").unwrap_err().to_string().contains("no plan's digest"));
    }
}

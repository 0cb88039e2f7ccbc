//! The digest of a plan: a short digest of each part, so that a stale plan can be told what changed.

use session_core::SessionId;
use sha2::{Digest as _, Sha256};

use crate::engine::MoveContext;
use crate::error::{MigrateError, MigrateErrorKind};
use crate::source::inspect::SourceReport;
use crate::target::hex;

/// The names of the parts, in their order in the digest.
const PARTS: [&str; 6] = ["tool", "schema", "mapping", "options", "rows", "victims"];

/// Collects the parts of a plan's digest.
#[derive(Debug)]
pub(super) struct PlanDigest {
    is_online: bool,
    tool: String,
    schema: String,
    mapping: String,
    options: String,
    /// The providers and the rows of each that do not open; offline, the keys of all rows too.
    rows: Sha256,
    keys: [u8; 16],
    pruned: Sha256,
}

fn short(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).get(..5).unwrap_or_default())
}

impl PlanDigest {
    pub(super) fn of(context: &MoveContext) -> Self {
        let mapping = serde_json::to_string(&context.mappings).unwrap_or_default();
        let tables: Vec<_> = context
            .schema
            .tables
            .iter()
            .filter(|table| context.mappings.mapping.iter().any(|of| of.table == table.name))
            .collect();
        Self {
            is_online: context.options.is_online,
            tool: short(env!("CARGO_PKG_VERSION").as_bytes()),
            schema: short(format!("{tables:?}").as_bytes()),
            mapping: short(mapping.as_bytes()),
            options: short(context.options.spec(&context.mappings).to_json().as_bytes()),
            rows: Sha256::new(),
            keys: [0; 16],
            pruned: Sha256::new(),
        }
    }

    /// Adds the key of a row. The order does not matter: it is the database's.
    pub(super) fn add_key(&mut self, id: SessionId) {
        for (sum, byte) in self.keys.iter_mut().zip(id.as_uuid().as_bytes()) {
            *sum ^= byte;
        }
    }

    /// Adds a row that the cap prunes.
    pub(super) fn add_pruned(&mut self, id: SessionId) {
        self.pruned.update(id.as_uuid().as_bytes());
    }

    /// Adds the providers of a table, and how many rows of each do not open.
    pub(super) fn add_providers(&mut self, report: &SourceReport) {
        for provider in &report.providers {
            let unreadable = provider.tally.unreadable_rows();
            let line = format!("{:?} {unreadable}\n", provider.provider);
            self.rows.update(line.as_bytes());
        }
    }

    /// Returns the digest.
    pub(super) fn finish(&self) -> String {
        let mut rows = self.rows.clone();
        if !self.is_online {
            rows.update(self.keys);
        }
        let pruned = match self.is_online {
            true => short(b"online"),
            false => short(&self.pruned.clone().finalize()),
        };
        let rows = short(&rows.finalize());
        [&self.tool, &self.schema, &self.mapping, &self.options, &rows, &pruned]
            .map(String::as_str)
            .join("-")
    }
}

/// Returns an error if the current plan is not the one with `digest`; it names the parts that changed.
pub(super) fn require(now: &str, digest: &str) -> Result<(), MigrateError> {
    if now == digest {
        return Ok(());
    }
    let (mine, theirs): (Vec<&str>, Vec<&str>) =
        (now.split('-').collect(), digest.split('-').collect());
    let detail = if mine.len() == theirs.len() {
        let changed = PARTS.iter().zip(mine.iter().zip(&theirs));
        let changed = changed.filter(|(_, (mine, theirs))| mine != theirs).map(|(name, _)| *name);
        let changed: Vec<&str> = changed.collect();
        format!("changed: {}; the digest is now {now}", changed.join(", "))
    } else {
        format!("{digest:?} is not the digest of a plan; the digest is now {now}")
    };
    Err(MigrateError::because(MigrateErrorKind::StalePlan, detail))
}

#[cfg(test)]
mod tests {
    use super::require;

    #[test]
    fn the_error_for_a_stale_plan_names_the_parts_that_changed() {
        let now = "a-b-c-d-e-f";
        assert!(require(now, now).is_ok());
        let error = require(now, "a-b-c-d-x-y").unwrap_err().to_string();
        assert!(error.contains("rows, victims"), "{error}");
        assert!(
            require(now, "other").unwrap_err().to_string().contains("not the digest of a plan")
        );
    }
}

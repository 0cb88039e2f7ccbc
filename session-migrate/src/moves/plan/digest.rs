//! The digest of a plan: a short digest of each part, so that a stale plan can be told what changed.

use std::collections::BTreeMap;

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
    providers: ProviderTally,
    keys: [u8; 16],
    pruned: [u8; 16],
}

/// Adds an id to a sum that does not depend on the order.
fn add(sum: &mut [u8; 16], id: SessionId) {
    for (sum, byte) in sum.iter_mut().zip(id.as_uuid().as_bytes()) {
        *sum ^= byte;
    }
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
            providers: ProviderTally::default(),
            keys: [0; 16],
            pruned: [0; 16],
        }
    }

    /// Adds the key of a row. The order does not matter: it is the database's.
    pub(super) fn add_key(&mut self, id: SessionId) {
        add(&mut self.keys, id);
    }

    /// Adds a row that the cap prunes.
    pub(super) fn add_pruned(&mut self, id: SessionId) {
        add(&mut self.pruned, id);
    }

    /// Adds the providers of a table, and how many rows of each do not open.
    pub(super) fn add_providers(&mut self, report: &SourceReport) {
        for provider in &report.providers {
            self.providers.add(&provider.provider, provider.tally.unreadable_rows());
        }
    }

    /// Returns the digest.
    pub(super) fn finish(&self) -> String {
        let providers = self.providers.to_string();
        let (rows, pruned) = match self.is_online {
            true => (providers, short(b"online")),
            false => {
                let rows = [providers.as_bytes(), &self.keys].concat();
                (short(&rows), short(&self.pruned))
            }
        };
        [&self.tool, &self.schema, &self.mapping, &self.options, &rows, &pruned]
            .map(String::as_str)
            .join("-")
    }
}

/// The providers, and the rows of each that do not open, as an online plan's digest holds them: so
/// that what has appeared since can be told from what has disappeared.
///
/// A provider is named by 12 bits of a hash; those that share a name are counted together.
#[derive(Debug, Default, PartialEq, Eq)]
struct ProviderTally(BTreeMap<u16, [u64; 2]>);

impl ProviderTally {
    fn add(&mut self, provider: &str, unreadable: u64) {
        let digest = Sha256::digest(provider.as_bytes());
        let name = digest.iter().take(2).fold(0, |name, byte| name << 8 | u16::from(*byte)) >> 4;
        let [providers, rows] = self.0.entry(name).or_default();
        *providers += 1;
        *rows += unreadable;
    }

    /// Reads the text that `Display` writes.
    fn parse(text: &str) -> Option<Self> {
        let one = |entry: &str| {
            let (name, counts) = entry.split_at_checked(3)?;
            let (providers, rows) = counts.strip_prefix('x')?.split_once('.')?;
            let name = u16::from_str_radix(name, 16).ok()?;
            Some((name, [providers.parse().ok()?, rows.parse().ok()?]))
        };
        match text {
            "none" => Some(Self::default()),
            _ => text.split('_').map(one).collect::<Option<_>>().map(Self),
        }
    }

    /// Returns whether nothing is here that was not there.
    fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(name, [providers, rows])| {
            let [known, unreadable] = other.0.get(name).copied().unwrap_or_default();
            *providers <= known && *rows <= unreadable
        })
    }
}

impl std::fmt::Display for ProviderTally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries = self.0.iter();
        let entries: Vec<String> = entries
            .map(|(name, [providers, rows])| format!("{name:03x}x{providers}.{rows}"))
            .collect();
        f.write_str(if entries.is_empty() { "none" } else { "" })?;
        f.write_str(&entries.join("_"))
    }
}

/// Returns whether a part of the digest is not as it was planned. Online, rows may disappear: the
/// application that still runs deletes some.
fn has_changed(mine: &str, theirs: &str) -> bool {
    match (ProviderTally::parse(mine), ProviderTally::parse(theirs)) {
        (Some(mine), Some(theirs)) => !mine.is_within(&theirs),
        _ => mine != theirs,
    }
}

/// Returns an error if the current plan is not the one with `digest`; it names the parts that changed.
pub(super) fn require(now: &str, digest: &str) -> Result<(), MigrateError> {
    let (mine, theirs): (Vec<&str>, Vec<&str>) =
        (now.split('-').collect(), digest.split('-').collect());
    let detail = if mine.len() == theirs.len() {
        let changed = PARTS.iter().zip(mine.iter().zip(&theirs));
        let changed = changed.filter(|(_, (mine, theirs))| has_changed(mine, theirs));
        let changed: Vec<&str> = changed.map(|(name, _)| *name).collect();
        if changed.is_empty() {
            return Ok(());
        }
        format!("changed: {}; the digest is now {now}", changed.join(", "))
    } else {
        format!("{digest:?} is not the digest of a plan; the digest is now {now}")
    };
    Err(MigrateError::because(MigrateErrorKind::StalePlan, detail))
}

#[cfg(test)]
mod tests {
    use super::{ProviderTally, has_changed, require};

    #[test]
    fn an_online_plan_goes_stale_by_what_appears_only() {
        let tally = |rows: &[(&str, u64)]| {
            let mut tally = ProviderTally::default();
            rows.iter().for_each(|(provider, unreadable)| tally.add(provider, *unreadable));
            let text = tally.to_string();
            assert_eq!(ProviderTally::parse(&text), Some(tally));
            text
        };
        let planned = tally(&[("google", 0), ("mcp:docs", 8)]);
        for gone in [&[("google", 0)][..], &[("mcp:docs", 7)], &[]] {
            assert!(!has_changed(&tally(gone), &planned), "{gone:?}");
        }
        for new in [&[("google", 1)][..], &[("mcp:docs", 9)], &[("okta", 0)]] {
            assert!(has_changed(&tally(new), &planned), "{new:?}");
        }
        assert!(has_changed("6f3c2b1a09", "6f3c2b1a0a"));
    }

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

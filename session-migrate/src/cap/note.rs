//! The form in which a cap is stored in the journal of a move.

use serde::{Deserialize, Serialize};
use session_core::policy::Limit;

use super::settings::Cap;
use super::words::{Count, PartitionBy};
use crate::source::NewestBy;

/// The stored form of a [`Cap`], from which another process restores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CapNote {
    limits: LimitsNote,
    partition: PartitionBy,
    newest_by: Option<NewestBy>,
    count: Count,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitsNote {
    Unlimited,
    AtMost(u32),
    /// The text of a policy file.
    File(String),
    /// A policy that the calling program built: only the program can supply it again.
    Given(String),
}

impl Cap {
    /// Returns the form of this cap that is stored in the journal.
    pub(crate) fn note(&self) -> CapNote {
        let limits = match (self.file(), self.uniform()) {
            (Some(text), _) => LimitsNote::File(text.to_owned()),
            (None, Some(Limit::Unlimited)) => LimitsNote::Unlimited,
            (None, Some(Limit::AtMost { max, .. })) => LimitsNote::AtMost(max.get()),
            _ => LimitsNote::Given(format!("{self:?}")),
        };
        let (partition, count) = (self.partition_by(), self.counted());
        CapNote { limits, partition, newest_by: self.newest(), count }
    }
}

impl CapNote {
    /// Restores the cap; returns `None` for a policy that the calling program built.
    pub(crate) fn cap(&self) -> Option<Cap> {
        let cap = match &self.limits {
            LimitsNote::Unlimited => Cap::none(),
            LimitsNote::AtMost(max) => Cap::max_sessions((*max).try_into().ok()?),
            LimitsNote::File(text) => Cap::from_toml(text).ok()?,
            LimitsNote::Given(_) => return None,
        };
        let cap = cap.partition(self.partition).count(self.count);
        Some(match self.newest_by {
            Some(by) => cap.newest_by(by),
            None => cap,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Cap;
    use crate::cap::{Count, PartitionBy};
    use crate::source::NewestBy;

    #[test]
    fn a_cap_is_restored_from_its_stored_form() {
        let file =
            Cap::from_toml("max_sessions = 3\n[[rule]]\nprovider = \"mcp:*\"\nreplace = true");
        for cap in [
            Cap::none(),
            Cap::max_sessions(2.try_into().unwrap())
                .partition(PartitionBy::Provider)
                .newest_by(NewestBy::Renewed)
                .count(Count::All),
            file.unwrap(),
        ] {
            let json = serde_json::to_string(&cap.note()).unwrap();
            let note: super::CapNote = serde_json::from_str(&json).unwrap();
            assert_eq!(note.cap(), Some(cap));
        }
    }
}

use session_core::Timestamp;

use crate::error::{MigrateError, MigrateErrorKind};
use crate::options::MoveOptions;
use crate::source::{Mapping, Mappings};
use crate::target::Gate;

/// Each mapping's name, and by what its rows are newer.
pub(super) fn gates(options: &MoveOptions, mappings: &Mappings) -> Result<Vec<Gate>, MigrateError> {
    let gate = |mapping: &Mapping| {
        let newest_by = options
            .cap
            .moment(mapping)
            .map_err(|error| MigrateError::because(MigrateErrorKind::Usage, error.to_string()))?;
        Ok(Gate { mapping: mapping.name().to_owned(), newest_by, now: Timestamp::default() })
    };
    mappings.mapping.iter().map(gate).collect()
}

//! The mappings of a layout in one database.

use crate::options::Layout;
use crate::source::Mappings;
use crate::sql::Schema;

impl Layout {
    /// Returns the mappings, or what the schema lacks of the preset.
    pub(crate) fn mappings(&self, schema: &Schema) -> Result<Mappings, String> {
        match self {
            Self::Mapped(mappings) => Ok(mappings.clone()),
            Self::Preset(preset) => match preset.match_schema(schema) {
                Ok(fit) => Ok(fit.mappings),
                Err(miss) => {
                    let missing = miss.missing.join("; ");
                    Err(match &miss.table {
                        Some(table) => {
                            format!("the preset {} needs, in {table}: {missing}", miss.preset)
                        }
                        None => format!("the preset {} needs {missing}", miss.preset),
                    })
                }
            },
        }
    }
}

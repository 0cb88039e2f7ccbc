//! The options of a move.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use session_core::Keyring;
use session_core::clock::{Clock, SystemClock};

use crate::cap::{Cap, CapNote};
use crate::settings::MoveSettings;
use crate::source::{Codecs, Mappings, Preset, Recognition, SourceKeys};
use crate::sql::Schema;

/// How the source's rows are stored.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Layout {
    /// As these mappings describe.
    Mapped(Mappings),
    /// As in a known project.
    Preset(Preset),
    /// As in the only known project whose tables are there.
    Recognised,
}

impl Layout {
    /// Returns whether these can be the layout's mappings, without a schema to match.
    pub(crate) fn can_be(&self, mappings: &Mappings) -> bool {
        match self {
            Self::Mapped(mapped) => mapped == mappings,
            Self::Preset(preset) => {
                mappings.mapping.iter().all(|mapping| preset.names_table(&mapping.table))
            }
            Self::Recognised => true,
        }
    }

    /// Returns the mappings in a database with this schema.
    ///
    /// # Errors
    ///
    /// Returns what the schema lacks of the preset.
    pub(crate) fn mappings(&self, schema: &Schema) -> Result<Mappings, String> {
        let preset = match self {
            Self::Mapped(mappings) => return Ok(mappings.clone()),
            Self::Preset(preset) => preset,
            Self::Recognised => return recognised(schema),
        };
        let found = preset.match_schema(schema).map_err(|mismatch| {
            let missing = mismatch.missing.join("; ");
            let preset = mismatch.preset;
            match mismatch.table {
                Some(table) => format!("the preset {preset} needs, in {table}: {missing}"),
                None => format!("the preset {preset} needs {missing}"),
            }
        })?;
        Ok(found.mappings)
    }
}

/// Returns the mappings of the only preset that matches.
fn recognised(schema: &Schema) -> Result<Mappings, String> {
    let found = Recognition::of(schema).matches;
    match found.as_slice() {
        [only] => Ok(only.mappings.clone()),
        [] => Err("no preset matches these tables: give --mapping FILE".to_owned()),
        several => {
            let names: Vec<&str> = several.iter().map(|found| found.preset).collect();
            Err(format!("several presets match: give --preset {}", names.join(" or --preset ")))
        }
    }
}

/// What a rollback does with tokens that were renewed in the target after the cutover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renewed {
    /// Discards them, and everything else that cannot be written back; the report lists the sign-ins
    /// that are lost.
    Discard,
    /// Writes them back into the source, in its own encoding. Nothing is removed if some of them
    /// cannot be written back.
    WriteBack,
}

/// The options of a [`Move`](crate::Move).
///
/// # Security
///
/// Addresses contain passwords: `Debug` prints neither addresses nor keys.
#[derive(Clone)]
#[must_use]
pub struct MoveOptions {
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) layout: Layout,
    pub(crate) cap: Cap,
    pub(crate) is_online: bool,
    /// Whether the cap and the mode were set, so that they are not silently those of the move.
    is_cap_set: bool,
    is_mode_set: bool,
    /// Whether the move is a step of an application's migrator, whose other steps create the tables.
    pub(crate) is_step: bool,
    pub(crate) settings: MoveSettings,
    /// The addresses of the replicas whose lag is measured; they are stored nowhere.
    pub(crate) replicas: Vec<String>,
    pub(crate) codecs: Codecs,
    pub(crate) keyring: Option<Arc<Keyring>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl MoveOptions {
    /// Creates the options of a move from the database at this address, whose rows have this layout.
    ///
    /// By default the move is offline, goes into the same database, and has no cap.
    pub fn new(from: impl Into<String>, layout: Layout) -> Self {
        Self {
            from: from.into(),
            to: None,
            name: None,
            layout,
            cap: Cap::none(),
            is_online: false,
            is_cap_set: false,
            is_mode_set: false,
            is_step: false,
            settings: MoveSettings::default(),
            replicas: Vec::new(),
            codecs: Codecs::new(SourceKeys::none()),
            keyring: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Sets the address of the target, which may be a database of another kind.
    pub fn to(mut self, to: impl Into<String>) -> Self {
        self.to = Some(to.into());
        self
    }

    /// Sets the name that the source goes by, in place of the identity of its database.
    ///
    /// The ids of the move and of its sessions derive from it, so every call on the move takes the
    /// same name. It stands for a database that was moved to another server, or whose copy takes
    /// its place.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the cap.
    pub fn cap(mut self, cap: Cap) -> Self {
        (self.cap, self.is_cap_set) = (cap, true);
        self
    }

    /// Sets whether applications go on writing to the source during the move.
    pub const fn online(mut self, is_online: bool) -> Self {
        self.is_online = is_online;
        self.is_mode_set = true;
        self
    }

    /// Sets the number of rows in a batch; by default the size adapts to the time that a batch takes.
    pub const fn batch(mut self, rows: u32) -> Self {
        self.settings.batch = Some(rows);
        self
    }

    /// Sets the pace of the move: the size of its batches, what throttles it, and what postpones its
    /// cutover.
    pub fn settings(mut self, settings: MoveSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Returns the pace of the move.
    #[must_use]
    pub const fn current_settings(&self) -> &MoveSettings {
        &self.settings
    }

    /// Adds a replica whose lag the setting `max_lag` limits.
    pub fn replica(mut self, url: impl Into<String>) -> Self {
        self.replicas.push(url.into());
        self
    }

    /// Sets the codecs that open the source's tokens, with the source's keys.
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// Sets the keys that seal tokens in the target: the application's own keys. They are required.
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = Some(Arc::new(keyring));
        self
    }

    /// Sets the clock; by default the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Returns the target's address.
    pub(crate) fn target(&self) -> &str {
        self.to.as_deref().unwrap_or(&self.from)
    }

    /// Returns the options that decide where each row goes.
    pub(crate) fn spec(&self, mappings: &Mappings) -> MoveSpec {
        let (mappings, cap) = (mappings.clone(), self.cap.note());
        MoveSpec { mappings, cap: Some(cap), is_online: self.is_online }
    }

    /// Takes over the cap and the mode of a move that was begun, so that later commands need not
    /// repeat them.
    ///
    /// # Errors
    ///
    /// Returns the names of those that were set and are others.
    pub(crate) fn adopt(&mut self, spec: &MoveSpec) -> Result<(), Vec<&'static str>> {
        let is_same_cap = spec.cap.as_ref() == Some(&self.cap.note());
        let others = [
            ("cap", self.is_cap_set && !is_same_cap),
            ("mode (online or offline)", self.is_mode_set && self.is_online != spec.is_online),
        ];
        let others = others.into_iter().filter(|(_, is_other)| *is_other);
        let others: Vec<&str> = others.map(|(name, _)| name).collect();
        if !others.is_empty() {
            return Err(others);
        }
        if let Some(cap) = spec.cap.as_ref().and_then(CapNote::cap) {
            self.cap = cap;
        }
        self.is_online = spec.is_online;
        Ok(())
    }
}

/// The options that decide where each row goes, as the journal stores them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MoveSpec {
    mappings: Mappings,
    cap: Option<CapNote>,
    is_online: bool,
}

impl MoveSpec {
    /// Returns the mappings.
    pub(crate) const fn mappings(&self) -> &Mappings {
        &self.mappings
    }

    /// Returns the names of the options in which two differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let parts = [
            ("mapping", self.mappings == other.mappings),
            ("cap", self.cap == other.cap),
            ("mode (online or offline)", self.is_online == other.is_online),
        ];
        parts.into_iter().filter(|(_, is_same)| !is_same).map(|(name, _)| name).collect()
    }

    /// Returns the JSON form, which is the same for equal options.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Debug for MoveOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveOptions")
            .field("layout", &self.layout)
            .field("cap", &self.cap)
            .field("is_online", &self.is_online)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

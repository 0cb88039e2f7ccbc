//! What a move is to do, as its caller says it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use session_core::Keyring;
use session_core::clock::{Clock, SystemClock};

use crate::cap::{Cap, CapNote};
use crate::source::{Codecs, Mappings, Preset, SourceKeys};

/// Where the source's rows lie.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Layout {
    /// As mappings say.
    Mapped(Mappings),
    /// As a known project has them.
    Preset(Preset),
}

/// What a move is to do.
///
/// # Security
///
/// Addresses have passwords, and keys are keys: `Debug` prints neither.
#[derive(Clone)]
#[must_use]
pub struct MoveOptions {
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    pub(crate) layout: Layout,
    pub(crate) cap: Cap,
    pub(crate) is_online: bool,
    /// Whether it is one step of an application's migrator, whose other steps make the tables.
    pub(crate) is_step: bool,
    pub(crate) batch: Option<u32>,
    pub(crate) codecs: Codecs,
    pub(crate) keyring: Option<Arc<Keyring>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl MoveOptions {
    /// A move from the database at this address, whose rows lie so; into the same database, without
    /// a cap, offline, by the machine's clock.
    pub fn new(from: impl Into<String>, layout: Layout) -> Self {
        Self {
            from: from.into(),
            to: None,
            layout,
            cap: Cap::none(),
            is_online: false,
            is_step: false,
            batch: None,
            codecs: Codecs::new(SourceKeys::none()),
            keyring: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Into the database at this address, of whatever kind.
    pub fn to(mut self, to: impl Into<String>) -> Self {
        self.to = Some(to.into());
        self
    }

    /// Under this cap.
    pub fn cap(mut self, cap: Cap) -> Self {
        self.cap = cap;
        self
    }

    /// While an application goes on writing to the source.
    pub const fn online(mut self, is_online: bool) -> Self {
        self.is_online = is_online;
        self
    }

    /// At most so many rows at a time; without it the size adapts to the time that a batch takes.
    pub const fn batch(mut self, rows: u32) -> Self {
        self.batch = Some(rows);
        self
    }

    /// The codecs that open the source's tokens, with its keys.
    pub fn codecs(mut self, codecs: Codecs) -> Self {
        self.codecs = codecs;
        self
    }

    /// The keys that seal tokens in the target: the application's own. There is no default.
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = Some(Arc::new(keyring));
        self
    }

    /// The clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The target's address.
    pub(crate) fn target(&self) -> &str {
        self.to.as_deref().unwrap_or(&self.from)
    }

    /// What decides where each row comes to lie, as a journal keeps it.
    pub(crate) fn words(&self, mappings: &Mappings) -> Words {
        let (mappings, cap) = (mappings.clone(), self.cap.note());
        Words { mappings, cap: Some(cap), is_online: self.is_online }
    }

    /// These options with the cap and the mode of a move that was begun: who looks at it later
    /// need not say them again.
    pub(crate) fn adopt(&mut self, words: &Words) {
        if let Some(cap) = words.cap.as_ref().and_then(CapNote::cap) {
            self.cap = cap;
        }
        self.is_online = words.is_online;
    }
}

/// What decides where each row comes to lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words {
    mappings: Mappings,
    cap: Option<CapNote>,
    is_online: bool,
}

impl Words {
    /// As JSON, which is the same for the same words.
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
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

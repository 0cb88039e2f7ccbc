//! The words that all calls on a move share.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use session_core::Keyring;
use session_migrate::cap::{Cap, Count, PartitionBy};
use session_migrate::source::{Codecs, Mappings, NewestBy, Preset, SourceKeys};
use session_migrate::{Layout, MoveOptions};
use zeroize::Zeroizing;

use super::failure::Failure;

/// Where the rows are, how they lie, and where they go.
#[derive(Args)]
pub(crate) struct SourceWords {
    /// The source's address: sqlite://FILE, postgres://… or mysql://…
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub(crate) from: String,
    /// The target's address, of whatever kind; the source's database where it is not given.
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// The project whose tables these are; `inspect` says which one fits.
    #[arg(long, value_name = "NAME", conflicts_with = "mapping")]
    pub(crate) preset: Option<String>,
    /// A mapping file, for every other table.
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
}

/// How many sessions each user keeps, and which.
#[derive(Args)]
pub(crate) struct CapWords {
    /// At most so many sessions in each partition, whatever the provider.
    #[arg(long, value_name = "N", conflicts_with = "policy", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_sessions: Option<u32>,
    /// A policy file, with rules for each provider.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// What makes a row the newer one [default: as the mapping says].
    #[arg(long, value_name = "MOMENT", value_parser = newest_by)]
    pub(crate) newest_by: Option<NewestBy>,
    /// Over what the cap counts.
    #[arg(long, value_name = "WORDS", default_value_t = PartitionBy::Account)]
    pub(crate) partition: PartitionBy,
    /// Whether rows that work come first, or all count alike.
    #[arg(long, value_name = "ROWS", default_value_t = Count::Usable)]
    pub(crate) count: Count,
}

/// All that decides what a move does.
#[derive(Args)]
pub(crate) struct MoveWords {
    #[command(flatten)]
    pub(crate) source: SourceWords,
    #[command(flatten)]
    pub(crate) cap: CapWords,
    /// While an application goes on writing to the source.
    #[arg(long)]
    pub(crate) online: bool,
    /// At most so many rows at a time [default: as many as take less than half a second].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: Option<u32>,
}

/// What is pruned, and how far. No key of the target is needed.
#[derive(Args)]
pub(crate) struct PruneWords {
    #[command(flatten)]
    pub(crate) source: SourceWords,
    #[command(flatten)]
    pub(crate) cap: CapWords,
    /// At most so many rows in one transaction [default: as many as take less than half a second].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: Option<u32>,
}

fn newest_by(text: &str) -> Result<NewestBy, String> {
    match text {
        "created" => Ok(NewestBy::Created),
        "renewed" => Ok(NewestBy::Renewed),
        "used" => Ok(NewestBy::Used),
        _ => Err("it is one of created, renewed and used".to_owned()),
    }
}

impl CapWords {
    /// Whether these words name a limit.
    pub(crate) const fn is_given(&self) -> bool {
        self.max_sessions.is_some() || self.policy.is_some()
    }

    pub(crate) fn cap(&self) -> Result<Cap, Failure> {
        let cap = match (self.max_sessions, &self.policy) {
            (Some(max), _) => {
                Cap::max_sessions(max.try_into().map_err(|_| Failure::usage("a cap of zero"))?)
            }
            (None, Some(path)) => {
                let text = read(path, "--policy")?;
                Cap::from_toml(&text)
                    .map_err(|error| Failure::usage(format!("--policy: {error}")))?
            }
            (None, None) => Cap::none(),
        };
        let cap = cap.partition(self.partition).count(self.count);
        Ok(match self.newest_by {
            Some(by) => cap.newest_by(by),
            None => cap,
        })
    }
}

impl SourceWords {
    /// How the rows lie.
    pub(crate) fn layout(&self) -> Result<Layout, Failure> {
        match (&self.preset, &self.mapping) {
            (Some(name), _) => Ok(Layout::Preset(name.parse::<Preset>()?)),
            (None, Some(path)) => {
                let text = read(path, "--mapping")?;
                let mappings = Mappings::from_toml(&text);
                mappings.map(Layout::Mapped).map_err(|error| {
                    Failure::usage(format!("--mapping {}: {error}", path.display()))
                })
            }
            (None, None) => Err(Failure::usage("give --preset NAME or --mapping FILE")),
        }
    }

    /// The source's codecs, with keys from the environment alone.
    pub(crate) fn codecs() -> Result<Codecs, Failure> {
        let keys = SourceKeys::from_environment(|name| std::env::var(name).ok())?;
        Ok(Codecs::new(keys))
    }

    /// The options, with keys from the environment alone.
    pub(crate) fn options(&self) -> Result<MoveOptions, Failure> {
        let mut options = MoveOptions::new(&self.from, self.layout()?).codecs(Self::codecs()?);
        if let Some(to) = &self.to {
            options = options.to(to);
        }
        if let Some(keyring) = keyring()? {
            options = options.keyring(keyring);
        }
        Ok(options)
    }
}

impl MoveWords {
    pub(crate) fn options(&self) -> Result<MoveOptions, Failure> {
        let options = self.source.options()?.cap(self.cap.cap()?).online(self.online);
        Ok(match self.batch {
            Some(rows) => options.batch(rows),
            None => options,
        })
    }
}

fn read(path: &PathBuf, word: &str) -> Result<String, Failure> {
    fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{word} {}: {error}", path.display())))
}

/// The target's keys: `SESSION_KEYS`, or the file that `SESSION_KEYS_FILE` names.
fn keyring() -> Result<Option<Keyring>, Failure> {
    let given = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let text = match (given("SESSION_KEYS"), given("SESSION_KEYS_FILE")) {
        (Some(_), Some(_)) => return Err(Failure::usage("give SESSION_KEYS or SESSION_KEYS_FILE")),
        (Some(text), None) => Zeroizing::new(text),
        (None, Some(path)) => {
            let text = fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("SESSION_KEYS_FILE: {error}")))?;
            Zeroizing::new(text)
        }
        (None, None) => return Ok(None),
    };
    let keyring = Keyring::parse(text.trim());
    keyring.map(Some).map_err(|error| Failure::usage(format!("SESSION_KEYS: {error}")))
}

/// Addresses have passwords.
impl std::fmt::Debug for SourceWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceWords")
            .field("preset", &self.preset)
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PruneWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PruneWords").field("source", &self.source).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MoveWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MoveWords").field("source", &self.source).finish_non_exhaustive()
    }
}

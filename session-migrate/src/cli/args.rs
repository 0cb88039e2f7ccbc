//! The arguments that several commands share, and what they stand for.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use session_core::Keyring;
use session_migrate::cap::{Cap, Count, PartitionBy};
use session_migrate::source::{Codecs, Mappings, NewestBy, Preset, SourceKeys};
use session_migrate::{Layout, MoveOptions, Renewed};
use zeroize::Zeroizing;

use super::error::CliError;

/// The databases, and how the source lays out its rows.
#[derive(Args)]
pub(crate) struct SourceArgs {
    /// The address of the source: sqlite://FILE, postgres://… or mysql://…
    #[arg(long, value_name = "URL", hide_env_values = true)]
    pub(crate) from: String,
    /// The address of the target, which may be another kind of database [default: the source].
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// The project that created the tables [default: the only one that matches, as `inspect` shows].
    #[arg(long, value_name = "NAME", conflicts_with = "mapping", value_parser = presets())]
    pub(crate) preset: Option<String>,
    /// A mapping file, for tables that no preset matches.
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
}

/// How many sessions each user keeps, and which.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("limit").args(["max_sessions", "policy"]))]
pub(crate) struct CapArgs {
    /// The maximum number of sessions in each partition, for every provider.
    #[arg(long, value_name = "N", conflicts_with = "policy", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_sessions: Option<u32>,
    /// A policy file, with a rule for each provider.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The time that makes a row newer than another [default: as the mapping says].
    #[arg(long, value_name = "MOMENT", requires = "limit", value_parser = moments())]
    pub(crate) newest_by: Option<NewestBy>,
    /// What the cap counts over.
    #[arg(long, value_name = "WORDS", requires = "limit", default_value_t = PartitionBy::Account,
        value_parser = partitions())]
    pub(crate) partition: PartitionBy,
    /// Whether usable rows rank before the others, or all rows rank alike.
    #[arg(long, value_name = "ROWS", requires = "limit", default_value_t = Count::Usable,
        value_parser = counts())]
    pub(crate) count: Count,
}

/// Everything that decides what a move does.
#[derive(Args)]
pub(crate) struct MoveArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) cap: CapArgs,
    /// A name for the source, in place of the identity of its database. The move belongs to it: give
    /// the same name to every command.
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
    /// Moves the rows while an application keeps writing to the source.
    #[arg(long)]
    pub(crate) online: bool,
    /// The maximum number of rows in a batch [default: as many as take less than half a second].
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) batch: Option<u32>,
    /// Prints a report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How fast a move goes, and when it cuts over. `resume --set` changes it.
#[derive(Args)]
pub(crate) struct PaceArgs {
    /// Postpones the cutover while this file exists; an online move goes on catching up.
    #[arg(long, value_name = "FILE")]
    cutover_when_removed: Option<String>,
    /// Waits while this query on the source returns a number above --throttle-above.
    #[arg(long, value_name = "SQL")]
    throttle_query: Option<String>,
    /// The highest number of --throttle-query with which the move goes on [default: 0].
    #[arg(long, value_name = "NUMBER", requires = "throttle_query")]
    throttle_above: Option<u64>,
    /// Waits while the source's server runs more statements than this.
    #[arg(long, value_name = "STATEMENTS")]
    max_load: Option<u64>,
    /// Stops the move once the source's server runs more statements than this.
    #[arg(long, value_name = "STATEMENTS")]
    critical_load: Option<u64>,
    /// Waits while a replica lags behind by more than this.
    #[arg(long, value_name = "SECONDS", requires = "replica")]
    max_lag: Option<u64>,
    /// The address of a replica of the source's server.
    #[arg(long, value_name = "URL", requires = "max_lag")]
    replica: Vec<String>,
    /// For how long a throttle may hold the move up [default: for any time].
    #[arg(long, value_name = "SECONDS")]
    throttle_timeout: Option<u64>,
    /// What the move does then.
    #[arg(long, value_name = "WORD", requires = "throttle_timeout", value_parser = ["stop", "go-on"])]
    on_throttle_timeout: Option<String>,
}

impl PaceArgs {
    /// Adds the settings to the options.
    pub(crate) fn add_to(&self, options: MoveOptions) -> Result<MoveOptions, CliError> {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let given = [
            ("cutover-when-removed", self.cutover_when_removed.clone()),
            ("throttle-query", self.throttle_query.clone()),
            ("throttle-above", number(self.throttle_above)),
            ("max-load", number(self.max_load)),
            ("critical-load", number(self.critical_load)),
            ("max-lag", number(self.max_lag)),
            ("throttle-timeout", number(self.throttle_timeout)),
            ("on-throttle-timeout", self.on_throttle_timeout.clone()),
        ];
        let mut settings = options.current_settings().clone();
        for (name, value) in given {
            if let Some(value) = value {
                settings.set(name, &value).map_err(CliError::usage)?;
            }
        }
        let options = options.settings(settings);
        Ok(self.replica.iter().fold(options, |options, url| options.replica(url)))
    }
}

/// Leaves out the addresses, which can contain passwords.
impl std::fmt::Debug for PaceArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaceArgs(..)")
    }
}

/// The arguments of the commands that take a move back.
#[derive(Debug, Args)]
pub(crate) struct BackArgs {
    #[command(flatten)]
    pub(crate) args: MoveArgs,
    /// Gives up renewed tokens, and what cannot be written back; lists the sign-ins that are lost.
    #[arg(long)]
    pub(crate) discard_renewed: bool,
    /// Confirms the command, which asks otherwise.
    #[arg(long)]
    pub(crate) yes: bool,
}

impl BackArgs {
    pub(crate) const fn renewed(&self) -> Renewed {
        if self.discard_renewed { Renewed::Discard } else { Renewed::WriteBack }
    }
}

/// Returns a parser that knows the names of all presets, so that `--help` lists them.
fn presets() -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(Preset::ALL.map(|preset| preset.name()))
}

fn moments() -> impl TypedValueParser<Value = NewestBy> {
    PossibleValuesParser::new(["created", "renewed", "used"]).map(|text| match text.as_str() {
        "created" => NewestBy::Created,
        "renewed" => NewestBy::Renewed,
        _ => NewestBy::Used,
    })
}

fn partitions() -> impl TypedValueParser<Value = PartitionBy> {
    let words = [PartitionBy::Provider, PartitionBy::Account].map(PartitionBy::as_str);
    PossibleValuesParser::new(words).try_map(|text| text.parse::<PartitionBy>())
}

fn counts() -> impl TypedValueParser<Value = Count> {
    let words = [Count::Usable, Count::All].map(Count::as_str);
    PossibleValuesParser::new(words).try_map(|text| text.parse::<Count>())
}

impl CapArgs {
    /// Whether the arguments set a limit.
    pub(crate) const fn is_given(&self) -> bool {
        self.max_sessions.is_some() || self.policy.is_some()
    }

    pub(crate) fn cap(&self) -> Result<Cap, CliError> {
        let cap = match (self.max_sessions, &self.policy) {
            (Some(max), _) => {
                let max = max.try_into();
                Cap::max_sessions(max.map_err(|_| CliError::usage("--max-sessions is zero"))?)
            }
            (None, Some(path)) => {
                let text = read(path, "--policy")?;
                Cap::from_toml(&text)
                    .map_err(|error| CliError::usage(format!("--policy: {error}")))?
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

impl SourceArgs {
    /// How the source lays out its rows.
    pub(crate) fn layout(&self) -> Result<Layout, CliError> {
        match (&self.preset, &self.mapping) {
            (Some(name), _) => Ok(Layout::Preset(name.parse::<Preset>()?)),
            (None, Some(path)) => {
                let text = read(path, "--mapping")?;
                let mappings = Mappings::from_toml(&text);
                mappings.map(Layout::Mapped).map_err(|error| {
                    CliError::usage(format!("--mapping {}: {error}", path.display()))
                })
            }
            (None, None) => Ok(Layout::Recognised),
        }
    }

    /// The source's codecs. Keys come from the environment only.
    pub(crate) fn codecs() -> Result<Codecs, CliError> {
        let keys = SourceKeys::from_environment(|name| std::env::var(name).ok())?;
        Ok(Codecs::new(keys))
    }
}

impl MoveArgs {
    /// The options of the move. Keys come from the environment only.
    pub(crate) fn options(&self) -> Result<MoveOptions, CliError> {
        let source = &self.source;
        let mut options =
            MoveOptions::new(&source.from, source.layout()?).codecs(SourceArgs::codecs()?);
        if self.cap.is_given() {
            options = options.cap(self.cap.cap()?);
        }
        if self.online {
            options = options.online(true);
        }
        if let Some(to) = &source.to {
            options = options.to(to);
        }
        if let Some(name) = &self.name {
            options = options.name(name);
        }
        if let Some(keyring) = keyring()? {
            options = options.keyring(keyring);
        }
        if let Some(rows) = self.batch {
            options = options.batch(rows);
        }
        Ok(options)
    }
}

fn read(path: &PathBuf, flag: &str) -> Result<String, CliError> {
    fs::read_to_string(path)
        .map_err(|error| CliError::usage(format!("{flag} {}: {error}", path.display())))
}

/// The target's keys: `SESSION_KEYS`, or the file that `SESSION_KEYS_FILE` names.
fn keyring() -> Result<Option<Keyring>, CliError> {
    let given = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let text = match (given("SESSION_KEYS"), given("SESSION_KEYS_FILE")) {
        (Some(_), Some(_)) => {
            return Err(CliError::usage("set SESSION_KEYS or SESSION_KEYS_FILE, not both"));
        }
        (Some(text), None) => Zeroizing::new(text),
        (None, Some(path)) => {
            let text = fs::read_to_string(path)
                .map_err(|error| CliError::usage(format!("SESSION_KEYS_FILE: {error}")))?;
            Zeroizing::new(text)
        }
        (None, None) => return Ok(None),
    };
    let keyring = Keyring::parse(text.trim());
    keyring.map(Some).map_err(|error| CliError::usage(format!("SESSION_KEYS: {error}")))
}

/// Leaves out the addresses, which can contain passwords.
impl std::fmt::Debug for SourceArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceArgs")
            .field("preset", &self.preset)
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for MoveArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MoveArgs").field("source", &self.source).finish_non_exhaustive()
    }
}

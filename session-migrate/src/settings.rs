//! What may be changed while a move is under way: how fast it goes, and when it cuts over.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The pace of a move. None of it decides where a row goes, so all of it may be changed while the move
/// is paused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct MoveSettings {
    /// The number of rows in a batch; by default the size adapts to the time that a batch takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u32>,
    /// A file that postpones the cutover while it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cutover_when_removed: Option<PathBuf>,
    /// A query on the source whose number must not exceed `throttle_above`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle_query: Option<String>,
    /// The highest number of `throttle_query` with which the move goes on; 0 if none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle_above: Option<u64>,
    /// The highest number of statements that run on the source's server with which the move goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_load: Option<u64>,
    /// The number of statements above which the move stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_load: Option<u64>,
    /// The highest lag of a replica, in seconds, with which the move goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lag: Option<u64>,
    /// For how many seconds a throttle may hold the move up; without it, for any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle_timeout: Option<u64>,
    /// What the move does when that time is over.
    pub on_throttle_timeout: OnThrottleTimeout,
}

/// What a move does when a throttle has held it up for too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OnThrottleTimeout {
    /// It stops; `resume` goes on with it.
    #[default]
    Stop,
    /// It goes on, until the throttle has let it pass once.
    GoOn,
}

/// What a move waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Wait {
    /// The file that postpones the cutover exists.
    FlagFile,
    /// The operator's query returns too high a number.
    Query,
    /// The source's server runs too many statements.
    Load,
    /// A replica lags behind.
    ReplicaLag,
}

impl Wait {
    /// Returns the reason in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FlagFile => "until the file that postpones the cutover is removed",
            Self::Query => "until the throttle query returns a lower number",
            Self::Load => "until the source's server has less load",
            Self::ReplicaLag => "until the replica has caught up",
        }
    }
}

/// The settings that [`MoveSettings::set`] takes.
const NAMES: &str = "batch, cutover-when-removed, throttle-query, throttle-above, max-load, \
    critical-load, max-lag, throttle-timeout and on-throttle-timeout";

impl MoveSettings {
    /// Sets a setting by the name of its option; an empty value unsets it.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the name or the value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let given = (!value.is_empty()).then_some(value);
        let number = || {
            let number = given.map(str::parse::<u64>).transpose();
            number.map_err(|_| format!("{name} takes a number, not {value:?}"))
        };
        match name {
            "batch" => {
                let rows = number()?.map(u32::try_from).transpose().ok();
                let rows =
                    rows.filter(|rows| rows.is_none_or(|rows| (1..=100_000).contains(&rows)));
                self.batch = rows.ok_or("batch takes a number from 1 to 100000")?;
            }
            "cutover-when-removed" => self.cutover_when_removed = given.map(PathBuf::from),
            "throttle-query" => self.throttle_query = given.map(str::to_owned),
            "throttle-above" => self.throttle_above = number()?,
            "max-load" => self.max_load = number()?,
            "critical-load" => self.critical_load = number()?,
            "max-lag" => self.max_lag = number()?,
            "throttle-timeout" => self.throttle_timeout = number()?,
            "on-throttle-timeout" => {
                self.on_throttle_timeout = match given {
                    None | Some("stop") => OnThrottleTimeout::Stop,
                    Some("go-on") => OnThrottleTimeout::GoOn,
                    Some(_) => return Err("on-throttle-timeout is stop or go-on".to_owned()),
                };
            }
            _ => return Err(format!("{name:?} cannot be set: there are {NAMES}")),
        }
        Ok(())
    }

    /// Returns these settings, and those of `other` where these have none.
    pub(crate) fn or(self, other: Self) -> Self {
        let is_timeout_given = self.throttle_timeout.is_some();
        Self {
            batch: self.batch.or(other.batch),
            cutover_when_removed: self.cutover_when_removed.or(other.cutover_when_removed),
            throttle_query: self.throttle_query.or(other.throttle_query),
            throttle_above: self.throttle_above.or(other.throttle_above),
            max_load: self.max_load.or(other.max_load),
            critical_load: self.critical_load.or(other.critical_load),
            max_lag: self.max_lag.or(other.max_lag),
            throttle_timeout: self.throttle_timeout.or(other.throttle_timeout),
            on_throttle_timeout: match is_timeout_given {
                true => self.on_throttle_timeout,
                false => other.on_throttle_timeout,
            },
        }
    }

    /// Returns whether the file exists that postpones the cutover. One that cannot be looked at may
    /// exist.
    pub(crate) fn postpones_cutover(&self) -> bool {
        self.cutover_when_removed.as_ref().is_some_and(|flag| flag.try_exists().unwrap_or(true))
    }

    /// Sets what differs between two states of the move's settings as it is in the second one.
    pub(crate) fn change(&mut self, before: &Self, after: &Self) {
        fn set<T: Clone + PartialEq>(of: &mut T, before: &T, after: &T) {
            if before != after {
                of.clone_from(after);
            }
        }
        set(&mut self.batch, &before.batch, &after.batch);
        set(
            &mut self.cutover_when_removed,
            &before.cutover_when_removed,
            &after.cutover_when_removed,
        );
        set(&mut self.throttle_query, &before.throttle_query, &after.throttle_query);
        set(&mut self.throttle_above, &before.throttle_above, &after.throttle_above);
        set(&mut self.max_load, &before.max_load, &after.max_load);
        set(&mut self.critical_load, &before.critical_load, &after.critical_load);
        set(&mut self.max_lag, &before.max_lag, &after.max_lag);
        set(&mut self.throttle_timeout, &before.throttle_timeout, &after.throttle_timeout);
        set(&mut self.on_throttle_timeout, &before.on_throttle_timeout, &after.on_throttle_timeout);
    }

    /// Returns whether anything can hold the move up between two batches.
    pub(crate) const fn is_throttled(&self) -> bool {
        self.throttle_query.is_some()
            || self.max_load.is_some()
            || self.critical_load.is_some()
            || self.max_lag.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{MoveSettings, OnThrottleTimeout};

    #[test]
    fn settings_are_set_by_name() {
        let mut settings = MoveSettings::default();
        for (name, value) in [("batch", "7"), ("max-load", "30"), ("on-throttle-timeout", "go-on")]
        {
            settings.set(name, value).unwrap();
        }
        assert_eq!((settings.batch, settings.max_load), (Some(7), Some(30)));
        assert_eq!(settings.on_throttle_timeout, OnThrottleTimeout::GoOn);
        settings.set("max-load", "").unwrap();
        assert_eq!(settings.max_load, None);
        for (name, value) in
            [("batch", "0"), ("batch", "x"), ("max-sessions", "1"), ("max-lag", "-1")]
        {
            assert!(settings.set(name, value).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn what_is_given_comes_first() {
        let (mut given, mut stored) = (MoveSettings::default(), MoveSettings::default());
        given.set("batch", "1").unwrap();
        stored.set("batch", "2").unwrap();
        stored.set("max-lag", "3").unwrap();
        let both = given.or(stored);
        assert_eq!((both.batch, both.max_lag), (Some(1), Some(3)));
    }
}

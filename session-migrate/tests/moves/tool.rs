//! The built command.

use std::process::Stdio;

use serde_json::Value;
use session_core::Keyring;
use session_migrate::source::{Codecs, SourceKeys};
use session_migrate::{Layout, MoveOptions};
use tokio::process::{Child, Command};

use session_tests::source::Source;

/// The built command.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_session-migrate");

/// The commands that ask, and find no terminal here.
pub(crate) const DESTRUCTIVE: [&str; 4] = ["rollback", "abort", "finalize", "unblock"];

/// The target's keys.
pub(crate) const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn keyring() -> Keyring {
    Keyring::parse(KEYS).unwrap()
}

/// The arguments and environment that the calls of one move share.
#[derive(Debug, Clone)]
pub(crate) struct Tool {
    words: Vec<String>,
    environment: Vec<(&'static str, String)>,
    /// The limit on the size of files, as a shell sets it.
    file_blocks: Option<u64>,
    from: String,
    to: Option<String>,
    key: Option<String>,
    is_unconfirmed: bool,
}

/// The output and exit code of a call.
#[derive(Debug)]
pub(crate) struct CallOutput {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Tool {
    pub(crate) fn new(from: &str) -> Self {
        let environment = vec![("SESSION_KEYS", KEYS.to_owned())];
        let (words, from) = (Vec::new(), from.to_owned());
        Self {
            words,
            environment,
            file_blocks: None,
            from,
            to: None,
            key: None,
            is_unconfirmed: false,
        }
    }

    pub(crate) fn preset(source: &Source, preset: &str) -> Self {
        Self::new(source.database.url()).words(&["--preset", preset])
    }

    pub(crate) fn to(mut self, url: &str) -> Self {
        self.to = Some(url.to_owned());
        self
    }

    pub(crate) fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Leaves `--yes` out.
    pub(crate) fn unconfirmed(mut self) -> Self {
        self.is_unconfirmed = true;
        self
    }

    pub(crate) fn old_key(mut self, key: &str) -> Self {
        self.environment.push(("SESSION_MIGRATE_SOURCE_OLD_KEYS", key.to_owned()));
        self
    }

    pub(crate) fn without_keys(mut self) -> Self {
        self.environment.clear();
        self
    }

    /// Replaces the target's keys.
    pub(crate) fn target_keys(mut self, keys: &str) -> Self {
        self.environment = vec![("SESSION_KEYS", keys.to_owned())];
        self
    }

    pub(crate) fn without_source_key(mut self) -> Self {
        self.key = None;
        self
    }

    /// Limits the size of files to this number of blocks of 1024 bytes.
    pub(crate) fn file_blocks(mut self, blocks: u64) -> Self {
        self.file_blocks = Some(blocks);
        self
    }

    /// Returns the options of the same move for the library, without a cap, offline.
    pub(crate) fn options(&self, preset: &str) -> MoveOptions {
        let keys = self.key.as_ref().map_or_else(SourceKeys::none, SourceKeys::new);
        let options = MoveOptions::new(&self.from, Layout::Preset(preset.parse().unwrap()));
        let options = options.codecs(Codecs::new(keys)).keyring(keyring());
        match &self.to {
            Some(to) => options.to(to),
            None => options,
        }
    }

    pub(crate) async fn run(&self, call: &str, more: &[&str]) -> CallOutput {
        let output = self.command(call, more).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, errors) = (text(output.stdout), text(output.stderr));
        CallOutput { code: output.status.code(), out, errors }
    }

    /// Starts a call, to be killed.
    pub(crate) fn spawn(&self, call: &str, more: &[&str]) -> Child {
        let mut command = self.command(call, more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    }

    fn command(&self, call: &str, more: &[&str]) -> Command {
        let mut command = match self.file_blocks {
            None => Command::new(PROGRAM),
            Some(blocks) => {
                let mut shell = Command::new("bash");
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
                shell.args(["-c", &script, "bash"]).arg(PROGRAM);
                shell
            }
        };
        let names =
            ["SESSION_KEYS", "SESSION_KEYS_FILE", "SESSION_MIGRATE_SOURCE_KEY", "DATABASE_URL"];
        for name in names {
            command.env_remove(name);
        }
        command.arg(call).args(["--from", &self.from]);
        // The target knows its moves, so that it takes no more.
        if call != "status" {
            command.args(&self.words);
        }
        if let Some(to) = &self.to {
            command.args(["--to", to]);
        }
        if let Some(key) = &self.key {
            command.env("SESSION_MIGRATE_SOURCE_KEY", key);
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        if DESTRUCTIVE.contains(&call) && !self.is_unconfirmed {
            command.arg("--yes");
        }
        command.args(more).stdin(Stdio::null());
        command
    }

    /// Runs a call that must succeed, and returns its report.
    #[track_caller]
    pub(crate) fn done(&self, call: &str, more: &[&str]) -> impl Future<Output = Value> {
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        let call = call.to_owned();
        async move {
            let mut words: Vec<&str> = more.iter().map(String::as_str).collect();
            words.push("--json");
            self.run(&call, &words).await.done()
        }
    }

    /// Plans, applies that plan, and verifies.
    pub(crate) async fn moved(&self) -> Value {
        let plan = self.done("plan", &[]).await;
        let digest = plan["digest"].as_str().unwrap();
        let applied = self.done("apply", &["--plan", digest]).await;
        assert_eq!(applied["phase"], "switched", "{applied}");
        let verified = self.done("verify", &["--rows"]).await;
        assert_eq!((&verified["mismatches"], &verified["changed"]), (&0.into(), &0.into()));
        assert_eq!(verified["result_digest"], applied["result_digest"]);
        verified
    }
}

impl CallOutput {
    #[track_caller]
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// Checks the exit code and the error.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, error: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.errors.starts_with("error: "), "{self:?}");
        assert!(self.errors.contains(error), "not {error:?} in {}", self.errors);
    }
}

/// Returns the rows that `verify --rows` lists.
pub(crate) fn rows(verified: &Value) -> &Vec<Value> {
    verified["rows"].as_array().unwrap()
}

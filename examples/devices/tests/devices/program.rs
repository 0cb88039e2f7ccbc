//! The program under test: its directory, its flags and its copies.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

/// An empty directory, removed on drop.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("devices-test-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns a command that runs the program in this directory, with the keys of its file.
pub(crate) fn devices(directory: &Directory) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devices"));
    command.current_dir(directory.path()).env_remove("SESSION_KEYS").env_remove("RUST_LOG");
    command
}

/// Runs the program, which must not start; returns the exit code and stderr.
pub(crate) fn rejected(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // If it did start, it would print its address and serve for ever.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        child.kill().unwrap();
    }
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!(line, "", "it started");
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A running copy, killed on drop.
pub(crate) struct Copy {
    child: Child,
    pub(crate) address: String,
    pub(crate) issuer: String,
}

impl Copy {
    /// Starts a copy on a free port, with a provider that shows no form.
    pub(crate) fn start(directory: &Directory, flags: &[&str]) -> Self {
        Self::spawn(
            devices(directory).args(["--listen", "127.0.0.1:0", "--auto-login"]).args(flags),
        )
    }

    /// Starts another copy that uses the provider of this one.
    pub(crate) fn start_another(&self, directory: &Directory, flags: &[&str]) -> Self {
        let joined = ["--issuer", &self.issuer, "--client-id", "devices"];
        let secret = ["--client-secret", "devices-secret", "--listen", "127.0.0.1:0"];
        Self::spawn(devices(directory).args(joined).args(secret).args(flags))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut after = |prefix: &str| {
            let line = lines.next().expect("the program ended").unwrap();
            line.strip_prefix(prefix).unwrap_or_else(|| panic!("printed {line:?}")).to_owned()
        };
        let (address, issuer) = (after("devices: "), after("identity provider: "));
        Self { child, address, issuer }
    }

    /// Terminates the copy and waits for it.
    #[cfg(unix)]
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

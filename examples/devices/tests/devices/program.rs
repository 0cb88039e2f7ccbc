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

/// The program in this working directory, with no keys but its file's.
pub(crate) fn devices(directory: &Directory) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devices"));
    command.current_dir(directory.path()).env_remove("SESSION_KEYS").env_remove("RUST_LOG");
    command
}

/// What the program does that does not start.
pub(crate) fn refused(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It tells its address when it serves, and would then go on for ever.
    let mut told = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut told).unwrap();
    if !told.is_empty() {
        child.kill().unwrap();
    }
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!(told, "", "it serves");
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A copy that serves; killed on drop, however the test ends.
pub(crate) struct Copy {
    child: Child,
    pub(crate) address: String,
    pub(crate) issuer: String,
}

impl Copy {
    /// Starts a copy on any free port, with a provider that asks for no form.
    pub(crate) fn start(directory: &Directory, flags: &[&str]) -> Self {
        Self::spawn(
            devices(directory).args(["--listen", "127.0.0.1:0", "--auto-login"]).args(flags),
        )
    }

    /// Starts a further copy, which joins this one's provider.
    pub(crate) fn start_another(&self, directory: &Directory, flags: &[&str]) -> Self {
        let joined = ["--issuer", &self.issuer, "--client-id", "devices"];
        let secret = ["--client-secret", "devices-secret", "--listen", "127.0.0.1:0"];
        Self::spawn(devices(directory).args(joined).args(secret).args(flags))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut told = |before: &str| {
            let line = lines.next().expect("the program ended").unwrap();
            line.strip_prefix(before).unwrap_or_else(|| panic!("told {line:?}")).to_owned()
        };
        let (address, issuer) = (told("devices: "), told("identity provider: "));
        Self { child, address, issuer }
    }

    /// Asks the copy to end, and waits until it has.
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

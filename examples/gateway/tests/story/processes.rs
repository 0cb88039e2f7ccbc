//! The processes of the story: the provider, and two gateways on one database.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::StatusCode;

/// How long a process may take to serve.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process, killed on drop.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
}

impl Process {
    /// Asks the process to end, as service managers do.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Returns how the process has ended, if it has.
    #[cfg(unix)]
    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Kills the process, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for the database and the clock, removed on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("gateway-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The clock of all processes: the machine's, or ahead of it where `libfaketime` is installed.
pub(crate) struct SharedClock {
    library: Option<PathBuf>,
    offset: PathBuf,
}

impl SharedClock {
    pub(crate) fn new(folder: &Folder) -> Self {
        let library = std::env::var_os("SESSION_TEST_FAKETIME").map(PathBuf::from);
        let clock = Self { library, offset: folder.0.join("clock") };
        clock.write(Duration::ZERO);
        clock
    }

    /// Sets the clock ahead, if that can be done.
    pub(crate) fn is_set_ahead(&self, by: Duration) -> bool {
        self.write(by);
        self.library.is_some()
    }

    fn write(&self, offset: Duration) {
        let draft = self.offset.with_extension("draft");
        fs::write(&draft, format!("+{}s\n", offset.as_secs())).unwrap();
        fs::rename(draft, &self.offset).unwrap();
    }

    fn apply(&self, command: &mut Command) {
        let Some(library) = &self.library else { return };
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.offset)
            .env("FAKETIME_NO_CACHE", "1")
            // As on a machine that was asleep: the date moves on, and timers do not.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    }
}

/// Starts the provider.
pub(crate) fn provider(clock: &SharedClock) -> Process {
    let program = Path::new(env!("CARGO_BIN_EXE_gateway")).with_file_name("identity-provider");
    assert!(program.is_file(), "build it first: cargo build -p identity-provider");
    let mut command = Command::new(program);
    command
        .args(["--listen", "127.0.0.1:0", "--auto-login", "--client-id", "gateway"])
        .args(["--redirect-uri", "http://127.0.0.1/_gateway/callback"])
        .env("CLIENT_SECRET", "gateway-secret")
        .stdout(Stdio::piped());
    clock.apply(&mut command);
    let mut child = command.spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    Process { child, address: address.trim_end().to_owned() }
}

/// Starts a gateway, and waits until it serves.
pub(crate) async fn gateway(
    folder: &Folder,
    clock: &SharedClock,
    (provider, tool): (&Process, &str),
) -> Process {
    let listen = free_address();
    let database = format!("sqlite://{}?mode=rwc", folder.0.join("gateway.db").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .args(["--listen", &listen, "--upstream", tool, "--issuer", &provider.address])
        .args(["--client-id", "gateway", "--database", &database, "--max-sessions", "2"])
        .env("CLIENT_SECRET", "gateway-secret")
        .env("ASSERTION_SECRET", "an assertion's secret of 32 bytes")
        .env("SESSION_KEYS", "story:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    clock.apply(&mut command);
    let process = Process { child: command.spawn().unwrap(), address: format!("http://{listen}") };
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let serves = async {
        loop {
            let answer = http.get(&process.address).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let served = tokio::time::timeout(PATIENCE, serves).await;
    assert!(served.is_ok(), "the gateway does not serve");
    process
}

/// Returns an address that is free now, below the ports of outgoing connections.
fn free_address() -> String {
    let begin = 12_000 + u16::try_from(std::process::id() % 8_000).unwrap();
    let mut addresses = (begin..begin + 8_000).map(|port| format!("127.0.0.1:{port}"));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

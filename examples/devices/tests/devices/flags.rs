//! Invalid flags.

use crate::program::{Directory, devices, rejected};

/// Each is rejected with exit code 2 and a message that names the flag, before anything is created.
#[test]
fn an_invalid_flag_is_named() {
    for (flags, named) in [
        (["--max-sessions", "0"], "--max-sessions"),
        (["--on-full", "explode"], "--on-full"),
        (["--cookie-name", ""], "--cookie-name"),
        (["--cookie-name", "two words"], "--cookie-name"),
        (["--database-url", "redis://u:hunter2@h/0"], "--database-url"),
        (["--database-url", "sqlite::memory:"], "--database-url"),
        (["--listen", "nowhere"], "--listen"),
        (["--max-staleness-ms", "soon"], "--max-staleness-ms"),
        (["--issuer", "http://127.0.0.1:1"], "--client-id"),
    ] {
        let directory = Directory::new();
        let (code, message) = rejected(devices(&directory).args(flags));
        assert_eq!(code, Some(2), "{flags:?}: {message}");
        assert!(message.contains(named), "{flags:?}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{flags:?}");
    }
}

#[test]
fn an_issuer_over_plain_http_is_rejected() {
    let directory = Directory::new();
    let flags = ["--issuer", "http://id.example", "--client-id", "a", "--listen", "127.0.0.1:0"];
    let (code, message) = rejected(devices(&directory).args(flags));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("--issuer"), "{message}");
}

#[test]
fn an_unreachable_database_is_not_a_usage_error() {
    let directory = Directory::new();
    let flags = ["--database-url", "sqlite:no/such/directory/a.db", "--listen", "127.0.0.1:0"];
    let (code, message) = rejected(devices(&directory).args(flags));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("--database-url"), "{message}");
}

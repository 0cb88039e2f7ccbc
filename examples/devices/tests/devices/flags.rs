use crate::program::{Directory, devices, refused};

/// Each is refused with 2, by a message that names the flag, before anything is created.
#[test]
fn what_cannot_be_meant_is_refused_by_name() {
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
        let (code, says) = refused(devices(&directory).args(flags));
        assert_eq!(code, Some(2), "{flags:?}: {says}");
        assert!(says.contains(named), "{flags:?}: {says}");
        assert!(!says.contains("hunter2"), "{says}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{flags:?}");
    }
}

#[test]
fn an_issuer_that_would_get_secrets_in_the_clear_is_refused() {
    let directory = Directory::new();
    let flags = ["--issuer", "http://id.example", "--client-id", "a", "--listen", "127.0.0.1:0"];
    let (code, says) = refused(devices(&directory).args(flags));
    assert_eq!(code, Some(2), "{says}");
    assert!(says.contains("--issuer"), "{says}");
}

#[test]
fn a_database_that_is_away_is_no_fault_of_the_flags() {
    let directory = Directory::new();
    let flags = ["--database-url", "sqlite:no/such/directory/a.db", "--listen", "127.0.0.1:0"];
    let (code, says) = refused(devices(&directory).args(flags));
    assert_eq!(code, Some(1), "{says}");
    assert!(says.contains("--database-url"), "{says}");
}

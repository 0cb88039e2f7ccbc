//! Missing, invalid and wrong sealing keys.

use crate::browser::Browser;
use crate::program::{Copy, Directory, devices, rejected};
use std::fs;

/// Two valid keys, neither of which sealed the rows.
const OTHERS: [&str; 2] = [
    "other:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "right:HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHgA=",
];

const RIGHT: &str = "right:AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

#[test]
fn invalid_keys_are_reported_without_repeating_them() {
    for keys in ["", "hunter2", "a:hunter2", "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
        let directory = Directory::new();
        let (code, message) = rejected(devices(&directory).env("SESSION_KEYS", keys));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains("SESSION_KEYS") && !message.contains("hunter2"), "{message}");
    }
}

/// Store law 10, F35: with another key id, with another key of the same id, and without a key.
#[tokio::test]
async fn a_wrong_key_refuses_to_start_and_deletes_nothing() {
    let directory = Directory::new();
    let with_keys = |keys: &str| {
        let mut command = devices(&directory);
        command.args(["--listen", "127.0.0.1:0", "--auto-login"]).env("SESSION_KEYS", keys);
        command
    };
    let copy = Copy::spawn(&mut with_keys(RIGHT));
    let alice = Browser::signed_in(&copy.address, "alice").await;
    let id = alice.session_id(&copy.address).await;
    drop(copy);
    for keys in OTHERS {
        let (code, message) = rejected(&mut with_keys(keys));
        assert_eq!(code, Some(1), "{message}");
        let (_, secret) = keys.split_once(':').unwrap();
        assert!(message.contains("nothing was changed") && !message.contains(secret), "{message}");
    }
    let mut without = with_keys("");
    let (code, message) = rejected(without.env_remove("SESSION_KEYS"));
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("devices.keys"), "{message}");
    assert!(!directory.path().join("devices.keys").exists(), "a useless key was created");

    let copy = Copy::spawn(&mut with_keys(&format!("{},{RIGHT}", OTHERS[0])));
    assert_eq!(alice.session_id(&copy.address).await, id);
}

#[tokio::test]
async fn the_first_start_creates_a_key_and_later_ones_use_it() {
    let directory = Directory::new();
    let copy = Copy::start(&directory, &[]);
    let alice = Browser::signed_in(&copy.address, "alice").await;
    let id = alice.session_id(&copy.address).await;
    drop(copy);
    let key = fs::read_to_string(directory.path().join("devices.keys")).unwrap();
    let copy = Copy::start(&directory, &[]);
    assert_eq!(alice.session_id(&copy.address).await, id);
    assert_eq!(fs::read_to_string(directory.path().join("devices.keys")).unwrap(), key);
}

use crate::browser::Browser;
use crate::program::{Copy, Directory, devices, refused};
use std::fs;

/// Two keys that are good, but not the one that sealed the rows.
const OTHERS: [&str; 2] = [
    "other:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "right:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=",
];

const RIGHT: &str = "right:MDEyMzQ1Njc4OWFiY2RlZmZlZGNiYTk4NzY1NDMyMTA=";

#[test]
fn bad_keys_are_named_and_not_repeated() {
    for keys in ["", "hunter2", "a:hunter2", "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="] {
        let directory = Directory::new();
        let (code, says) = refused(devices(&directory).env("SESSION_KEYS", keys));
        assert_eq!(code, Some(2), "{says}");
        assert!(says.contains("SESSION_KEYS") && !says.contains("hunter2"), "{says}");
    }
}

/// Law 10, F35: whatever the wrong key is called, and also where there is none.
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
        let (code, says) = refused(&mut with_keys(keys));
        assert_eq!(code, Some(1), "{says}");
        let (_, secret) = keys.split_once(':').unwrap();
        assert!(says.contains("nothing was changed") && !says.contains(secret), "{says}");
    }
    let mut without = with_keys("");
    let (code, says) = refused(without.env_remove("SESSION_KEYS"));
    assert_eq!(code, Some(1), "{says}");
    assert!(says.contains("devices.keys"), "{says}");
    assert!(!directory.path().join("devices.keys").exists(), "a key that opens nothing was made");

    let copy = Copy::spawn(&mut with_keys(&format!("{},{RIGHT}", OTHERS[0])));
    assert_eq!(alice.session_id(&copy.address).await, id);
}

#[tokio::test]
async fn the_first_start_makes_a_key_and_the_next_ones_take_it() {
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

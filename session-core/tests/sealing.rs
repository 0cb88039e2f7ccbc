//! Tokens at rest: sealed for one place, with a key id, and never printed.
#![cfg(feature = "test-util")]
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use session_core::testing::sample::{self, Login};
use session_core::token::{
    KeyringError, SealContext, Sealed, SealedPart, SealedTokens, Unreadable,
};
use session_core::{Keyring, TokenSet};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn open(sealed: &SealedTokens, keyring: &Keyring, of: &Login) -> Result<TokenSet, Unreadable> {
    let session = &of.session;
    TokenSet::open(sealed, keyring, session.id, &session.user, &session.provider)
}

fn seal(login: &Login, keyring: &Keyring) -> SealedTokens {
    sample::sealed_by(keyring, &login.tokens, &login.session)
}

fn context(of: &Login, part: SealedPart) -> SealContext<'_> {
    let session = &of.session;
    SealContext { session: session.id, user: &session.user, provider: &session.provider, part }
}

#[test]
fn tokens_open_as_they_were_sealed() {
    let login = Login::of("ann", "okta");
    let keyring = sample::keyring_of(&["k1"]);
    let tokens = open(&seal(&login, &keyring), &keyring, &login).unwrap();
    let expected = &login.tokens;
    assert_eq!(tokens.access_token(), expected.access_token());
    assert_eq!(tokens.refresh_token(), expected.refresh_token());
    assert_eq!(tokens.id_token(), expected.id_token());
    assert_eq!(tokens.scope(), expected.scope());
    assert_eq!(tokens.received_at(), expected.received_at());
    assert_eq!(tokens.expires_at(), expected.expires_at());
    assert_eq!(tokens.field("tenant"), expected.field("tenant"));
}

#[test]
fn r8_sealed_bytes_contain_no_token() {
    let login = Login::of("ann", "okta");
    let sealed = seal(&login, sample::keyring());
    let tokens = &login.tokens;
    let known = [Some(tokens.access_token()), tokens.refresh_token(), tokens.id_token()];
    for part in [&sealed.tokens, sealed.refresh_token.as_ref().unwrap()] {
        for token in known.into_iter().flatten() {
            let found = part.as_bytes().windows(token.len()).any(|w| w == token.as_bytes());
            assert!(!found, "a token lies in clear");
        }
    }
    assert_ne!(sealed, seal(&login, sample::keyring()), "the same tokens seal differently");
}

#[test]
fn k1_a_value_opens_in_its_own_row_only() {
    let login = Login::of("ann", "okta");
    let keyring = sample::keyring();
    let sealed = seal(&login, keyring);
    let mut elsewhere = [login.clone(), login.clone(), login.clone()];
    elsewhere[0].session.id = Login::of("ann", "okta").id();
    elsewhere[1].session.user = sample::user("ben");
    elsewhere[2].session.provider = sample::provider("Okta");
    for other in &elsewhere {
        assert_eq!(open(&sealed, keyring, other).unwrap_err(), Unreadable::Tampered);
    }
    // Moving a character between two names changes both.
    let mut shifted = Login::of("annok", "ta");
    shifted.session.id = login.id();
    assert_eq!(open(&sealed, keyring, &shifted).unwrap_err(), Unreadable::Tampered);
    assert!(open(&sealed, keyring, &login).is_ok());
}

#[test]
fn k2_swapping_two_rows_makes_both_unreadable() {
    let [ann, ben] = [Login::of("ann", "okta"), Login::of("ben", "okta")];
    let keyring = sample::keyring();
    let (of_ann, of_ben) = (seal(&ann, keyring), seal(&ben, keyring));
    assert_eq!(open(&of_ann, keyring, &ben).unwrap_err(), Unreadable::Tampered);
    assert_eq!(open(&of_ben, keyring, &ann).unwrap_err(), Unreadable::Tampered);
    // Only the refresh tokens are swapped, also within one user.
    let again = seal(&Login::of("ann", "okta"), keyring);
    let mixed = SealedTokens { refresh_token: again.refresh_token, ..of_ann };
    assert_eq!(open(&mixed, keyring, &ann).unwrap_err(), Unreadable::Tampered);
}

#[test]
fn k2_two_values_of_one_row_cannot_be_swapped() {
    let login = Login::of("ann", "okta");
    let keyring = sample::keyring();
    let sealed = seal(&login, keyring);
    let refresh_token = sealed.refresh_token.clone().unwrap();
    let swapped =
        SealedTokens { tokens: refresh_token.clone(), refresh_token: Some(sealed.tokens) };
    assert_eq!(open(&swapped, keyring, &login).unwrap_err(), Unreadable::Tampered);
    let as_refresh = keyring.open(context(&login, SealedPart::RefreshToken), &refresh_token);
    assert!(as_refresh.is_ok());
    let as_tokens = keyring.open(context(&login, SealedPart::Tokens), &refresh_token);
    assert_eq!(as_tokens.unwrap_err(), Unreadable::Tampered);
}

#[test]
fn k2_a_value_opens_as_its_own_part_only() {
    use SealedPart::{Cursor, RefreshToken, SourceRow, Tokens};
    let login = Login::of("ann", "okta");
    let keyring = sample::keyring();
    let parts = [Tokens, RefreshToken, SourceRow, Cursor];
    for part in parts {
        let sealed = keyring.seal(context(&login, part), b"a value").unwrap();
        for other in parts {
            let opens = keyring.open(context(&login, other), &sealed).is_ok();
            assert_eq!(opens, part == other, "{part:?} as {other:?}");
        }
    }
}

#[test]
fn k1_every_changed_byte_is_found() {
    let login = Login::of("ann", "okta");
    let keyring = sample::keyring_of(&["k1", "k2"]);
    let sealed = seal(&login, &keyring);
    let bytes = sealed.refresh_token.as_ref().unwrap().as_bytes().to_vec();
    for place in 0..bytes.len() {
        for flip in [1_u8, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[place] ^= flip;
            let refresh_token = Some(Sealed::from_bytes(changed));
            let row = SealedTokens { refresh_token, ..sealed.clone() };
            assert!(open(&row, &keyring, &login).is_err(), "byte {place} flipped by {flip}");
        }
    }
    for length in 0..bytes.len() {
        let refresh_token = Some(Sealed::from_bytes(bytes[..length].to_vec()));
        let row = SealedTokens { refresh_token, ..sealed.clone() };
        assert!(open(&row, &keyring, &login).is_err(), "cut to {length} bytes");
    }
    let longer = Some(Sealed::from_bytes([bytes, vec![0]].concat()));
    let row = SealedTokens { refresh_token: longer, ..sealed };
    assert!(open(&row, &keyring, &login).is_err(), "one byte longer");
}

#[test]
fn f35_old_keys_open_and_only_the_first_seals() {
    let (old, new) =
        (Keyring::generate_entry("old").unwrap(), Keyring::generate_entry("new").unwrap());
    let before = Keyring::parse(&old).unwrap();
    let after = Keyring::parse(&format!("{}, {} ,", *new, *old)).unwrap();
    let login = Login::of("ann", "okta");
    let sealed = seal(&login, &before);
    assert_eq!(sealed.tokens.key_id(), Some("old"));
    assert!(open(&sealed, &after, &login).is_ok(), "the retired key opens");
    let anew = seal(&login, &after);
    assert_eq!(anew.tokens.key_id(), Some("new"));
    assert_eq!(anew.refresh_token.as_ref().and_then(Sealed::key_id), Some("new"));
    assert_eq!(open(&anew, &before, &login).unwrap_err(), Unreadable::UnknownKey);
    assert_eq!(after.key_ids().collect::<Vec<_>>(), ["new", "old"]);
}

#[test]
fn f35_another_key_of_the_same_id_does_not_open() {
    let login = Login::of("ann", "okta");
    let sealed = seal(&login, &sample::keyring_of(&["k1"]));
    let found = open(&sealed, &sample::keyring_of(&["k1"]), &login);
    assert_eq!(found.unwrap_err(), Unreadable::Tampered);
}

#[test]
fn k3_there_is_no_keyring_without_a_real_key() {
    let refused = |text: &str| Keyring::parse(text).unwrap_err();
    for empty in ["", " ", ",", " , ,"] {
        assert_eq!(refused(empty), KeyringError::Empty);
    }
    let weak = |id: &str| KeyringError::WeakKey { id: id.to_owned() };
    let zeros = "A".repeat(43);
    assert_eq!(refused(&format!("k1:{zeros}=")), weak("k1"));
    assert_eq!(refused(&format!("k1:{KEY},k2:{zeros}=")), weak("k2"), "retired ones too");
    let ones = format!("{}8=", "/".repeat(42));
    assert_eq!(refused(&format!("k1:{ones}")), weak("k1"));
    // Texts from manuals: 0123456789abcdef0123456789abcdef, and a password with spaces.
    for text in [
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZSBub3c=",
    ] {
        assert_eq!(refused(&format!("k1:{text}")), weak("k1"), "{text}");
    }
}

#[test]
fn k3_an_invalid_key_is_refused_with_its_id() {
    let refused = |text: &str| Keyring::parse(text).unwrap_err();
    let bad = |id: &str| KeyringError::BadKey { id: id.to_owned() };
    assert_eq!(refused("k1:t0p-s3cr3t"), bad("k1"));
    assert_eq!(refused("k1:"), bad("k1"));
    assert_eq!(refused("k1:MDEyMzQ1Njc4OWFiY2RlZg=="), bad("k1"), "16 bytes");
    assert_eq!(refused(&format!("k1:{KEY}{KEY}")), bad("k1"), "64 bytes");
    assert_eq!(refused(&format!("k1:{}", &KEY[..40])), bad("k1"), "30 bytes");
    assert_eq!(refused(KEY), KeyringError::NoKeyId);
    assert_eq!(refused(&format!(":{KEY}")), KeyringError::BadKeyId);
    assert_eq!(refused(&format!("k 1:{KEY}")), KeyringError::BadKeyId);
    assert_eq!(refused(&format!("{}:{KEY}", "k".repeat(65))), KeyringError::BadKeyId);
    let twice = KeyringError::DuplicateKeyId { id: "k1".to_owned() };
    assert_eq!(refused(&format!("k1:{KEY},k1:{KEY}")), twice);
    assert!(Keyring::parse(&format!("{}:{KEY}", "k".repeat(64))).is_ok());
}

#[test]
fn r8_no_key_is_in_any_debug_or_error() {
    let entry = Keyring::generate_entry("k1").unwrap();
    let keyring = Keyring::parse(&entry).unwrap();
    let key = entry.split_once(':').unwrap().1;
    assert_eq!(format!("{keyring:?}"), "Keyring([\"k1\"])");
    let broken = format!("k1:{}", &key[..key.len() - 4]);
    let error = Keyring::parse(&broken).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&key[..8]));
    let sealed = seal(&Login::of("ann", "okta"), &keyring);
    let shown = format!("{sealed:?}");
    assert!(shown.contains("bytes)") && shown.len() < 120, "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_open_or_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let login = Login::of("ann", "okta");
        let sealed = Sealed::from_bytes(bytes);
        let _ = sealed.key_id();
        let opened = sample::keyring().open(context(&login, SealedPart::Tokens), &sealed);
        prop_assert!(opened.is_err());
    }

    #[test]
    fn no_keyring_text_panics(text in "[a-z:=, A-Z0-9/+]{0,120}") {
        let _ = Keyring::parse(&text);
    }

    #[test]
    fn any_plain_text_is_opened_again(plain in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let login = Login::of("ann", "okta");
        let sealed = sample::keyring().seal(context(&login, SealedPart::Tokens), &plain).unwrap();
        let opened = sample::keyring().open(context(&login, SealedPart::Tokens), &sealed).unwrap();
        prop_assert_eq!(&*opened, &plain);
    }
}

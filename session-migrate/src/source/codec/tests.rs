//! The codecs against values that independent implementations wrote.
//!
//! Each was made once: Fernet with Python's `cryptography` 48, better-auth's with its own
//! `symmetricEncrypt` (1.7.25, on `@noble/ciphers`), Outline's and Laravel's with Node's `crypto`
//! (OpenSSL) by the projects' forms, Grafana's with Python's `cryptography` and `hashlib`.

use proptest::prelude::*;
use session_core::Timestamp;

use super::{
    BetterAuth, CodecError, DataKeys, Fernet, Grafana, KeyUse, Laravel, Opened, Outline, Plain,
    SourceKeys, TokenCodec,
};
use crate::sql::Cell;

const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn plain(opened: Result<Opened, CodecError>) -> (String, KeyUse) {
    let opened = opened.unwrap();
    (String::from_utf8(opened.plain().to_vec()).unwrap(), opened.key())
}

const FERNET: &str = "gAAAAABo53gAAAECAwQFBgcICQoLDA0OD1ViUjkj6VNNtYg-bINV5YWTct4FFM_HZMrjc3xn_Q_K8GxH6waV2eW3bQp_mSXSQipPWpSxZ7SIHYHw3KYxUbWZ9gF1OMbB9ccSAkFmUkiGZnvi1iB0BsRPxBZ_SHOT8vTvtYFx8pBcFLXu85wT2jk=";
const FERNET_PLAIN: &str =
    r#"{"access_token": "at-1", "refresh_token": "rt-1", "expires_at": 1760000000}"#;

#[test]
fn fernet_hashes_a_passphrase_and_takes_a_key_as_it_is() {
    for key in ["t0p-s3cr3t", "EDp1DbQrIWg0QwQWlrWQNCJRuls7Xj-BGjm8TsEL7TI="] {
        let codec = Fernet::new(&SourceKeys::new(key)).unwrap();
        let expected = (FERNET_PLAIN.to_owned(), KeyUse::Current);
        assert_eq!(plain(codec.open(&text(FERNET))), expected, "{key}");
    }
}

#[test]
fn fernet_counts_a_keys_characters_and_takes_the_standard_alphabet() {
    let codec = Fernet::new(&SourceKeys::new("geheïm")).unwrap();
    let stored = "gAAAAAAAAAABMDEyMzQ1Njc4OWFiY2RlZmBzll1hyYNU8oTAammOdTMprXOrazEuIqMt5VUMghs7QX9PbG7fpMCy_hKh-QBKtA==";
    assert_eq!(plain(codec.open(&text(stored))).0, "hello");
    // Its time is in the year 2100.
    let codec =
        Fernet::new(&SourceKeys::new("aGVsbG8+Pz8/+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/8=")).unwrap();
    let stored = "gAAAAAD0hlcAMDEyMzQ1Njc4OWFiY2RlZjXP82U4rVuSYGcPezIjxMhDmpNFlyqKhYn0Ay9RW5dQg-oTB3UVDpx7W3ryU4ezr5Q9cBmg0YnYMDptqByOkPw=";
    assert_eq!(plain(codec.open(&text(stored))).0, r#"{"access_token": "at-std"}"#);
}

#[test]
fn fernet_tells_which_key_opened_and_why_none_did() {
    let keys = SourceKeys::new("new").with_old("older").with_old("t0p-s3cr3t");
    let codec = Fernet::new(&keys).unwrap();
    assert_eq!(plain(codec.open(&text(FERNET))).1, KeyUse::Old(1));
    let wrong = Fernet::new(&SourceKeys::new("wrong")).unwrap();
    assert_eq!(wrong.open(&text(FERNET)).unwrap_err(), CodecError::WrongKey);
    let none = Fernet::new(&SourceKeys::none()).unwrap();
    assert_eq!(none.open(&text(FERNET)).unwrap_err(), CodecError::NoKey);
    for malformed in ["", "gAAAA", "not base64!", &FERNET[..100], "{\"access_token\": \"x\"}"] {
        assert_eq!(codec.open(&text(malformed)).unwrap_err(), CodecError::Malformed);
    }
}

#[test]
fn a_key_that_cannot_be_one_is_refused_and_not_repeated() {
    let key = "!!!!-hunter2-hunter2-hunter2-hunter2-hunter2";
    assert_eq!(key.len(), 44);
    let errors = [
        Fernet::new(&SourceKeys::new(key)).unwrap_err(),
        Outline::new(&SourceKeys::new("hunter2")).unwrap_err(),
        Laravel::new(&SourceKeys::new("base64:aHVudGVyMg==")).unwrap_err(),
    ];
    for error in errors {
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hunter2") && !said.contains("aHVu"), "{said}");
    }
}

const BETTER_AUTH: &str = "better-auth-secret-for-tests-0123456789";
const BETTER_AUTH_BARE: &str = "4a33087d3d07edcb01cfc71e712c4f1073cb9c49d7ca807de9e508519fd0018ca11ac51b4a7e803a2234b744b9445170ac83a14824e724d985";
const BETTER_AUTH_VERSION: &str = "$ba$2$a0be953b59b7ed4dc7892284020b79a8893e5f5fd74b768a8fa8a9227fa7db4a7a7ab8d296bcf626d9d7d632e974747da18516f6ae14e465";

#[test]
fn better_auth_opens_both_forms_and_lets_plain_ones_pass() {
    let codec = BetterAuth::new(&SourceKeys::new("next").with_old(BETTER_AUTH));
    let old = KeyUse::Old(0);
    let bare = plain(codec.open(&text(BETTER_AUTH_BARE)));
    assert_eq!(bare, ("ya29.access-token".to_owned(), old));
    let upper = plain(codec.open(&text(&BETTER_AUTH_BARE.to_uppercase())));
    assert_eq!(upper.0, "ya29.access-token");
    let version = plain(codec.open(&text(BETTER_AUTH_VERSION)));
    assert_eq!(version, ("1//refresh-token".to_owned(), old));
    // A token of GitHub's old form is hexadecimal of even length, and too short for a ciphertext.
    for token in ["ya29.plain", "0123456789abcdef0123456789abcdef01234567", "gho_x"] {
        assert_eq!(plain(codec.open(&text(token))), (token.to_owned(), KeyUse::None));
    }
    let none = BetterAuth::new(&SourceKeys::none());
    assert_eq!(none.open(&text(BETTER_AUTH_BARE)).unwrap_err(), CodecError::NoKey);
    let wrong = BetterAuth::new(&SourceKeys::new("wrong"));
    assert_eq!(wrong.open(&text(BETTER_AUTH_VERSION)).unwrap_err(), CodecError::WrongKey);
    for broken in ["$ba$x$00", "$ba$2", "$ba$2$zz"] {
        assert_eq!(codec.open(&text(broken)).unwrap_err(), CodecError::Malformed, "{broken}");
    }
}

#[test]
fn better_auth_seals_in_the_form_that_stood_there() {
    let codec = BetterAuth::new(&SourceKeys::new("next").with_old(BETTER_AUTH));
    assert_eq!(codec.seal(b"new", &text("ya29.plain"), NOW).unwrap(), text("new"));
    let sealed = codec.seal(b"new", &text(BETTER_AUTH_VERSION), NOW).unwrap();
    assert!(sealed.as_text().unwrap().starts_with("$ba$2$"));
    // A version stays with its key.
    assert_eq!(plain(codec.open(&sealed)), ("new".to_owned(), KeyUse::Old(0)));
}

const OUTLINE: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

fn bytes(hex: &str) -> Cell {
    Cell::Bytes(super::crypto::from_hex(hex.as_bytes()).unwrap().to_vec())
}

#[test]
fn outline_opens_json_strings_in_bytes() {
    let codec = Outline::new(&SourceKeys::new(OUTLINE)).unwrap();
    let cases = [
        (
            "2638d88c5c7bfa199204e71663a4c97ef0b5be1eead08986b165f5ab99179352dc18e917cf30493f7476f88b7dc863fc",
            "xoxp-outline-access",
        ),
        (
            "7c0c6ade70bf12284ff01978c5f1e3a66d4b799294cb5895c0c11b8a801dd2f4178527f67ef47e33e857a68f7f4f998a",
            "quote\"d ü token",
        ),
    ];
    for (hex, token) in cases {
        assert_eq!(plain(codec.open(&bytes(hex))), (token.to_owned(), KeyUse::Current));
        let wrong = Outline::new(&SourceKeys::new(OUTLINE.replace('0', "1"))).unwrap();
        assert_eq!(wrong.open(&bytes(hex)).unwrap_err(), CodecError::WrongKey);
    }
    assert_eq!(codec.open(&bytes("2638d88c")).unwrap_err(), CodecError::Malformed);
}

const LARAVEL: &str = "base64:w0z6aiWNTmhx98P5oQurzaKsqz/12sl3r85ZBgpXYAs=";
const LARAVEL_CAST: &str = "eyJpdiI6IjRtQkpPUndYUDIyQWphV2xhQUk2NHc9PSIsInZhbHVlIjoicjU5bzZJSHVMNjNhcnhUcUtuZWZmVTRGZTkrVXhsQ3hqaEl2ejY1Tnc0Yz0iLCJtYWMiOiJkMDJmMjY4ZGMxODRkZDRhOGRjNGVjODE2M2U0OTJkNmViZTViMWEyYTQ0YjI3MWI0NWEzZWIwMWRhOTVhNjJlIiwidGFnIjoiIn0=";
const LARAVEL_SERIALIZED: &str = "eyJpdiI6IkJnb3Y2NlwvZU8wKzlnMVkyRklTNXZBPT0iLCJ2YWx1ZSI6IlJwVFRBUVkwaERaSnI5XC8zTkhrOUx2cWYwdTlLS200OGQ5NXZtRUdyM1NVPSIsIm1hYyI6ImIyZjhlMjhiNGRmNzczYjk4NWRlNjZhY2IzMmI3OWNhOGY3MTQ5ZGE2MjVjOTE2N2UzMGMyYzJiNTNjMDhhZmEiLCJ0YWciOiIifQ==";

#[test]
fn laravel_opens_both_forms_and_checks_the_mac() {
    let codec = Laravel::new(&SourceKeys::new(LARAVEL)).unwrap();
    let opened = |stored| plain(codec.open(&text(stored)));
    assert_eq!(opened(LARAVEL_CAST), ("gho_laravel_access".to_owned(), KeyUse::Current));
    assert_eq!(opened(LARAVEL_SERIALIZED), ("gho_laravel_ser".to_owned(), KeyUse::Current));
    assert_eq!(opened("gho_plain"), ("gho_plain".to_owned(), KeyUse::None));
    let json = super::crypto::from_base64(LARAVEL_CAST.as_bytes()).unwrap();
    let json = String::from_utf8(json.to_vec()).unwrap();
    let tampered = super::crypto::to_base64(json.replace("\"r59o", "\"s59o").as_bytes());
    assert_eq!(codec.open(&text(&tampered)).unwrap_err(), CodecError::WrongKey);
    let none = Laravel::new(&SourceKeys::none()).unwrap();
    assert_eq!(none.open(&text(LARAVEL_CAST)).unwrap_err(), CodecError::NoKey);
}

#[test]
fn laravel_seals_in_the_form_that_stood_there() {
    let codec = Laravel::new(&SourceKeys::new(LARAVEL)).unwrap();
    for like in [LARAVEL_CAST, LARAVEL_SERIALIZED] {
        let sealed = codec.seal(b"new", &text(like), NOW).unwrap();
        assert_eq!(plain(codec.open(&sealed)), ("new".to_owned(), KeyUse::Current));
    }
    assert_eq!(codec.seal(b"new", &text("gho_plain"), NOW).unwrap(), text("new"));
    // Serialised stays serialised, which shows in the length of the ciphertext.
    let long = |like| codec.seal(&[b'x'; 14], &text(like), NOW).unwrap().as_text().unwrap().len();
    assert!(long(LARAVEL_SERIALIZED) > long(LARAVEL_CAST));
}

const GRAFANA_SECRET: &str = "SW2YcwTIb9zpOOhoPsMm";
const GRAFANA_DATA_KEY: &str = "2a5957567a4c574e6d59672a73616c7453414c54000102030405060708090a0b0c0d0e0fff475abe070ae1debe361bee7b2a3f95";
const GRAFANA_ENVELOPE: &str = "I1pHVnJMVEUjKllXVnpMV05tWWcqYWJjZGVmZ2gBAgMEBQYHCAkKCwwNDg8QxtlzUU+mE+1BTcMlrtI1uJEYwDjzxPeZcQ==";
const GRAFANA_LEGACY: &str = "aGdmZWRjYmECAwQFBgcICQoLDA0ODxARFI54T6J+2Cop9SsqQniX62rj/842KjQGrw==";

#[test]
fn grafana_opens_by_data_keys_and_by_the_secret_itself() {
    let data_keys = DataKeys::none().with("dek-1", bytes(GRAFANA_DATA_KEY).as_bytes().unwrap());
    let keys = SourceKeys::new("wrong").with_old(GRAFANA_SECRET);
    let codec = Grafana::new(&keys, &data_keys);
    for stored in [GRAFANA_ENVELOPE, GRAFANA_LEGACY] {
        let expected = ("ya29.grafana-access-token".to_owned(), KeyUse::Old(0));
        assert_eq!(plain(codec.open(&text(stored))), expected);
        let sealed = codec.seal(b"renewed", &text(stored), NOW).unwrap();
        assert_eq!(plain(codec.open(&sealed)).0, "renewed");
    }
    let unknown = Grafana::new(&keys, &DataKeys::none());
    assert_eq!(unknown.open(&text(GRAFANA_ENVELOPE)).unwrap_err(), CodecError::WrongKey);
    assert_eq!(codec.open(&text("eA==")).unwrap_err(), CodecError::Malformed);
}

#[test]
fn debug_prints_no_key_and_no_plaintext() {
    let key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let keys = SourceKeys::new(key);
    let opened = Plain.open(&text("hunter2")).unwrap();
    let said = format!(
        "{keys:?} {opened:?} {:?} {:?} {:?} {:?}",
        Fernet::new(&keys).unwrap(),
        BetterAuth::new(&keys),
        Outline::new(&keys).unwrap(),
        Grafana::new(&keys, &DataKeys::none()),
    );
    assert!(!said.contains("hunter2") && !said.contains("0123"), "{said}");
}

fn codecs() -> Vec<Box<dyn TokenCodec>> {
    vec![
        Box::new(Plain),
        Box::new(Fernet::new(&SourceKeys::new("a passphrase")).unwrap()),
        Box::new(BetterAuth::new(&SourceKeys::new(BETTER_AUTH))),
        Box::new(Outline::new(&SourceKeys::new(OUTLINE)).unwrap()),
        Box::new(Laravel::new(&SourceKeys::new(LARAVEL)).unwrap()),
    ]
}

/// A value of the codec's encrypted form, for it to seal alike.
fn likes() -> [Cell; 5] {
    [text("x"), text(FERNET), text(BETTER_AUTH_BARE), bytes("00"), text(LARAVEL_CAST)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens_to_the_same(token in "[ -~]{1,80}|\\PC{1,20}") {
        for (codec, like) in codecs().iter().zip(likes()) {
            let sealed = codec.seal(token.as_bytes(), &like, NOW).unwrap();
            let opened = codec.open(&sealed).unwrap();
            prop_assert_eq!(opened.plain(), token.as_bytes(), "{:?}", codec);
        }
    }

    #[test]
    fn a_changed_byte_never_opens_to_another_token(at in 0_usize..1000, bit in 0_u8..8) {
        let codecs = codecs();
        // Outline's form has no MAC.
        for place in [1, 2, 4] {
            let sealed = codecs[place].seal(b"the token", &likes()[place], NOW).unwrap();
            let mut changed = sealed.as_bytes().unwrap().to_vec();
            let at = at % changed.len();
            changed[at] ^= 1 << bit;
            let opened = codecs[place].open(&Cell::from_text_bytes(changed));
            // What loses its form altogether passes for plain where plain values may stand.
            let is_same = opened.as_ref().is_ok_and(|it| it.plain() == b"the token");
            let is_plain = opened.as_ref().is_ok_and(|it| it.key() == KeyUse::None);
            prop_assert!(opened.is_err() || is_same || is_plain);
        }
    }

    #[test]
    fn no_stored_value_makes_a_codec_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for codec in codecs() {
            let _ = codec.open(&Cell::Bytes(bytes.clone()));
            let _ = codec.open(&Cell::from_text_bytes(bytes.clone()));
        }
    }
}

//! Secrets, ids, names, device labels and reasons.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use proptest::prelude::*;
use session_core::event::{EventKind, RenewalFailure};
use session_core::session::{
    DeviceLabel, Origin, ProviderIdentity, SecretDigest, SessionSecret, Subject,
};
use session_core::store::Partition;
use session_core::{EndReason, ProviderName, SessionId, Timestamp, UserId};

#[test]
fn a_time_is_shown_as_rfc_3339_and_converts_to_the_standard_type() {
    let shown = |millis| Timestamp::from_millis(millis).to_string();
    assert_eq!(shown(1_767_225_600_123), "2026-01-01T00:00:00.123Z");
    assert_eq!(shown(-1), "1969-12-31T23:59:59.999Z");
    assert_eq!(shown(951_782_400_000), "2000-02-29T00:00:00.000Z");
    for beyond in [i64::MIN, i64::MAX] {
        assert!(shown(beyond).ends_with('Z'), "no time panics");
    }
    let moment = std::time::SystemTime::from(Timestamp::from_millis(1_500));
    let since = moment.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_millis(), 1_500);
}

#[test]
fn s1_a_secret_has_256_random_bits_in_43_characters() {
    let secrets: Vec<SessionSecret> =
        (0..1_000).map(|_| SessionSecret::generate().unwrap()).collect();
    let distinct: HashSet<&str> = secrets.iter().map(SessionSecret::expose).collect();
    assert_eq!(distinct.len(), secrets.len());
    for secret in &secrets {
        // 42 characters of 6 bits, and one of the 4 bits that are left of 256.
        assert_eq!(secret.expose().len(), 43);
        assert!(secret.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    }
    // Every position takes many values: none is fixed.
    for place in 0..43 {
        let seen: HashSet<u8> = secrets.iter().map(|s| s.expose().as_bytes()[place]).collect();
        assert!(seen.len() >= 16, "place {place} takes {} values", seen.len());
    }
}

#[test]
fn s5_a_value_of_another_form_has_no_digest() {
    let secret = SessionSecret::generate().unwrap();
    let good = secret.expose();
    assert_eq!(SessionSecret::digest_of(good), Some(secret.digest()));
    let malformed = [
        String::new(),
        good[..42].to_owned(),
        format!("{good}A"),
        format!("{good}="),
        format!(" {}", &good[1..]),
        format!("{}\n", &good[1..]),
        format!("{}+", &good[1..]),
        format!("{}/", &good[1..]),
        format!("{}\0", &good[1..]),
        format!("{}%", &good[1..]),
        // 43 bytes with characters outside of the alphabet.
        format!("{}é", &good[2..]),
        "A".repeat(4_096),
        "A".repeat(10_000_000),
    ];
    for value in malformed {
        assert_eq!(SessionSecret::digest_of(&value), None, "{} bytes", value.len());
    }
}

proptest! {
    #[test]
    fn s5_no_value_panics_and_only_the_form_decides(value in ".{0,60}") {
        let is_form = value.len() == 43
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        prop_assert_eq!(SessionSecret::digest_of(&value).is_some(), is_form);
    }

    #[test]
    fn s5_a_value_of_the_form_has_the_digest_of_its_text(value in "[A-Za-z0-9_-]{43}") {
        prop_assert_eq!(SessionSecret::digest_of(&value), Some(SecretDigest::of(&value)));
    }

    #[test]
    fn s7_the_digest_is_not_the_secret_and_is_rebuilt_from_bytes(value in "[A-Za-z0-9_-]{43}") {
        let digest = SecretDigest::of(&value);
        prop_assert!(!value.as_bytes().starts_with(digest.as_bytes()));
        prop_assert_eq!(SecretDigest::from_bytes(*digest.as_bytes()), digest);
    }

    #[test]
    fn names_are_kept_byte_for_byte_or_refused(text in ".{0,300}") {
        let fits = !text.is_empty() && text.len() <= 255 && !text.chars().any(char::is_control);
        prop_assert_eq!(UserId::new(&text).is_ok(), fits);
        prop_assert_eq!(ProviderName::new(&text).is_ok(), fits);
        prop_assert_eq!(Subject::new(&text).is_ok(), fits);
        if let Ok(user) = UserId::new(&text) {
            prop_assert_eq!(user.as_str(), text);
        }
    }

    #[test]
    fn partitions_differ_if_their_parts_differ(
        one in ("[a-c]{1,3}", "[a-c]{1,3}", prop::option::of("[a-c]{1,3}")),
        other in ("[a-c]{1,3}", "[a-c]{1,3}", prop::option::of("[a-c]{1,3}")),
    ) {
        let partition = |(user, provider, subject): &(String, String, Option<String>)| {
            let user = UserId::new(user).unwrap();
            let provider = ProviderName::new(provider).unwrap();
            let subject = subject.as_ref().map(|subject| Subject::new(subject).unwrap());
            Partition::of(&user, &provider, subject.as_ref())
        };
        prop_assert_eq!(partition(&one) == partition(&other), one == other);
    }

    #[test]
    fn a_cap_counts_by_the_subject_else_by_the_account(
        subject in prop::option::of(".{1,20}"), account in prop::option::of(".{0,20}"),
    ) {
        let subject = subject.and_then(|subject| Subject::new(subject).ok());
        let identity =
            ProviderIdentity { subject: subject.clone(), account: account.clone(), ..Default::default() };
        let of_account = || account.and_then(|account| Subject::new(account).ok());
        prop_assert_eq!(identity.cap_subject(), subject.or_else(of_account));
    }

    #[test]
    fn derived_ids_differ_if_their_parts_differ(
        one in prop::collection::vec("[ab]{0,3}", 0..4),
        other in prop::collection::vec("[ab]{0,3}", 0..4),
    ) {
        let derived = |parts: &[String]| {
            let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
            SessionId::derived(&parts)
        };
        prop_assert_eq!(derived(&one) == derived(&other), one == other);
        let uuid = derived(&one).as_uuid();
        prop_assert_eq!(uuid.get_version_num(), 8);
        prop_assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn a_session_id_reads_back_and_no_clock_value_panics(millis in any::<i64>()) {
        let id = SessionId::generate(Timestamp::from_millis(millis));
        prop_assert_eq!(id.to_string().parse::<SessionId>().unwrap(), id);
        prop_assert_ne!(id, SessionId::generate(Timestamp::from_millis(millis)));
    }

    #[test]
    fn a_device_label_is_short_and_has_no_control_characters(text in any::<String>()) {
        for label in [DeviceLabel::new(&text), DeviceLabel::from_user_agent(&text)] {
            prop_assert!(label.as_str().chars().count() <= 120);
            prop_assert!(!label.as_str().chars().any(char::is_control));
        }
    }
}

#[test]
fn session_ids_of_later_logins_sort_later() {
    let moments = [0, 1, 1_767_225_600_000, 1_767_225_600_001, 4_000_000_000_000];
    let ids: Vec<SessionId> = moments.map(Timestamp::from_millis).map(SessionId::generate).to_vec();
    assert!(ids.is_sorted());
}

#[test]
fn a_derived_id_is_the_same_in_every_version_of_this_crate() {
    // Computed independently of this code: a repeated migration must find its own rows.
    let known = [
        (&[b"openwebui".as_slice(), b"row 1"] as &[&[u8]], "098e969a-f958-877a-89f4-75ff24481a1c"),
        (&[], "d61c798b-2c32-8837-b14c-ab404d847d94"),
    ];
    for (parts, id) in known {
        assert_eq!(SessionId::derived(parts).to_string(), id);
    }
}

#[test]
fn s7_debug_shows_neither_secret_nor_digest() {
    let secret = SessionSecret::generate().unwrap();
    let hex: String = secret.digest().as_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let shown = format!("{secret:?} {:?} {:#?}", secret.digest(), Some(secret.digest()));
    assert!(!shown.contains(secret.expose()));
    assert!(!shown.to_lowercase().contains(&hex[..8]));
    assert!(!shown.contains(&format!("{:?}", &secret.digest().as_bytes()[..4])));
}

#[test]
fn an_invalid_name_is_not_repeated_in_its_error() {
    let error = UserId::new("token\u{7}secret").unwrap_err();
    assert_eq!(error.to_string(), "invalid user id");
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn a1_reasons_origins_and_events_read_back() {
    for reason in EndReason::ALL {
        assert_eq!(EndReason::parse(reason.as_str()), Some(reason));
    }
    assert_eq!(EndReason::parse("Evicted"), None);
    assert_eq!(EndReason::parse(""), None);
    for origin in [Origin::Connection, Origin::Imported, Origin::Login] {
        assert_eq!(Origin::parse(origin.as_str()), Some(origin));
    }
    let failures = [
        RenewalFailure::Misconfigured,
        RenewalFailure::Refused,
        RenewalFailure::Throttled,
        RenewalFailure::Unavailable,
    ];
    let kinds = [EventKind::Created, EventKind::Renewed]
        .into_iter()
        .chain(EndReason::ALL.map(EventKind::Ended))
        .chain(failures.map(EventKind::RenewalFailed));
    let mut seen = HashSet::new();
    for kind in kinds {
        let (name, detail) = kind.as_strs();
        assert_eq!(EventKind::parse(name, detail), Some(kind));
        assert!(seen.insert((name, detail)), "{kind:?} has a name of its own");
    }
    assert_eq!(EventKind::parse("ended", None), None);
    assert_eq!(EventKind::parse("created", Some("evicted")), None);
}

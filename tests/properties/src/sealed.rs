//! Sealed values: only what was sealed for a place opens there, and only unchanged.

use arbitrary::{Arbitrary, Unstructured};
use session_core::testing::sample;
use session_core::token::{Keyring, SealContext, Sealed, SealedPart};
use session_core::{ProviderName, SessionId, UserId};

/// A value to seal, and what is done to it.
#[derive(Debug, Arbitrary)]
struct Trial<'a> {
    /// Which bit is flipped, counted around.
    bit: u32,
    /// How many bytes are cut off at the end, counted around.
    cut: u16,
    /// The session that it is opened for, beside the one that it was sealed for.
    other: u8,
    /// Bytes that follow.
    more: u8,
    plain: &'a [u8],
}

const PARTS: [SealedPart; 3] =
    [SealedPart::Tokens, SealedPart::RefreshToken, SealedPart::BrowserRecord];

struct Place {
    session: SessionId,
    user: UserId,
    provider: ProviderName,
}

thread_local! {
    static PLACE: Place = Place {
        session: SessionId::derived(&[b"properties"]),
        user: sample::user("ann"),
        provider: sample::provider("okta"),
    };
    static RETIRED: Keyring = sample::keyring_of(&["elsewhere"]);
}

/// Checks bytes as a sealed value, and as a value that is sealed and then changed.
pub(crate) fn check(input: &[u8]) {
    PLACE.with(|place| {
        let place = place.at(SealedPart::Tokens);
        check_forged(place, input);
        if let Ok(trial) = Trial::arbitrary_take_rest(Unstructured::new(input)) {
            check_sealed(place, &trial);
        }
    });
}

impl Place {
    const fn at(&self, part: SealedPart) -> SealContext<'_> {
        let Self { session, user, provider } = self;
        SealContext { session: *session, user, provider, part }
    }
}

/// No bytes open that were not sealed, also behind the right version and key id.
fn check_forged(place: SealContext<'_>, input: &[u8]) {
    let keyring = sample::keyring();
    assert!(keyring.open(place, &Sealed::from_bytes(input.to_vec())).is_err());
    let id = keyring.sealing_key_id().as_bytes();
    let length = u8::try_from(id.len()).unwrap();
    let framed = [&[1, length], id, input].concat();
    let framed = Sealed::from_bytes(framed);
    assert!(keyring.open(place, &framed).is_err());
    assert!(framed.key_id().is_none_or(|id| id == keyring.sealing_key_id()));
}

fn check_sealed(place: SealContext<'_>, trial: &Trial<'_>) {
    let keyring = sample::keyring();
    let sealed = keyring.seal(place, trial.plain).unwrap();
    assert_eq!(*keyring.open(place, &sealed).unwrap(), trial.plain);
    assert_eq!(sealed.key_id(), Some(keyring.sealing_key_id()));

    let bytes = sealed.as_bytes();
    let opens = |bytes: Vec<u8>| keyring.open(place, &Sealed::from_bytes(bytes)).is_ok();
    let bit = usize::try_from(trial.bit).unwrap() % (bytes.len() * 8);
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    assert!(!opens(flipped), "bit {bit} was flipped");
    let cut = 1 + usize::from(trial.cut) % bytes.len();
    assert!(!opens(bytes[..bytes.len() - cut].to_vec()), "{cut} bytes were cut off");
    assert!(!opens([bytes, &[trial.more]].concat()), "a byte was added");

    let other = SessionId::derived(&[b"another", &[trial.other]]);
    let elsewhere = [
        SealContext { session: other, ..place },
        SealContext { part: PARTS[1 + usize::from(trial.other) % 2], ..place },
    ];
    for elsewhere in elsewhere {
        assert!(keyring.open(elsewhere, &sealed).is_err(), "it opens in another place");
    }
    RETIRED.with(|other| assert!(other.open(place, &sealed).is_err(), "another key opens it"));
}

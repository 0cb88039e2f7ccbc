//! What the pages of the sign-in say, which an application may say in another language.

use session_core::EndReason;

use crate::devices::DevicesText;

/// The texts of the pages that a sign-in shows: English ones by default. None is HTML; all are
/// escaped.
///
/// ```
/// use session_core::EndReason;
/// use session_tower::sign_in::SignInText;
///
/// let mut text = SignInText::default();
/// assert!((text.ended)(EndReason::Evicted).contains("another device"));
/// text.sign_in_again = "Wieder anmelden".to_owned();
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignInText {
    /// The heading of the page that says why a browser was signed out.
    pub signed_out: String,
    /// Says why a session ended, to the browser whose session it was.
    pub ended: fn(EndReason) -> String,
    /// The link to the sign-in.
    pub sign_in_again: String,
    /// The heading of the choice where a user has the maximum number of devices.
    pub too_many_devices: String,
    /// Says what the choice is for.
    pub choose_device: String,
    /// The language of the pages, and what the list of devices says.
    pub devices: DevicesText,
}

impl Default for SignInText {
    fn default() -> Self {
        Self {
            signed_out: "Signed out".to_owned(),
            ended,
            sign_in_again: "Sign in again".to_owned(),
            too_many_devices: "Too many devices".to_owned(),
            choose_device: "You are signed in on as many devices as you may. Sign one of them out \
                            to sign in here."
                .to_owned(),
            devices: DevicesText::default(),
        }
    }
}

fn ended(reason: EndReason) -> String {
    match reason {
        EndReason::Absolute => "You were signed out because you signed in a long time ago.",
        EndReason::Evicted => {
            "You were signed out here because you signed in on another device and reached the \
             maximum number of devices."
        }
        EndReason::Idle => "You were signed out because this device was not used for a long time.",
        EndReason::ProviderLogout => {
            "You were signed out because you signed out at the identity provider."
        }
        EndReason::RenewalRefused => {
            "You were signed out because the identity provider did not renew your sign-in."
        }
        EndReason::Replaced => "This connection was replaced by a newer one.",
        EndReason::RevokedByAdmin => "You were signed out by an administrator.",
        EndReason::RevokedByUser => "You were signed out here from another of your devices.",
        EndReason::SignedOut => "You have signed out.",
        EndReason::Superseded => "You signed in again in this browser.",
        _ => "You were signed out.",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_reason_has_its_own_text() {
        let words: HashSet<_> = EndReason::ALL.map(ended).into();
        assert_eq!(words.len(), EndReason::ALL.len());
        assert!(!words.contains("You were signed out."));
    }
}

//! The choice of a user who has the maximum number of devices where the policy refuses one more: the
//! one to sign out (F21).

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use session_core::manager::{ListedSession, ManagerError};
use session_core::session::{Origin, SessionSecret};
use session_core::{SessionId, Timestamp, UserId};

use super::failure::{SignInFailure, SignInFailureKind};
use super::flow::{BeginOptions, OpenIdSignIn};
use super::full_cap::Choice;
use super::pending_cookies::PendingRecord as _;
use crate::answer::{redirect, status, with_cookies};
use crate::devices::{Button, device_item, device_label, is_gone};
use crate::html::{self, escaped};
use crate::same_site::is_of_this_site;

/// How long a user may take to choose after the authentication: as long as for a sign-in.
const LIFETIME: Duration = Duration::from_secs(600);

/// What a user has chosen.
struct Chosen {
    choice: Choice,
    user: UserId,
    device: SessionId,
    /// Removes the cookie.
    removal: HeaderValue,
}

/// Returns whether this form is a choice, and not the answer of a provider.
pub(super) fn is_choice(form: &[u8]) -> bool {
    form_urlencoded::parse(form).any(|(name, _)| name == "choice")
}

impl OpenIdSignIn {
    /// Returns a page on which the user chooses the device to sign out, if this is the failure of a
    /// sign-in that the policy refused because the user has the maximum number of devices
    /// ([`OnFull::Reject`](session_core::policy::OnFull::Reject)). The choice is posted to the
    /// [callback](Self::callback), which goes on with the sign-in.
    ///
    /// The callback answers browsers with it. A route of one's own calls it after
    /// [`complete`](Self::complete), and leaves `POST` at that path to the callback.
    ///
    /// # Security
    ///
    /// The user has just authenticated at the provider, and sees what every device of theirs does. The
    /// choice is sealed, bound to this browser and user, leaves the browser when it is made, and ends within ten
    /// minutes. Only what fills the cap can be chosen.
    pub async fn choose_device(
        &self,
        failure: &SignInFailure,
        headers: &HeaderMap,
    ) -> Option<Response<Bytes>> {
        let full = failure.full_cap()?;
        let listed = self.flow.manager.list(&full.user, None).await.ok()?;
        let secret = SessionSecret::generate().ok()?.expose().to_owned();
        let now = self.flow.manager.now();
        let choice = Choice::new(full, secret, now);
        let devices: Vec<_> =
            listed.into_iter().filter(|listed| choice.offers(&listed.session)).collect();
        let cookies = self.flow.choices.keep(&choice, headers)?;
        let page = self.page_of_choice(&devices, &choice.choice, now);
        (!devices.is_empty()).then(|| with_cookies(page, cookies))
    }

    fn page_of_choice(
        &self,
        devices: &[ListedSession],
        choice: &str,
        now: Timestamp,
    ) -> Response<Bytes> {
        let text = &self.flow.text;
        let fields = format!("<input type=\"hidden\" name=\"choice\" value=\"{choice}\">");
        let item = |listed: &ListedSession| {
            let session = &listed.session;
            let says = match session.origin {
                Origin::Connection => text.devices.disconnect.as_str(),
                _ => text.devices.sign_out.as_str(),
            };
            let (id, label) = (session.id.to_string(), device_label(&text.devices, session, now));
            let path = &self.flow.callback_path;
            let button = Button { path, end: &id, says, label: &label, fields: &fields };
            device_item(&text.devices, session, now, "", &button)
        };
        let items: String = devices.iter().map(item).collect();
        let explained = escaped(&text.choose_device);
        let html = format!("<p role=\"alert\">{explained}</p><ul class=\"devices\">{items}</ul>");
        html::page(StatusCode::CONFLICT, &text.devices.language, &text.too_many_devices, &html)
    }

    /// Ends the device that the form names, and goes on with the sign-in.
    pub(super) async fn answer_choice(&self, form: &[u8], head: &Parts) -> Response<Bytes> {
        let headers = &head.headers;
        if !is_of_this_site(headers) {
            return status(StatusCode::FORBIDDEN);
        }
        let known = match self.flow.known_user(headers, &head.extensions) {
            Ok(known) => known,
            Err(failure) => return self.failed(&failure, headers),
        };
        let chosen = self.chosen(form, headers);
        let chosen = chosen.filter(|it| known.as_ref().is_none_or(|known| *known == it.user));
        let Some(Chosen { choice, user, device, removal }) = chosen else {
            return self.failed(&SignInFailure::new(SignInFailureKind::Unknown), headers);
        };
        match self.end_offered(&choice, &user, device).await {
            Ok(()) => tracing::info!(session = %device, "a user made room for a sign-in"),
            // It has ended meanwhile: the sign-in finds whether there is room.
            Err(error) if is_gone(error.kind()) => {}
            // The cookie stays, so that the same button can be pressed again.
            Err(error) => return self.failed(&error.into(), headers),
        }
        let response = self.begin_again(&choice, head).await;
        with_cookies(response, [removal])
    }

    /// Ends what fills the cap, and nothing else.
    async fn end_offered(
        &self,
        choice: &Choice,
        user: &UserId,
        device: SessionId,
    ) -> Result<(), ManagerError> {
        let listed = self.flow.manager.list(user, None).await?;
        match listed.iter().any(|it| it.session.id == device && choice.offers(&it.session)) {
            true => self.flow.manager.end_one(user, device).await,
            false => Ok(()),
        }
    }

    /// Begins the sign-in that the cap refused once more: the provider knows the user by now.
    async fn begin_again(&self, choice: &Choice, head: &Parts) -> Response<Bytes> {
        let options = BeginOptions::from_query(&choice.query);
        match self.begin(options, &head.headers, &head.extensions).await {
            Ok(begun) => with_cookies(redirect(&begun.location), begun.cookies),
            Err(failure) => self.failed(&failure, &head.headers),
        }
    }

    fn chosen(&self, form: &[u8], headers: &HeaderMap) -> Option<Chosen> {
        let field = |wanted: &str| {
            form_urlencoded::parse(form).find(|(name, _)| name == wanted).map(|(_, value)| value)
        };
        let state = field("choice")?;
        let (choice, removal) = self.flow.choices.take(&state, headers)?;
        let age = self.flow.manager.now().since(Timestamp::from_millis(choice.started_at()));
        let is_made = choice.choice == *state && age <= LIFETIME;
        is_made.then_some(())?;
        let (user, device) = (UserId::new(&choice.user).ok()?, field("end")?.parse().ok()?);
        Some(Chosen { choice, user, device, removal })
    }
}

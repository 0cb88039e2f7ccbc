//! A ready-made page of the user's devices (feature `devices`).
//!
//! [`DevicesPage`] is a service for one route inside of the [`SessionLayer`](crate::SessionLayer). It
//! lists the sessions of the user, marks the one of this browser, and ends one of them or all others,
//! by plain forms, and without anything from another address. Connections to tool servers are listed
//! apart, and ended one by one. Where scripts run, the list stays current by itself ([`LIVE_SCRIPT`]).
//!
//! ```no_run
//! use session_core::SessionManager;
//! use session_tower::devices::{DevicesPage, DevicesText};
//! use session_tower::{RedirectToLogin, SessionLayer};
//!
//! # fn app(manager: SessionManager) -> Result<axum::Router, Box<dyn std::error::Error>> {
//! let mut text = DevicesText::default();
//! text.title = "Deine Geräte".to_owned();
//! let page = DevicesPage::new(manager.clone()).with_text(text);
//! let app = axum::Router::new().route_service("/devices", page).layer(
//!     SessionLayer::new(manager).with_rejection_response(RedirectToLogin::to("/login")?),
//! );
//! # Ok(app)
//! # }
//! ```
//!
//! An application with pages of its own calls
//! [`list`](session_core::SessionManager::list), [`end_one`](session_core::SessionManager::end_one)
//! and [`end_others`](session_core::SessionManager::end_others); what they return serializes.

mod html;
mod live;
mod page;
mod text;

#[cfg(feature = "sign-in")]
pub(crate) use html::{Button, device_item, device_label};
pub use live::LIVE_SCRIPT;
pub use page::DevicesPage;
#[cfg(feature = "sign-in")]
pub(crate) use page::is_gone;
pub use text::DevicesText;

pub use crate::answer::ServiceFuture;

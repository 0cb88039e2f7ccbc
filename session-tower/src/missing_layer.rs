//! The report of a route that stands outside of the session layer.

use crate::rejection::Rejection;

/// Reports the route with the line to add, if that is why a request is rejected: its users cannot mend
/// it.
pub(crate) fn report(rejection: &Rejection, path: &str) {
    if matches!(rejection, Rejection::MissingLayer) {
        tracing::error!(
            path,
            "a session is asked for on a route without the session layer: add \
             `.layer(SessionLayer::new(manager))`, or the `session_layer` of the sign-in, to the \
             router, after the route"
        );
    }
}

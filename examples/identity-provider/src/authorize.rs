use axum::extract::rejection::RawFormRejection;
use axum::extract::{RawForm, State};
use axum::response::Response;

use crate::authorization_request::{AuthorizationRequest, Rejection};
use crate::login;
use crate::params::Params;
use crate::provider::Provider;

/// `GET` and `POST /authorize`.
pub(crate) async fn authorize(
    State(provider): State<Provider>,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    let Ok(RawForm(encoded)) = form else {
        return Rejection::Page("The request is not a form.").into_answer(provider.issuer());
    };
    let params = Params::parse(&encoded);
    match AuthorizationRequest::parse(&provider, &params) {
        Ok(request) => login::ask(&provider, request, &params),
        Err(rejection) => rejection.into_answer(provider.issuer()),
    }
}

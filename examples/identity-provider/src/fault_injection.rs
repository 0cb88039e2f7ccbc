use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::fault::{Endpoint, Fault, Kind, NoAnswer};
use crate::provider::Provider;

/// Answers a request, with the fault that is due.
///
/// The work is a task of its own: a real provider does not undo a rotation because its client hung up.
pub(crate) async fn answer_with_faults<F>(
    provider: Provider,
    endpoints: &[Endpoint],
    effect: F,
) -> Response
where
    F: FnOnce(&Provider) -> Response + Send + 'static,
{
    let fault = provider.faults().take(endpoints);
    let latency = provider.settings().token_latency;
    let is_delayed = endpoints.contains(&Endpoint::Token) && !latency.is_zero();
    let work = async move {
        if is_delayed {
            tokio::time::sleep(latency).await;
        }
        strike(&provider, fault, effect).await
    };
    tokio::spawn(work).await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn strike<F>(provider: &Provider, fault: Option<Fault>, effect: F) -> Response
where
    F: FnOnce(&Provider) -> Response,
{
    match fault.map(|fault| fault.0) {
        None => effect(provider),
        Some(Kind::Answer(answer)) => answer.into_response(),
        Some(Kind::Close) => no_answer(),
        Some(Kind::HoldAnswer(gate)) => {
            let response = effect(provider);
            gate.pass().await;
            response
        }
        Some(Kind::HoldRequest(gate)) => {
            gate.pass().await;
            effect(provider)
        }
        Some(Kind::LoseAnswer) => {
            effect(provider);
            no_answer()
        }
    }
}

fn no_answer() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(NoAnswer);
    response
}

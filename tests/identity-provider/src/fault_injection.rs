//! Injects scripted faults into the responses of an endpoint.

use std::collections::{HashMap, VecDeque};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::fault::{Endpoint, Fault, Kind, NoResponse, ScriptedResponse};
use crate::provider::Provider;
use crate::renewal_record::{RenewalOutcome, RenewedLogin};

/// Responds to a request, with the next fault.
///
/// Runs as a separate task: a real provider does not undo a rotation because the client disconnects.
pub(crate) async fn respond_with_faults<F>(
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
        apply(&provider, fault, effect).await
    };
    tokio::spawn(work).await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn apply<F>(provider: &Provider, fault: Option<Fault>, effect: F) -> Response
where
    F: FnOnce(&Provider) -> Response,
{
    match fault.map(|fault| fault.0) {
        None => effect(provider),
        Some(Kind::Respond(response)) => response.into_response(),
        Some(Kind::Close) => no_response(),
        Some(Kind::HoldResponse(gate)) => {
            let response = effect(provider);
            gate.pass().await;
            response
        }
        Some(Kind::HoldRequest(gate)) => {
            gate.pass().await;
            effect(provider)
        }
        Some(Kind::LoseResponse) => {
            record_loss(provider, &effect(provider));
            no_response()
        }
    }
}

fn record_loss(provider: &Provider, lost: &Response) {
    if let Some(RenewedLogin { sid, subject }) = lost.extensions().get()
        && provider.settings().record_renewals
    {
        let now = provider.clock.now();
        provider.ledger().record_renewal((sid, subject), now, RenewalOutcome::ResponseLost);
    }
}

fn no_response() -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(NoResponse);
    response
}

/// The scripted faults: first those of single requests, in order, then outages.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    outages: HashMap<Endpoint, ScriptedResponse>,
    queue: VecDeque<(Endpoint, Fault)>,
}

impl FaultQueue {
    pub(crate) fn push(&mut self, endpoint: Endpoint, fault: Fault) {
        self.queue.push_back((endpoint, fault));
    }

    pub(crate) fn set_outage(&mut self, endpoint: Endpoint, response: Option<ScriptedResponse>) {
        match response {
            Some(response) => self.outages.insert(endpoint, response),
            None => self.outages.remove(&endpoint),
        };
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn take(&mut self, endpoints: &[Endpoint]) -> Option<Fault> {
        if let Some(position) =
            self.queue.iter().position(|(endpoint, _)| endpoints.contains(endpoint))
        {
            return self.queue.remove(position).map(|(_, fault)| fault);
        }
        let outage = endpoints.iter().find_map(|endpoint| self.outages.get(endpoint));
        outage.cloned().map(Fault::respond)
    }
}

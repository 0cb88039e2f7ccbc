use std::collections::{HashMap, VecDeque};

use crate::fault::{Endpoint, Fault, ScriptedAnswer};

/// The faults that are still to strike: first those of single requests in their order, then outages.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    outages: HashMap<Endpoint, ScriptedAnswer>,
    queue: VecDeque<(Endpoint, Fault)>,
}

impl FaultQueue {
    pub(crate) fn push(&mut self, endpoint: Endpoint, fault: Fault) {
        self.queue.push_back((endpoint, fault));
    }

    pub(crate) fn set_outage(&mut self, endpoint: Endpoint, answer: Option<ScriptedAnswer>) {
        match answer {
            Some(answer) => self.outages.insert(endpoint, answer),
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
        outage.cloned().map(Fault::answer)
    }
}

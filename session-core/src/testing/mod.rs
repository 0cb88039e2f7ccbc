//! Tools for tests (feature `test-util`): a clock to set, a provider and a store that fail on
//! demand, sample logins, and the conformance suite that every store must pass.

mod broadcast;
mod clock;
pub mod conformance;
mod faulty;
mod gate;
mod provider;
pub mod sample;

pub use broadcast::{BroadcastNode, MemoryBroadcast};
pub use clock::FakeClock;
pub use faulty::{Fault, FaultyStore, Method};
pub use gate::Gate;
pub use provider::{RenewalScript, ScriptedProvider};

//! What tests of sessions are made of (feature `test-util`): a clock to set, and more.

mod clock;

pub use clock::FakeClock;

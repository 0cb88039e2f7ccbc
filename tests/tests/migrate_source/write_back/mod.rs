//! Renewed tokens, written back into each project's own rows.

mod dump;
mod openwebui;
mod presets;
mod refusals;
mod sealed;
mod shapes;
mod trip;

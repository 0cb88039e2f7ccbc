//! Renewed tokens, written back to the rows of each project.

mod dump;
mod openwebui;
mod presets;
mod refusals;
mod sealed;
mod shapes;
mod trip;

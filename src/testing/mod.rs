//! Testing.
pub mod api;

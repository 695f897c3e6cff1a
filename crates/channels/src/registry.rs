//! The one list of channels.

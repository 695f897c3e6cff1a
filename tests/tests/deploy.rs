//! What operators are given, held against itself, the program and a real Kafka: compose file, image, manifests, unit,
//! and every command and link of docs/OPERATIONS.md. No container engine is needed, and none is used.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "deploy/compose.rs"]
mod compose;
#[path = "deploy/image.rs"]
mod image;
#[path = "deploy/kubernetes.rs"]
mod kubernetes;
#[path = "deploy/operations.rs"]
mod operations;
#[path = "deploy/replay.rs"]
mod replay;
#[path = "deploy/tree.rs"]
mod tree;

//! postrider
fn main() {}

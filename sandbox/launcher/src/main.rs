//! stockade-launcher
fn main() {}

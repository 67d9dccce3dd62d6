//! The `whence` program.

fn main() {}

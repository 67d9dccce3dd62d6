//! The program as its users start it: the real binary, and what its commands print and write.

mod cli;
mod export;
mod operations;
mod pictures;
mod proof;
mod support;

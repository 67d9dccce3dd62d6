//! The tables are a function of the log: however it was read, they come out the same.

mod fold;
mod history;
mod running;

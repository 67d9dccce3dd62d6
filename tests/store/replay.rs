//! The tables are a function of the log: however it was read, they come out the same.

mod answers;
mod arbitrary;
mod fold;
mod history;
mod leading;
mod logs;
mod rebuild;
mod running;
mod tables;

//! The service through sockets: the API over every store, landings, mail, the death of its process,
//! and what visitors send, held against data that others collected.

mod crash;
mod data_sets;
mod landing;
mod server;
mod service;
mod smtp;
mod specification;
mod stores;

// The modules of the suite: the same ones over every store.

mod support;

mod admin;
mod analytics;
mod attribution;
mod audit;
mod broken;
mod clients;
mod cookies;
mod erasure;
mod faults;
mod frame;
mod hostile;
mod login;
mod onboarding;
mod races;
mod raw;
mod referrals;
mod retention;
mod secrecy;
mod session;
mod slug;

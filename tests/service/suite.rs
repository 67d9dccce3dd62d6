// The modules of the suite: the same ones over every store.

mod support;

mod admin;
mod analytics;
mod attribution;
mod broken;
mod clients;
mod cookies;
mod faults;
mod frame;
mod hostile;
mod login;
mod onboarding;
mod races;
mod raw;
mod referrals;
mod secrecy;
mod session;
mod slug;

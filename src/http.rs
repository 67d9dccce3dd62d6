//! The HTTP side.

pub mod cookies;
pub mod landing_cookies;
pub mod touch;

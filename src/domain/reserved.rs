//! Words that no user may choose as a code or as a handle, and why.

/// Paths and hosts of platforms, as which a name would lead elsewhere.
const PLACES: &[&str] = &[
    "about",
    "account",
    "accounts",
    "api",
    "app",
    "assets",
    "auth",
    "billing",
    "blog",
    "cdn",
    "code",
    "codes",
    "creator",
    "creators",
    "dashboard",
    "dev",
    "docs",
    "download",
    "faq",
    "ftp",
    "healthz",
    "home",
    "imap",
    "invite",
    "localhost",
    "login",
    "logout",
    "mail",
    "me",
    "metrics",
    "pop3",
    "press",
    "pricing",
    "readyz",
    "ref",
    "referral",
    "referrals",
    "robots.txt",
    "search",
    "settings",
    "shop",
    "signin",
    "signup",
    "smtp",
    "static",
    "status",
    "store",
    "test",
    "touch",
    "touch.js",
    "user",
    "users",
    "v1",
    "v2",
    "well-known",
    "whence",
    "www",
];

/// Names that speak for the operator of a platform.
const OFFICES: &[&str] = &[
    "admin",
    "administrator",
    "contact",
    "help",
    "helpdesk",
    "info",
    "legal",
    "moderator",
    "mod",
    "official",
    "owner",
    "payments",
    "privacy",
    "root",
    "sales",
    "security",
    "staff",
    "superuser",
    "support",
    "sysadmin",
    "system",
    "team",
    "terms",
];

/// Mailboxes with a meaning (RFC 2142, and the rules of the CA/Browser Forum), which a platform may make
/// of the names of its users.
const MAILBOXES: &[&str] = &[
    "abuse",
    "hostmaster",
    "mailer-daemon",
    "marketing",
    "news",
    "no-reply",
    "noc",
    "noreply",
    "postmaster",
    "usenet",
    "uucp",
    "webmaster",
];

/// Words that programs write in the place of a name that they do not have.
const NOTHING: &[&str] = &[
    "anonymous",
    "deleted",
    "everyone",
    "false",
    "nil",
    "nobody",
    "none",
    "null",
    "true",
    "undefined",
    "unknown",
];

/// Returns all reserved words, in lower case.
pub fn words() -> impl Iterator<Item = &'static str> {
    [PLACES, OFFICES, MAILBOXES, NOTHING].into_iter().flatten().copied()
}

/// Returns whether a word in lower case is reserved.
#[must_use]
pub fn contains(word: &str) -> bool {
    words().any(|reserved| reserved == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_there_once() {
        let mut all: Vec<_> = words().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(contains("admin") && !contains("ada"));
        assert!(all.iter().all(|word| *word == word.to_lowercase()));
    }
}
